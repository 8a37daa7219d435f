"""How the property tests draw their examples, and what signals do to what the tests start."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests import signals

# How fast examples are drawn says something about the machine, not about the code: a busy one must not fail a test.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", parent=settings.get_profile("project"), max_examples=15)
settings.load_profile("project")

signals.restore()
