"""Checks of the overlay."""
