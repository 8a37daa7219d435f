"""A project with checks of its own and a cluster that is none, to run the plugin in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from _pytest.pytester import RunResult

# Imported here so that pytester, which forgets the modules that a run imports, leaves them alone: a run would
# else patch one copy of a module and use another.
from clusters import api, changes, journal, preflight, profile, providers, vantage  # noqa: F401 - see above

_PROFILE = """\
name: fake
provider: existing
context: nowhere
disposable: true
allow: disrupt
"""
_SETTINGS = """\
[tool.pytest.ini_options]
addopts = [
    "-ra", "--strict-markers", "--strict-config", "--import-mode=importlib",
    "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
]
testpaths = ["tests/unit"]
xfail_strict = true
filterwarnings = ["error"]
"""
_IMPORTS = """\
import os, signal, subprocess, sys, warnings
from pathlib import Path
import pytest
from clusters.checks import CheckFailed, Finding, NotSupported
from clusters.errors import CleanupFailed, Inconclusive, Refused
from suites.plugin import CREATE, DISRUPT, OBSERVE, check
"""


class Project:
    """A directory with suites/, a profile and the plugins, and the last run in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path = pytester.path
        self.profile(_PROFILE)
        (self.path / "pyproject.toml").write_text(_SETTINGS)
        (self.path / "tests" / "unit").mkdir(parents=True)
        fake = (Path(__file__).parent / "fake_cluster.py").read_text()
        (self.path / "fake_cluster.py").write_text(fake)
        plugins = ("fake_cluster", "suites.plugin.registration", "reports.plugin")
        pytester.makeconftest(f"pytest_plugins = {plugins!r}")
        pytester.syspathinsert()

    def profile(self, text: str) -> None:
        """Write the profile anew."""
        (self.path / "fake.yaml").write_text(dedent(text))

    def add_to_profile(self, text: str) -> None:
        """Append fields to the profile."""
        self.profile(_PROFILE + dedent(text))

    def checks(self, text: str, name: str = "test_checks.py") -> None:
        """Write a check module; what checks need is imported before."""
        place = self.path / "suites" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_IMPORTS + dedent(text))

    def cluster(self, what: str, text: str = "") -> None:
        """Let the fake cluster do something; see fake_cluster.py for what it knows."""
        (self.path / f"cluster-{what}").write_text(text)

    def run(self, *arguments: str, allow: str = "disrupt") -> RunResult:
        """Run the suites against the fake cluster, in this process."""
        return self._pytester.runpytest_inprocess(*self.arguments(arguments, allow))

    def run_apart(self, *arguments: str, allow: str = "disrupt") -> RunResult:
        """The same in a process of its own."""
        return self._pytester.runpytest_subprocess(*self.arguments(arguments, allow))

    def pytest(self, *arguments: str) -> RunResult:
        """Run pytest with these arguments alone."""
        return self._pytester.runpytest_inprocess(*arguments)

    def pytest_apart(self, *arguments: str) -> RunResult:
        """The same in a process of its own, for what ends before a session begins."""
        return self._pytester.runpytest_subprocess(*arguments)

    def arguments(self, arguments: Sequence[str], allow: str) -> list[str]:
        """What a run of the suites is called with."""
        return ["suites", "--cluster", str(self.path / "fake.yaml"), "--allow", allow, *arguments]

    @property
    def directory(self) -> Path:
        """Where the last run's files are."""
        return self.path / "reports" / "out" / "latest"

    @property
    def results(self) -> dict[str, Any]:
        """The last run's results.json."""
        data: dict[str, Any] = json.loads((self.directory / "results.json").read_text())
        return data

    def check(self, name: str) -> dict[str, Any]:
        """One check of it."""
        (found,) = [one for one in self.results["checks"] if one["id"] == name]
        return dict(found)

    @property
    def outcomes(self) -> dict[str, str]:
        """Outcomes of the last run by check id."""
        return {one["id"]: one["outcome"] for one in self.results["checks"]}

    @property
    def not_tested(self) -> dict[str, str]:
        """Reasons of the last run by check id."""
        return {one["id"]: one["reason"] for one in self.results["not_tested"]}
