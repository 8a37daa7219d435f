"""Readers of what others wrote, given what nobody should have written: mutations of real files, at random."""
