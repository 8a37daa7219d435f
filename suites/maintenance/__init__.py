"""Checks of maintenance."""
