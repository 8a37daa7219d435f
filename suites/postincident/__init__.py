"""Checks of what follows an incident."""
