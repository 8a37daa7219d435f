"""Checks of announcement."""
