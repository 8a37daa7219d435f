"""summary.md: the run as Markdown, for a pull request, a job's summary page or a chat."""

from __future__ import annotations

from collections.abc import Sequence

from clusters.checks import CheckResult, Outcome, RunResult
from reports.figures import figures, shown
from reports.history.history_view import HistoryView
from reports.markup import code, fenced, plain
from reports.publish.comparison_text import sections
from reports.wording import headline, named, not_tested


def markdown(result: RunResult, view: HistoryView | None = None) -> str:
    """The verdict, what changed, then failures with remedy and commands, figures, and what was not tested."""
    run = result.run
    lines = [f"# {plain(headline(result))}", "", f"Run {code(run.id)}, {run.started} to {run.finished}."]
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
