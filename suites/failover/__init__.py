"""Checks of failover."""
