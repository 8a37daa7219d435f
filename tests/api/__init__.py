"""Tests against a real API server, with neither nodes nor MetalLB."""
