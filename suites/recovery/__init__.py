"""Checks of recovery."""
