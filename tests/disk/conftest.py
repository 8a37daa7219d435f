"""The project that runs of the plugin's own tests work in."""

from __future__ import annotations

from tests.unit.plugin.conftest import compiled, project

__all__ = ["compiled", "project"]
