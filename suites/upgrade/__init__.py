"""Checks of upgrades."""
