"""Checks of allocation."""
