"""The plugin's entry: it registers its parts, its hooks and its options with pytest."""

from __future__ import annotations

import pytest

from suites.plugin import (
    collecting,
    explaining,
    fixtures,
    fleet,
    hooks,
    judging,
    keeping,
    leaving,
    observation,
    session,
    turns,
)
from suites.plugin.settings import add_options

_PARTS = (collecting, explaining, fixtures, fleet, judging, keeping, leaving, observation, session, turns)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks by which the reports hear of a run, and the plugin's other parts."""
    pluginmanager.add_hookspecs(hooks)
    for part in _PARTS:
        pluginmanager.register(part, part.__name__)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    add_options(parser)
