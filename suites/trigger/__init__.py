"""The runbook's trigger conditions."""
