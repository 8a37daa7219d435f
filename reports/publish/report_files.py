"""Writing a run's files: what is known after every check, everything at the end, and what pytest writes besides.

pytest's own are JUnit's file and pytest-html's page, with our columns and no row greener than its check. A file that
cannot be written keeps none of the others from it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest
from pytest_html import extras
from pytest_metadata.plugin import metadata_key

from clusters import files
from clusters.checks import CheckResult, Outcome, RunResult
from clusters.checks.serialise import REPORT_FIELD, check_from_dict
from clusters.errors import ExitCode
from reports.history import Recorder
from reports.history.history_view import HistoryView, Successes, known_before, view_of
from reports.model import RESULTS, NotWritten, save, validator, write_text
from reports.pages import page_templates, upgrade_decision
from reports.pages.page import page
from reports.pages.page_templates import evidence_files
from reports.publish import prometheus, summary
from reports.publish.summary import Summary
from reports.wording import headline

#: Where writing the results so far takes longer than this, in seconds, it rests for that many times as long.
_SLOW, _REST = 0.1, 20


class Files:
    """The files of one run, in `directory`, and its place in the history that `recorder` keeps.

    `target` is the MetalLB version that an upgrade would go to, where one is asked about.
    """

    def __init__(
        self,
        config: pytest.Config,
        directory: Path,
        recorder: Recorder,
        *,
        baseline: Path | None = None,
        target: str = "",
        report_url: str = "",
    ) -> None:
        self._config = config
        self._directory = directory
        self._recorder = recorder
        self._baseline = baseline
        self._target = target
        self._report_url = report_url
        self._begun = False
        self._not_before = 0.0
        validator()  # made now, so that the first writing is not slower than the others

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_waiting(self) -> None:
        """Read the page's templates: that takes as long as a dozen checks, and nobody waits for it now."""
        page_templates.prepare()

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_progress(self, result: RunResult) -> None:
        """Keep what is known so far, for a run that is killed; of a huge run only now and then."""
        if not self._begun:
            self._begun = True
            self._recorder.begin(result)
        begun = time.monotonic()
        if begun >= self._not_before:
            # A full disk is reported once, at the end; it does not end a check in its middle.
            with contextlib.suppress(NotWritten):
                save(result, self._directory / RESULTS)
            ended = time.monotonic()
            self._not_before = ended + _REST * (ended - begun) if ended - begun > _SLOW else ended

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_finished(self, result: RunResult) -> None:
        """Write everything; a file that cannot be written does not keep the others from it.

        Raises NotWritten at the end, for the first of them.
        """
        successes = known_before(self._recorder.path, result).successes
        self._recorder.finish(result)
        view = self._view(result)
        decided = (
            upgrade_decision.decision_of(result, directory=self._directory, target=self._target)
            if self._target
            else None
        )
        writers = [*self._writers(result, view, successes)]
        writers += upgrade_decision.writers(decided, self._directory) if decided else ()
        faults = [fault for name, write in writers if (fault := _fault_of(name, write))]
        faults += map(NotWritten, self._recorder.faults)
        _point_latest(self._config, self._directory)
        self._config.pluginmanager.register(
            Summary(result, self._directory, faults, view=view, begins=self._begins(), decision=decided),
            "conformance-summary",
        )
        if faults:
            raise faults[0]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Make what pytest and its plugins have written, too, the owner's alone; they do so in this hook."""
        try:
            return (yield)
        finally:
            files.make_private(self._directory)

    def _view(self, result: RunResult) -> HistoryView:
        view = view_of(self._recorder.path, result, directory=self._directory, baseline=self._baseline)
        return replace(view, problem=" ".join(self._recorder.faults) or view.problem)

    def _begins(self) -> str:
        """Where a history began with this run: a lost one must not be taken for one that never was."""
        return str(self._recorder.path) if self._recorder.first else ""

    def _writers(
        self, result: RunResult, view: HistoryView, successes: Successes
    ) -> Iterable[tuple[str, Callable[[], None]]]:
        place = self._directory
        yield RESULTS, lambda: save(result, place / RESULTS)
        yield (
            "report.html",
            lambda: write_text(
                place / "report.html",
                page(result, directory=place, view=view, report_url=self._report_url),
            ),
        )
        yield (
            "metrics.prom",
            lambda: write_text(place / "metrics.prom", prometheus.metrics(result, successes)),
        )
        yield "summary.md", lambda: write_text(place / "summary.md", summary.markdown(result, view))


def _fault_of(name: str, write: Callable[[], None]) -> NotWritten | None:
    try:
        write()
    except NotWritten as fault:
        return fault
    except Exception as error:  # noqa: BLE001 - one file that cannot be made keeps no other from being made
        return NotWritten(f"{name} could not be made: {type(error).__name__}: {error}")
    return None


def _point_latest(config: pytest.Config, directory: Path) -> None:
    """Let reports/out/latest name the newest run. Where that cannot be done nothing else suffers."""
    out = config.rootpath / files.REPORTS / "out"
    unfinished = out / f".latest-{directory.name}"
    with contextlib.suppress(OSError):
        files.private_directory(out)
        unfinished.unlink(missing_ok=True)
        unfinished.symlink_to(os.path.relpath(directory, out), target_is_directory=True)
        unfinished.replace(out / "latest")


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
    return [extras.url(path, name=path.rsplit("/", 1)[-1]) for path in evidence_files(result.evidence)]
