"""The checks, one folder a section of the runbook, one module a concern."""
