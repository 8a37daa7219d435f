"""Whether what once passed still counts: each check's standing, judged by how old its last validation may be.

Twice over the same rows: `validation` says of a cluster what `last-validated` prints, `sections` what a page shows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from clusters.checks import CheckResult, Level, Outcome, RunResult, is_known
from reports.history import stored_runs
from reports.history.history_view import HistoryView
from reports.history.standings import Standing, standings
from reports.history.stored_runs import Ending, Run

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


class State(StrEnum):
    """How a check stands at one moment. Only `passed` is a validation; the first four say that there is none."""

    #: It failed when it was last decided.
    FAILING = "failing"
    #: Its last validation is older than it may be.
    STALE = "stale"
    #: It was run and never validated: never passed, or only in runs that did not clean up.
    NEVER = "never"
    #: A newer release decided it, in a word that this one does not know.
    UNKNOWN = "unknown"
    PASSED = "passed"
    #: Its last decision, and no older than a pass may be.
    WAIVED = "waived"
    NOT_SUPPORTED = "not supported"
    #: Runs know it and left it out each time.
    NOT_TESTED = "not tested"
    #: The cluster has moved on to other versions, with which the check was run as well.
    SUPERSEDED = "superseded"

    @property
    def unvalidated(self) -> bool:
        """Whether a validation that should be there is missing."""
        return self in {State.FAILING, State.STALE, State.NEVER, State.UNKNOWN}


_TAKEN_AS_THEY_ARE = {Outcome.WAIVED: State.WAIVED, Outcome.NOT_SUPPORTED: State.NOT_SUPPORTED}


@dataclass(frozen=True, kw_only=True)
class Validation:
    """One cluster's checks at `now`, where a validation may be as old as `budget`, or as `by_level` has it.

    `newest` is its newest run, and `interrupted` how many were interrupted since the last one that ended.
    """

    cluster: str
    rows: tuple[Standing, ...]
    now: datetime
    budget: timedelta
    newest: Run | None
    interrupted: int
    by_level: Mapping[str, timedelta] = field(default_factory=dict)

    def state(self, row: Standing) -> State:
        """How a check stands."""
        return state_of(row, now=self.now, budget=self.by_level.get(row.level, self.budget))

    @property
    def unvalidated(self) -> int:
        """How many checks have no validation that counts."""
        return sum(self.state(row).unvalidated for row in self.rows)

    @property
    def complete(self) -> bool:
        """Whether everything that was run is validated; nothing at all is not validated either."""
        return any(row.last_at for row in self.rows) and not self.unvalidated

    @property
    def validated_on(self) -> str:
        """Since when every check has passed, in whichever runs: the oldest of their last validations.

        RFC 3339; "" where one is not validated, or none ever was.
        """
        passed = [row.validated_at for row in self.rows if self.state(row) is State.PASSED]
        return min(passed, default="") if self.complete else ""

    def at_level(self, level: Level) -> Validation:
        """The same with only the checks of one level."""
        return replace(self, rows=tuple(row for row in self.rows if row.level == level and row.last_at))


def validation(
    connection: sqlite3.Connection,
    cluster: str,
    *,
    now: datetime,
    budget: timedelta,
    by_level: Mapping[str, timedelta] | None = None,
) -> Validation:
    """One cluster's checks as they stand at `now`, where a validation may be as old as `budget`, or `by_level`."""
    known = stored_runs.runs(connection, cluster)
    versions = next(
        ((run.metallb_version, run.kubernetes_version) for run in reversed(known) if run.metallb_version),
        ("", ""),
    )
    found = standings(connection, cluster)
    present = {one.check for one in found if one.versions == versions}
    rows = [replace(one, superseded=one.check in present and one.versions != versions) for one in found]
    rows += _left_out(connection, known, {one.check for one in found})
    return Validation(
        cluster=cluster,
        rows=tuple(sorted(rows, key=lambda row: row.check)),
        now=now,
        budget=budget,
        newest=known[-1] if known else None,
        interrupted=_interrupted(known),
        by_level=by_level or {},
    )


