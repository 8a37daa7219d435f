"""What the process that writes the report hears: each item's result, entered in the run's state and shown."""

from __future__ import annotations

import pytest

from clusters.checks import CheckResult, Outcome
from clusters.checks.serialise import REPORT_FIELD
from suites.plugin.run import RUN
from suites.plugin.run_state import ItemResult, Plan
from suites.plugin.settings import plan_folder

#: Set where a test that is no check failed in the same pytest run.
OTHERS_FAILED = pytest.StashKey[bool]()

_COLOURS = {
    Outcome.PASSED: {"green": True},
    Outcome.FAILED: {"red": True},
    Outcome.INCONCLUSIVE: {"yellow": True},
    Outcome.SKIPPED: {"yellow": True},
    Outcome.WAIVED: {"yellow": True},
    Outcome.NOT_SUPPORTED: {"cyan": True},
}
_SHOWN_MEASUREMENTS, _WIDTH = 2, 120


class ResultCollector:
    """A pytest plugin of the process that writes the report (the only one, or xdist's controller)."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._counted: set[str] = set()
        #: Whether all items have ended; pytest's summary asks for the word that begins its lines.
        self._ended = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> tuple[str, str, str] | None:
        """Count an item once, under its outcome, when it has ended; pytest tells of failed phases as ever."""
        if not isinstance(report, pytest.TestReport) or not hasattr(report, REPORT_FIELD):
            return None
        if report.failed:
            self._counted.add(report.nodeid)
            return self._status("failed" if report.when == "call" else "error")
        text = getattr(report, REPORT_FIELD)
        if not text or report.nodeid in self._counted:
            return ("", "", "")
        return self._status(str(ItemResult.from_text(text).result.outcome).replace("_", " "))

    def _status(self, category: str) -> tuple[str, str, str]:
        return (category, "", category.upper() if self._ended else "")

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self) -> None:
        """From now on pytest sums up."""
        self._ended = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enter a finished item in the state."""
        text = getattr(report, REPORT_FIELD, None)
        if text is None:
            if report.failed:
                self._config.stash[OTHERS_FAILED] = True
            return
        if text:
            part = ItemResult.from_text(text)
            self._config.stash[RUN].state.add(part)
            take_plan(self._config)
            report_progress(self._config)
            self._show(part)

    def _show(self, part: ItemResult) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is None or terminal.verbosity < 0:
            return
        result = part.result
        name = f"{result.id} [{part.label}]" if part.label else result.id
        terminal.ensure_newline()
        terminal.write(f"  {result.outcome:<13}", **_COLOURS[result.outcome])
        line = f" {result.duration_s:7.2f} s  {name:<34} {_detail(result)}".rstrip()
        most = max(self._config.get_terminal_writer().fullwidth, _WIDTH) - len(f"  {result.outcome:<13}")
        terminal.write_line(line if len(line) <= most else f"{line[: most - 1]}…")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Leave the lines to us: no file names with letters behind them."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            terminal.showfspath = False


def take_plan(config: pytest.Config) -> None:
    """Take over the plan: from this process's own collection, or as a worker process left it."""
    state = config.stash[RUN].state
    if not state.plan.checks and not state.plan.not_tested:
        state.plan = Plan.read(plan_folder(config))


def report_progress(config: pytest.Config) -> None:
    """Tell the reports what is known so far."""
    run = config.stash[RUN]
    config.hook.pytest_conformance_progress(
        config=config, result=run.state.result(), directory=run.settings.directory
    )


def _detail(result: CheckResult) -> str:
    if result.outcome is not Outcome.PASSED:
        return result.reason
    figures = list(result.measurements.items())[:_SHOWN_MEASUREMENTS]
    return ", ".join(f"{name} {one.value:.3g} {one.unit}" for name, one in figures)
