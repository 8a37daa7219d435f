"""The project to run the plugin in, as its own tests have it."""

from tests.unit.plugin.conftest import compiled, project

__all__ = ["compiled", "project"]