def up_to(found: Validation, level: Level | None) -> Validation:
    """The same with only the checks that a run at `level` may run."""
    if level is None:
        return found
    return replace(found, rows=tuple(row for row in found.rows if row.last_at and _allows(level, row.level)))


def _allows(level: Level, word: str) -> bool:
    """Whether a run at `level` may run a check of the level that is called so; one that nobody knows it may not."""
    return word in set(Level) and level.allows(Level(word))


def state_of(row: Standing, *, now: datetime, budget: timedelta) -> State:
    """How a check stands at `now`."""
    if not row.last_at or row.superseded:
        return State.SUPERSEDED if row.superseded else State.NOT_TESTED
    if row.decision is Outcome.FAILED:
        return State.FAILING
    if row.decision in _TAKEN_AS_THEY_ARE:
        fresh = abs(now - datetime.fromisoformat(row.decided_at)) <= budget
        return _TAKEN_AS_THEY_ARE[row.decision] if fresh else State.STALE
    if row.decision is not None and not is_known(row.decision):
        return State.UNKNOWN
    if not row.validated_at:
        return State.NEVER
    return State.STALE if row.stale(now, budget) else State.PASSED


def _left_out(
    connection: sqlite3.Connection, known: Sequence[Run], run_once: Iterable[str]
) -> list[Standing]:
    """The checks that the newest run with a result knew and left out, and that no other run has run."""
    ended = next((run for run in reversed(known) if run.ending is Ending.ENDED), None)
    if ended is None:
        return []
    return [
        Standing(cluster=ended.cluster, check=check, reason=reason)
        for check, (outcome, reason) in stored_runs.outcomes(connection, ended.key).items()
        if outcome is None and check not in run_once
    ]


def _interrupted(known: Sequence[Run]) -> int:
    count = 0
    for run in reversed(known):
        if run.ending is Ending.ENDED:
            break
        count += run.ending is Ending.INTERRUPTED
    return count


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the runbook with its checks."""

    title: str
    rows: tuple[Standing, ...]


def sections(result: RunResult, view: HistoryView | None) -> tuple[Section, ...]:
    """Every check by runbook section, with this run's versions: as the history has it, or from this run alone."""
    run = result.run
    versions = (run.metallb_version, run.kubernetes_version)
    kept = [one for one in (view.standings if view else ()) if one.versions == versions]
    known = {one.check for one in kept}
    alone = [_of_this_run(check, result) for check in result.checks if check.id not in known]
    grouped: dict[str, list[Standing]] = {title: [] for title in (*SECTIONS.values(), _OTHER)}
    for one in sorted([*kept, *alone], key=lambda one: one.check):
        grouped[section_of(one.runbook)].append(one)
    return tuple(Section(title=title, rows=tuple(rows)) for title, rows in grouped.items() if rows)


def section_of(runbook: Iterable[str]) -> str:
    """The title of the section that a check belongs to, by its first reference that is one."""
    for reference in runbook:
        for name in sorted(SECTIONS, key=len, reverse=True):
            if reference == name or reference.startswith((f"{name} ", f"{name}.")):
                return SECTIONS[name]
    return _OTHER


def _of_this_run(check: CheckResult, result: RunResult) -> Standing:
    """What this run alone says of a check."""
    run = result.run
    passed, failed = check.outcome is Outcome.PASSED, check.outcome is Outcome.FAILED
    return Standing(
        cluster=run.cluster,
        check=check.id,
        title=check.title,
        runbook=check.runbook,
        level=check.level,
        metallb_version=run.metallb_version,
        kubernetes_version=run.kubernetes_version,
        last_at=run.finished,
        last_outcome=check.outcome,
        validated_at=run.finished if passed else "",
        failed_at=run.finished if failed else "",
        failures=int(failed),
        since=run.finished if passed or failed else "",
    )
