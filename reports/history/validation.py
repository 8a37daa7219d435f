"""Whether what once passed still counts: each check's standing judged by how old its last validation may be."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from clusters.checks import Level, Outcome, is_known
from reports.history import stored_runs
from reports.history.standings import Standing, standings
from reports.history.stored_runs import Ending, Run


class State(StrEnum):
    """How a check stands at one moment. Only `passed` is a validation; the first four say that there is none."""

    #: Its last word was a failure.
    FAILING = "failing"
    #: Its last validation is older than it may be.
    STALE = "stale"
    #: It was run and never validated: never passed, or only in runs that did not clean up.
    NEVER = "never"
    #: A newer release decided it, in a word that this one does not know.
    UNKNOWN = "unknown"
    PASSED = "passed"
    #: Its last word, and no older than a pass may be.
    WAIVED = "waived"
    NOT_SUPPORTED = "not supported"
    #: Runs know it and left it out each time.
    NOT_TESTED = "not tested"
    #: The cluster has moved on to other versions, with which the check was run as well.
    SUPERSEDED = "superseded"

    @property
    def lacking(self) -> bool:
        """Whether a validation that should be there is not."""
        return self in {State.FAILING, State.STALE, State.NEVER, State.UNKNOWN}


_TAKEN_AS_THEY_ARE = {Outcome.WAIVED: State.WAIVED, Outcome.NOT_SUPPORTED: State.NOT_SUPPORTED}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check on one cluster. `standing` is None for one that was never run; `reason` says why not."""

    cluster: str
    check: str
    state: State
    standing: Standing | None = None
    age: timedelta | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """One cluster's checks, its newest run, and how many runs were interrupted since the last that ended."""

    cluster: str
    rows: tuple[Row, ...]
    newest: Run | None
    interrupted: int

    @property
    def lacking(self) -> bool:
        """Whether something is not validated; nothing at all is not validated either."""
        return not any(row.standing for row in self.rows) or any(row.state.lacking for row in self.rows)


def validation(
    connection: sqlite3.Connection, cluster: str, *, now: datetime, budget: timedelta
) -> Validation:
    """One cluster's checks as they stand at `now`, where a validation may be as old as `budget`."""
    known = stored_runs.runs(connection, cluster)
    versions = next(
        ((run.metallb_version, run.kubernetes_version) for run in reversed(known) if run.metallb_version),
        ("", ""),
    )
    found = standings(connection, cluster)
    rows = [*_judged(found, versions, now=now, budget=budget), *_left_out(connection, known, found)]
    return Validation(
        cluster=cluster,
        rows=tuple(sorted(rows, key=lambda row: row.check)),
        newest=known[-1] if known else None,
        interrupted=_interrupted(known),
    )


def chosen(found: Validation, *, level: Level | None) -> Validation:
    """The same with only the checks that a run at `level` may run."""
    if level is None:
        return found
    kept = [row for row in found.rows if row.standing and _allows(level, row.standing.level)]
    return Validation(
        cluster=found.cluster, rows=tuple(kept), newest=found.newest, interrupted=found.interrupted
    )


def _allows(level: Level, word: str) -> bool:
    """Whether a run at `level` may run a check of the level that is called so; one that nobody knows it may not."""
    return word in set(Level) and level.allows(Level(word))


def state_of(standing: Standing, *, now: datetime, budget: timedelta) -> State:
    """How a check stands at `now`. A time that is as far ahead as a pass may be old is not believed either."""
    if standing.decided is Outcome.FAILED:
        return State.FAILING
    if standing.decided in _TAKEN_AS_THEY_ARE:
        fresh = abs(now - datetime.fromisoformat(standing.decided_at)) <= budget
        return _TAKEN_AS_THEY_ARE[standing.decided] if fresh else State.STALE
    if standing.decided is not None and not is_known(standing.decided):
        return State.UNKNOWN
    age = age_of(standing, now)
    if age is None:
        return State.NEVER
    return State.PASSED if abs(age) <= budget else State.STALE


def age_of(standing: Standing, now: datetime) -> timedelta | None:
    """How long ago the check was last validated; None for never."""
    return now - datetime.fromisoformat(standing.last_validated) if standing.last_validated else None


def _judged(
    found: Sequence[Standing], versions: tuple[str, str], *, now: datetime, budget: timedelta
) -> Iterable[Row]:
    present = {one.check for one in found if (one.metallb_version, one.kubernetes_version) == versions}
    for one in found:
        past = one.check in present and (one.metallb_version, one.kubernetes_version) != versions
        yield Row(
            cluster=one.cluster,
            check=one.check,
            state=State.SUPERSEDED if past else state_of(one, now=now, budget=budget),
            standing=one,
            age=age_of(one, now),
        )


def _left_out(
    connection: sqlite3.Connection, known: Sequence[Run], found: Sequence[Standing]
) -> Iterable[Row]:
    """The checks that the newest run with a result knew and left out, and that no other run has run."""
    ended = next((run for run in reversed(known) if run.ending is Ending.ENDED), None)
    run_once = {one.check for one in found}
    told: Mapping[str, tuple[Outcome | None, str]] = (
        stored_runs.outcomes(connection, ended.key) if ended else {}
    )
    for check, (outcome, reason) in told.items():
        if outcome is None and ended is not None and check not in run_once:
            yield Row(cluster=ended.cluster, check=check, state=State.NOT_TESTED, reason=reason)


def _interrupted(known: Sequence[Run]) -> int:
    count = 0
    for run in reversed(known):
        if run.ending is Ending.ENDED:
            break
        count += run.ending is Ending.INTERRUPTED
    return count
