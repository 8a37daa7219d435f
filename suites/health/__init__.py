"""Section 1 of the runbook: health checks."""
