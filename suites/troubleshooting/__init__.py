"""Section 2 of the runbook: troubleshooting."""
