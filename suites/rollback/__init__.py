"""Checks of rollback."""
