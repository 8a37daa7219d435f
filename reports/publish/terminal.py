"""The last screen of a run: verdict, what failed and what to type, what was not tested, and the figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.checks import CheckResult, Finding, Outcome, RunResult, Verdict
from clusters.commands import command
from reports.figures import Figure, figures, shown
from reports.history.history_view import HistoryView
from reports.pages.upgrade_decision import Answer, Decision
from reports.pages.upgrade_decision import brief as told_briefly
from reports.publish.comparison_text import brief
from reports.wording import headline, named, not_tested

_FAILURES, _UNDECIDED, _FIGURES, _WIDTH = 5, 5, 8, 110


class Summary:
    """A pytest plugin that prints the summary of a finished run after pytest's own sections."""

    def __init__(
        self,
        result: RunResult,
        directory: Path,
        faults: Sequence[Exception],
        *,
        view: HistoryView | None = None,
        begins: str = "",
        decision: Decision | None = None,
    ) -> None:
        self._result = result
        self._directory = directory
        self._faults = faults
        self._view = view or HistoryView()
        self._begins = begins
        self._decision = decision

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it."""
        passed = self._result.run.verdict is Verdict.PASSED
        terminalreporter.write_sep(
            "=", headline(self._result), bold=True, **{"green" if passed else "red": True}
        )
        for line in (*lines(self._result), *since_previous(self._result, self._view)):
            for part in _wrapped(line):
                terminalreporter.write_line(part)
        if self._decision is not None:
            go = self._decision.answer is Answer.GO
            answer, *reasons = told_briefly(self._decision)
            terminalreporter.write_line(answer, bold=True, **{"green" if go else "red": True})
            for line in reasons:
                for part in _wrapped(line):
                    terminalreporter.write_line(part)
            terminalreporter.write_line(f"decision: {self._directory / 'decision.html'}")
        if self._begins:
            terminalreporter.write_line(f"history: begins with this run, in {self._begins}")
        for fault in self._faults:
            terminalreporter.write_line(f"error: {fault}", red=True)
        terminalreporter.write_line(f"report: {self._directory / 'report.html'}")


def lines(result: RunResult) -> list[str]:
    """The summary between its headline and the report's place; about one screen at most."""
    failed = [check for check in result.checks if check.outcome is Outcome.FAILED]
    text: list[str] = []
    for check in failed[:_FAILURES]:
        text += _failure(check)
    text += _more(len(failed) - _FAILURES, "failed checks")
    undecided = [check for check in result.checks if check.outcome is Outcome.INCONCLUSIVE]
    text += [f"INCONCLUSIVE  {check.id}: {check.reason}" for check in undecided[:_UNDECIDED]]
    text += _more(len(undecided) - _UNDECIDED, "inconclusive checks")
    text += _measured(result)
    text += _not_tested(result)
    return text


def since_previous(result: RunResult, view: HistoryView) -> list[str]:
    """What changed since the previous run, and which checks have not been validated for too long."""
    text = list(brief(view.comparison)) if view.comparison else []
    stale = [one.check for one in view.standings if view.stale(one)]
    if stale:
        hours = view.stale_after / timedelta(hours=1)
        typed = command("python -m reports last-validated --cluster {profile}", profile=result.run.cluster)
        text.append(f"stale, not validated for {hours:g} h ({len(stale)}): {named(stale)} ({typed})")
    return text


def _failure(check: CheckResult) -> list[str]:
    text = [f"FAILED  {check.id}: {check.reason}"]
    for finding in check.findings[:2]:
        text += _finding(finding)
    text += _more(len(check.findings) - 2, "findings")
    return text


def _finding(finding: Finding) -> list[str]:
    text = [f"  {finding.cause}: {finding.subject}: {finding.summary}"]
    text += [f"    remedy: {finding.remedy}"] if finding.remedy else []
    return text + [f"    $ {command}" for command in finding.commands[:1]]


def _measured(result: RunResult) -> list[str]:
    rows = sorted(figures(result), key=lambda figure: -figure.strain)
    width = max((len(figure.check) for figure in rows[:_FIGURES]), default=0)
    text = ["measured (worst sample, budget):"] if rows else []
    text += [_row(figure, width) for figure in rows[:_FIGURES]]
    return text + _more(len(rows) - _FIGURES, "figures")


def _row(figure: Figure, width: int) -> str:
    budget = f"  of {shown(figure.budget, figure.unit)}" if figure.budget is not None else ""
    return f"  {figure.check:<{width}}  {figure.name}: {shown(figure.value, figure.unit)}{budget}"


def _not_tested(result: RunResult) -> list[str]:
    groups = not_tested(result)
    total = sum(len(ids) for ids in groups.values())
    text = [f"not tested ({total}):"] if groups else []
    return text + [f"  {reason}: {named(ids)}" for reason, ids in groups.items()]


def _more(count: int, what: str) -> list[str]:
    return [f"  and {count} more {what}, see the report"] if count > 0 else []


def _wrapped(line: str) -> list[str]:
    """The line in one or two lines of the screen; commands stay whole, they are there to be copied."""
    text = line.lstrip()
    if text.startswith("$"):
        return [line]
    indent = " " * (len(line) - len(text))
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        max_lines=2,
        placeholder=" …",
        break_on_hyphens=False,
    )
