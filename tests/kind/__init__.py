"""Real kind on real Docker, on a machine that has neither and no image registry: everything is made here."""
