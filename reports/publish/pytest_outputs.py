"""pytest's own files of a run: JUnit's, and pytest-html's with our columns, no row greener than its check.

One that cannot be written keeps nothing else from being written.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from html import escape
from typing import Any

import pytest
from pytest_html import extras
from pytest_metadata.plugin import metadata_key

from clusters.checks import CheckResult, Outcome, RunResult
from clusters.checks.serialise import REPORT_FIELD, check_from_dict
from clusters.errors import ExitCode
from reports.pages.page_templates import files
from reports.wording import headline

#: The modules whose plugins write a file when a session ends, and what that is called.
_WRITERS = {"_pytest.junitxml": "The JUnit file", "pytest_html.selfcontained_report": "pytest-html's page",
            "pytest_html.report": "pytest-html's page"}  # fmt: skip


class PytestFiles:
    """A pytest plugin. The run's verdict and its summary are printed all the same, and it ends with exit code 3."""

    def __init__(self) -> None:
        self._faults: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Stand before each of the writers; they are registered by now."""
        manager = session.config.pluginmanager
        for plugin in list(manager.get_plugins()):
            name = _WRITERS.get(type(plugin).__module__, "")
            if name and hasattr(plugin, "pytest_sessionfinish"):
                own = manager.get_name(plugin)
                manager.unregister(plugin)
                plugin.pytest_sessionfinish = self._guarded(plugin.pytest_sessionfinish, name, session)
                if hasattr(plugin, "pytest_terminal_summary"):
                    plugin.pytest_terminal_summary = self._where(plugin.pytest_terminal_summary, name)
                manager.register(plugin, own)

    def _guarded(self, write: Callable[..., None], name: str, session: pytest.Session) -> Callable[..., None]:
        @functools.wraps(write)
        def guarded(*arguments: Any, **options: Any) -> None:
            try:
                write(*arguments, **options)
            except OSError as error:
                self._faults[name] = f"{name} could not be written: {error.strerror or error}."
                if session.exitstatus != ExitCode.CLEANUP_FAILED:
                    session.exitstatus = ExitCode.INTERNAL_ERROR

        return guarded

    def _where(self, say: Callable[..., None], name: str) -> Callable[..., None]:
        @functools.wraps(say)
        def where(*arguments: Any, **options: Any) -> None:
            if name not in self._faults:
                say(*arguments, **options)

        return where

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what could not be written."""
        for fault in self._faults.values():
            terminalreporter.write_line(f"error: {fault}", red=True)


_COLUMNS = ("id", "runbook", "level", "outcome")
_FIRST_FREE = 2
#: What pytest-metadata may show of a run. It also takes what --metadata and a CI system's variables hold (Jenkins'
#: GIT_URL with its password), and with workers it brings all of that back after pytest-html has blackened it.
_HARMLESS = frozenset({"Python", "Platform", "Packages", "Plugins"})


class FamiliarView:
    """A pytest plugin beside pytest-html. It sees every report before pytest-html does."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results: dict[str, CheckResult] = {}
        self._reports: dict[str, list[pytest.TestReport]] = {}
        self._run: RunResult | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Leave in the metadata only what every run may show; pytest-html reads it now."""
        self._forget_metadata()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The same again, of what the workers brought: pytest-html writes its page now."""
        self._forget_metadata()

    def _forget_metadata(self) -> None:
        metadata: dict[str, object] = self._config.stash.get(metadata_key, {})
        for name in set(metadata) - _HARMLESS:
            del metadata[name]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep an item's result for its rows; where its clean-up failed, its body's row has not passed."""
        text = getattr(report, REPORT_FIELD, None)
        if text is None:
            return
        self._reports.setdefault(report.nodeid, []).append(report)
        if report.when != "teardown":
            return
        mine = self._reports.pop(report.nodeid)
        if text:
            result = check_from_dict(_result(text))
            self._results[report.nodeid] = result
            for one in mine:
                if result.outcome is Outcome.FAILED and one.when == "call" and one.passed:
                    one.outcome = "failed"
                    one.longrepr = result.reason
            report.extras = [  # type: ignore[attr-defined]  # pytest-html reads it
                *getattr(report, "extras", []),
                *_links(result),
            ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_finished(self, result: RunResult) -> None:
        """Keep the run for the summary."""
        self._run = result

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: object) -> None:
        """Name the page; the verdict is not known yet when this is asked."""
        report.title = "MetalLB conformance"  # type: ignore[attr-defined]  # pytest-html's report data

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put the verdict and the way to the full report above the table."""
        if self._run is not None:
            prefix.append(f"<p><strong>{escape(headline(self._run))}</strong></p>")
            prefix.append('<p>The full report is <a href="report.html">report.html</a>.</p>')

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Our columns, after the result and the name."""
        cells[_FIRST_FREE:_FIRST_FREE] = [
            f'<th class="sortable" data-column-type="{name}">{name}</th>' for name in _COLUMNS
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: pytest.TestReport, cells: list[str]) -> None:
        """The same columns of one row; empty for what is no check."""
        result = self._results.get(report.nodeid)
        values = (
            (result.id, ", ".join(result.runbook), result.level, str(result.outcome))
            if result
            else ("", "", "", "")
        )
        cells[_FIRST_FREE:_FIRST_FREE] = [
            f'<td class="col-{name}">{escape(value)}</td>'
            for name, value in zip(_COLUMNS, values, strict=True)
        ]


def _result(text: str) -> dict[str, object]:
    data: dict[str, object] = json.loads(text)["result"]
    return data


def _links(result: CheckResult) -> list[dict[str, str]]:
    return [extras.url(path, name=path.rsplit("/", 1)[-1]) for path in files(result.evidence)]
