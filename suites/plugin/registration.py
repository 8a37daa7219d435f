"""The plugin's entry: it registers its parts, its hooks and its options with pytest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clusters.checks import RunResult
from clusters.checks.run_verdict import Member
from suites.plugin import (
    declare,
    failure_evidence,
    fleet_runs,
    item_outcome,
    redacted_output,
    run_fixtures,
    selection,
    session,
    xdist_scheduler,
)
from suites.plugin.settings import add_options

_PARTS = (
    selection,
    declare,
    run_fixtures,
    fleet_runs,
    item_outcome,
    failure_evidence,
    redacted_output,
    session,
    xdist_scheduler,
)


class Hooks:
    """Hooks by which the runner tells the reports, which it does not know, what happens."""

    @staticmethod
    def pytest_conformance_configure(config: pytest.Config, directory: Path) -> None:
        """A run is about to start, its files go to `directory`. Called once, before other plugins configure."""

    @staticmethod
    def pytest_conformance_waiting(config: pytest.Config) -> None:
        """The run waits for the cluster and the wire: what needs neither may be made ready. Not every run does so."""

    @staticmethod
    def pytest_conformance_progress(config: pytest.Config, result: RunResult, directory: Path) -> None:
        """What is known so far: called before the first item and after each. Checks not reached are skipped."""

    @staticmethod
    def pytest_conformance_finished(config: pytest.Config, result: RunResult, directory: Path) -> None:
        """The run has ended, clean-up included. Called once, whatever went wrong before."""

    @staticmethod
    def pytest_conformance_fleet(config: pytest.Config, members: Sequence[Member], directory: Path) -> None:
        """The runs of several clusters have ended; each has its own files, and what joins them goes to `directory`."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks by which the reports hear of a run, and the plugin's other parts."""
    pluginmanager.add_hookspecs(Hooks)
    for part in _PARTS:
        pluginmanager.register(part, part.__name__)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    add_options(parser)
