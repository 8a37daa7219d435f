"""Section 4 of the runbook: scaling and resources."""
