"""The last-validated table of the page: every check by runbook section, with what is known of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clusters.checks import CheckResult, Outcome, RunResult
from reports.history.past import Past, Validated

#: The runbook's sections in its order, by what a check's reference begins with.
SECTIONS = {
    "Trigger": "Trigger conditions",
    "1": "1 Health checks",
    "2.1": "2.1 Stuck in Pending",
    "2.2": "2.2 Traffic does not arrive",
    "2.3": "2.3 Wrong pool or version skew",
    "3": "3 Disaster recovery",
    "4": "4 Scaling and resources",
    "5": "5 Maintenance",
    "6": "6 Rollback",
    "7": "7 Post-incident actions",
    "shape": "Beyond the runbook: allocation, announcement, failover",
}
_OTHER = "Other"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check. `state` is what the table says: "passed", "stale", "failed", "never passed" or "untested".

    `now` is how it ended in this run, None where it was not tested.
    """

    about: Validated
    now: Outcome | None
    state: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the runbook with its checks."""

    title: str
    rows: tuple[Row, ...]


def sections(result: RunResult, past: Past | None) -> tuple[Section, ...]:
    """The table for this run's versions: from what is kept of the past, or from this run alone."""
    now = {check.id: check.outcome for check in result.checks}
    kept = _kept(result, past)
    known = {one.check for one in kept}
    alone = [_alone(check, result) for check in result.checks if check.id not in known]
    as_of = (past.as_of if past else "") or result.run.finished
    grouped: dict[str, list[Row]] = {title: [] for title in (*SECTIONS.values(), _OTHER)}
    for one in sorted([*kept, *alone], key=lambda one: one.check):
        row = Row(about=one, now=now.get(one.check), state=_state(one, as_of))
        grouped[section_of(one.runbook)].append(row)
    return tuple(Section(title=title, rows=tuple(rows)) for title, rows in grouped.items() if rows)


def section_of(runbook: Iterable[str]) -> str:
    """The title of the section that a check belongs to, by its first reference that is one."""
    for reference in runbook:
        for name in sorted(SECTIONS, key=len, reverse=True):
            if reference == name or reference.startswith((f"{name} ", f"{name}.")):
                return SECTIONS[name]
    return _OTHER


def _kept(result: RunResult, past: Past | None) -> list[Validated]:
    run = result.run
    versions = (run.metallb_version, run.kubernetes_version)
    return [
        one
        for one in (past.validated if past else ())
        if (one.metallb_version, one.kubernetes_version) == versions
    ]


def _alone(check: CheckResult, result: RunResult) -> Validated:
    """What this run alone says of a check."""
    run = result.run
    passed, failed = check.outcome is Outcome.PASSED, check.outcome is Outcome.FAILED
    return Validated(
        check=check.id,
        title=check.title,
        runbook=check.runbook,
        metallb_version=run.metallb_version,
        kubernetes_version=run.kubernetes_version,
        last_run=run.finished,
        last_outcome=check.outcome,
        last_passed=run.finished if passed else "",
        last_failed=run.finished if failed else "",
        consecutive_failures=int(failed),
        since=run.finished if passed or failed else "",
    )


def _state(one: Validated, as_of: str) -> str:
    if one.consecutive_failures:
        return "failed"
    if not one.last_passed:
        return "never passed"
    return "stale" if one.stale(as_of) else "passed"
