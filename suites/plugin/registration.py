"""The plugin's entry: it registers its parts, its hooks and its options with pytest."""

from __future__ import annotations

import pytest

from suites.plugin import (
    explain_option,
    failure_evidence,
    fleet_runs,
    hooks,
    item_outcome,
    observation_fixtures,
    redacted_output,
    run_fixtures,
    selection,
    session,
    xdist_scheduler,
)
from suites.plugin.settings import add_options

_PARTS = (
    selection,
    explain_option,
    run_fixtures,
    fleet_runs,
    item_outcome,
    failure_evidence,
    redacted_output,
    observation_fixtures,
    session,
    xdist_scheduler,
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks by which the reports hear of a run, and the plugin's other parts."""
    pluginmanager.add_hookspecs(hooks)
    for part in _PARTS:
        pluginmanager.register(part, part.__name__)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    add_options(parser)
