"""Each check is seen to fail."""
