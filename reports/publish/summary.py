"""The summary of a run: summary.md for a pull request or a job's page, the last screen of a terminal, a ConfigMap.

The ConfigMap is for a run in a pod: what everybody may read with kubectl. It is the run's report and no change to what
is tested, so no journal undoes it. It has to be there already: a run may write to that one object and make none.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from clusters.api import Api
from clusters.api.kubeconfig import IN_CLUSTER, service_account_kubeconfig
from clusters.api.resources import CONFIG_MAPS
from clusters.checks import CheckResult, Finding, Outcome, RunResult, Verdict
from clusters.checks.serialise import run_to_dict
from clusters.commands import command
from clusters.errors import ConformanceError, UsageError
from reports.history.history_view import HistoryView
from reports.markup import code, fenced, plain
from reports.pages import upgrade_decision
from reports.pages.upgrade_decision import Answer, Decision
from reports.publish.comparison_text import brief, sections
from reports.wording import Figure, figures, headline, in_maintenance, named, not_tested, shown


def markdown(result: RunResult, view: HistoryView | None = None) -> str:
    """The verdict, what changed, then failures with remedy and commands, figures, and what was not tested."""
    run = result.run
    lines = [f"# {plain(headline(result))}", "", f"Run {code(run.id)}, {run.started} to {run.finished}."]
    work = in_maintenance(result)
    lines += ["", plain(work)] if work else []
    lines += _changed(view or HistoryView())
    for outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.WAIVED):
        chosen = [check for check in result.checks if check.outcome is outcome]
        lines += ["", f"## {str(outcome).capitalize()}"] if chosen else []
        for check in chosen:
            lines += _check(check)
    lines += _figures(result)
    groups = not_tested(result)
    lines += ["", "## Not tested", ""] if groups else []
    lines += [f"- {plain(reason)}: {plain(named(ids))}" for reason, ids in groups.items()]
    return "\n".join(lines) + "\n"


def noted(summary: str, troubles: Sequence[str]) -> str:
    """The summary with what did not get through."""
    listed = "\n".join(f"- {plain(line.removeprefix('not delivered: '))}" for line in troubles)
    return f"{summary}\n## Not delivered\n\n{listed}\n"


def _changed(view: HistoryView) -> list[str]:
    lines = ["", plain(view.problem)] if view.problem else []
    found = view.comparison
    if found is None:
        return lines
    return [*lines, "", f"## Since {plain(found.against)} ({code(found.run.id)})", *sections(found, level=3)]


def _check(check: CheckResult) -> list[str]:
    lines = ["", f"### {code(check.id)}", "", plain(check.reason)]
    for finding in check.findings:
        lines += ["", f"- **{plain(finding.cause)}**, {plain(finding.subject)}: {plain(finding.summary)}"]
        lines += [f"  {plain(finding.remedy)}"] if finding.remedy else []
        lines += ["", *fenced(finding.commands, indent="  ")] if finding.commands else []
    return lines


def _figures(result: RunResult) -> list[str]:
    rows = figures(result)
    if not rows:
        return []
    lines = ["", "## Measured", "", "| check | figure | worst | budget |", "| --- | --- | ---: | ---: |"]
    return lines + [
        f"| {plain(row.check)} | {plain(row.name)} | {plain(shown(row.value, row.unit))}{'' if row.kept else ' ✗'} "
        f"| {plain(shown(row.budget, row.unit))} |"
        for row in rows
    ]


#: The ConfigMap: NAMESPACE/NAME.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
#: An object may hold 1 MiB. What does not fit is cut or left out, and says so.
_MOST_SUMMARY, _MOST_RESULTS = 200_000, 700_000


@dataclass(frozen=True, kw_only=True)
class SummaryConfigMap:
    """The ConfigMap to write to, and the kubeconfig of the pod's own login."""

    namespace: str
    name: str
    kubeconfig: Path

    def write(self, result: RunResult) -> str:
        """Put the run in the place of what was there; why that did not succeed, or an empty text."""
        try:
            api = Api.connect(self.kubeconfig, IN_CLUSTER)
            api.patch(CONFIG_MAPS, self.name, {"data": data_of(result)}, self.namespace)
        except ConformanceError as error:
            return str(error)
        return ""


def data_of(result: RunResult) -> dict[str, Any]:
    """What the ConfigMap holds; a key that a run has nothing for is taken out of it (None)."""
    run = result.run
    text = markdown(result)
    results = json.dumps(run_to_dict(result), separators=(",", ":"))
    fits = len(results.encode()) <= _MOST_RESULTS
    return {
        "run": run.id,
        "finished": run.finished,
        "verdict": str(run.verdict),
        "summary.md": text if len(text) <= _MOST_SUMMARY else f"{text[:_MOST_SUMMARY]}\n\n(cut here)\n",
        "results.json": results if fits else None,
        "left-out": None
        if fits
        else "results.json is too long for a ConfigMap; it is among the run's files.",
    }


def configmap_of(option: str | None) -> SummaryConfigMap | None:
    """The ConfigMap that --summary-configmap names. Raises UsageError, also outside of a pod."""
    if not option:
        return None
    if not _NAME.fullmatch(option):
        raise UsageError(f"--summary-configmap {option} is not NAMESPACE/NAME.")
    kubeconfig = service_account_kubeconfig()
    if kubeconfig is None:
        raise UsageError(
            "--summary-configmap works only for a run in a pod, and this run is not in one.",
            remedy="The same is in summary.md in the run's directory.",
        )
    namespace, _, name = option.partition("/")
    return SummaryConfigMap(namespace=namespace, name=name, kubeconfig=kubeconfig)


#: What one screen of a terminal shows at most.
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
            answer, *reasons = upgrade_decision.brief(self._decision)
            terminalreporter.write_line(answer, bold=True, **{"green" if go else "red": True})
            for line in reasons:
                for part in _wrapped(line):
                    terminalreporter.write_line(part)
            terminalreporter.write_line(f"decision: {self._directory / 'decision.html'}")
        if self._begins:
            terminalreporter.write_line(
                f"history: there was none, and it begins with this run, in {self._begins}"
            )
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
