"""Tests on the embedded lab: they boot real clusters, and need root."""
