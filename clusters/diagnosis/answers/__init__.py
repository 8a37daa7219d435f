"""One module for each section of the runbook: what its checks find in a Diagnosis."""
