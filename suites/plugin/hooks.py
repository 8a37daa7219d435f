"""Hooks by which the runner tells the reports, which it does not know, what happens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clusters.checks import RunResult
from clusters.checks.run_verdict import Member


def pytest_conformance_configure(config: pytest.Config, directory: Path) -> None:
    """A run is about to start, its files go to `directory`. Called once, before other plugins configure."""


def pytest_conformance_progress(config: pytest.Config, result: RunResult, directory: Path) -> None:
    """What is known so far: called before the first item and after each. Checks not reached are skipped."""


def pytest_conformance_finished(config: pytest.Config, result: RunResult, directory: Path) -> None:
    """The run has ended, clean-up included. Called once, whatever went wrong before."""


def pytest_conformance_fleet(config: pytest.Config, members: Sequence[Member], directory: Path) -> None:
    """The runs of several clusters have ended; each has its own files, and what joins them goes to `directory`."""
