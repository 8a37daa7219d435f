"""What every check's outcomes add up to: last run, last pass, last failure, and since when it is as it is.

A standing is kept beside the outcomes and carried on with each run, so that no reader goes through all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from functools import reduce

from clusters.checks import Outcome, word_of
from reports.history import columns

#: Cluster, check, MetalLB version, Kubernetes version.
Key = tuple[str, str, str, str]
_KEY = ("cluster", "check_id", "metallb_version", "kubernetes_version")
_IS_KEY = " AND ".join(f"{name} = ?" for name in _KEY)
_DECIDED = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.WAIVED, Outcome.NOT_SUPPORTED})


@dataclass(frozen=True, kw_only=True, order=True)
class Event:
    """One outcome of one check; events are in the order in which checks were decided, then of their runs' keys."""

    at: str
    run: int
    outcome: Outcome
    validates: bool = False


@dataclass(frozen=True, kw_only=True)
class State:
    """What a check's events add up to; times are "" and runs 0 for never. See `Standing` for what they mean."""

    last_at: str = ""
    last_run: int = 0
    last_outcome: str = ""
    decided: str = ""
    decided_at: str = ""
    decided_run: int = 0
    passed_at: str = ""
    passed_run: int = 0
    validated_at: str = ""
    validated_run: int = 0
    failed_at: str = ""
    failed_run: int = 0
    failures: int = 0
    since: str = ""
    since_run: int = 0

    def then(self, event: Event) -> State:
        """The state after one event more, which must be later than all before it."""
        told: dict[str, str | int] = {
            "last_at": event.at,
            "last_run": event.run,
            "last_outcome": str(event.outcome),
        }
        if event.outcome in _DECIDED:
            told |= {"decided": str(event.outcome), "decided_at": event.at, "decided_run": event.run}
        if event.outcome is Outcome.PASSED:
            told |= {"passed_at": event.at, "passed_run": event.run, "failures": 0}
            told |= {"validated_at": event.at, "validated_run": event.run} if event.validates else {}
            if self.failures or not self.passed_at:
                told |= {"since": event.at, "since_run": event.run}
        if event.outcome is Outcome.FAILED:
            told |= {"failed_at": event.at, "failed_run": event.run, "failures": self.failures + 1}
            if not self.failures:
                told |= {"since": event.at, "since_run": event.run}
        return replace(self, **told)  # type: ignore[arg-type]  # each name with its field's type


_STATE = tuple(field.name for field in fields(State))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One check on one cluster with one pair of versions, by all that is known of it.

    Times are RFC 3339, UTC, "" for never. `last_passed` is any pass, `last_validated` the last one in a run that
    counts: it ended, and cleaned up. `decided` is the last outcome that is neither skipped nor
    inconclusive, at `decided_at`. `consecutive_failures` is since the last pass, and `since` is when the present
    row of passes or failures began.
    """

    cluster: str
    check: str
    title: str
    runbook: tuple[str, ...]
    level: str
    metallb_version: str
    kubernetes_version: str
    last_run: str
    last_outcome: Outcome
    decided: Outcome | None
    decided_at: str
    last_passed: str
    last_validated: str
    last_failed: str
    consecutive_failures: int
    since: str


def standings(connection: sqlite3.Connection, cluster: str = "") -> list[Standing]:
    """Every check's standing, on one cluster or on all, in the order of cluster, check and versions."""
    found = connection.execute(
        f"SELECT {', '.join(_KEY)}, title, runbook, level, {', '.join(_STATE)} "  # noqa: S608 - names from above
        "FROM standings JOIN checks ON checks.id = check_id "
        "WHERE ? IN ('', cluster) ORDER BY cluster, check_id, metallb_version, kubernetes_version",
        (cluster,),
    )
    return [_standing(row) for row in found]


def keys_of(connection: sqlite3.Connection, run: int) -> list[Key]:
    """The keys that a run's outcomes are entered under."""
    found = connection.execute(
        f"SELECT {', '.join(_KEY)} FROM outcomes JOIN runs ON key = run WHERE run = ?",  # noqa: S608 - names from above
        (run,),
    )
    return [tuple(row) for row in found]


def carry_on(connection: sqlite3.Connection, run: int, *, replaced: Iterable[Key] = ()) -> None:
    """Add a run's outcomes to the standings; inside a transaction.

    The keys in `replaced`, and those of which this run's outcome is not the latest, are counted anew.
    """
    again = set(replaced)
    rows = []
    for key, event in _of_run(connection, run):
        state = _kept(connection, key)
        if key in again or (state.last_at, state.last_run) > (event.at, event.run):
            again.add(key)
        else:
            rows.append((*key, *astuple(state.then(event))))
    for key in again:
        connection.execute(f"DELETE FROM standings WHERE {_IS_KEY}", key)  # noqa: S608 - names from above
        events = sorted(_events(connection, key))
        rows += [(*key, *astuple(reduce(State.then, events, State())))] if events else []
    places = ", ".join("?" * (len(_KEY) + len(_STATE)))
    connection.executemany(f"INSERT OR REPLACE INTO standings VALUES ({places})", rows)  # noqa: S608 - question marks


def needed(connection: sqlite3.Connection) -> frozenset[int]:
    """The keys of the runs that the standings of all checks rest on: without others they are the same."""
    columns = [name for name in _STATE if name.endswith("_run")]
    union = " UNION ".join(f"SELECT {name} FROM standings" for name in columns)  # noqa: S608 - names from above
    found = {run for (run,) in connection.execute(union)}
    failing = connection.execute(f"SELECT {', '.join(_KEY)}, passed_at FROM standings WHERE failures > 0")  # noqa: S608
    for *key, passed in failing.fetchall():
        found |= {
            event.run
            for event in _events(connection, key)
            if event.outcome is Outcome.FAILED and event.at >= passed
        }
    return frozenset(found)


def _kept(connection: sqlite3.Connection, key: Key) -> State:
    row = connection.execute(
        f"SELECT {', '.join(_STATE)} FROM standings WHERE {_IS_KEY}",  # noqa: S608 - names from above
        key,
    ).fetchone()
    return State(**dict(zip(_STATE, row, strict=True))) if row else State()


def _of_run(connection: sqlite3.Connection, run: int) -> list[tuple[Key, Event]]:
    """What a run says of each of its checks. Judging a kept observation again says nothing new."""
    found = connection.execute(
        f"SELECT {', '.join(_KEY)}, at, outcome, validates FROM outcomes JOIN runs ON key = run "  # noqa: S608
        "WHERE run = ? AND NOT replayed",
        (run,),
    )
    return [
        (tuple(key), Event(at=at, run=run, outcome=word_of(Outcome, outcome), validates=bool(validates)))
        for *key, at, outcome, validates in found
    ]


def _events(connection: sqlite3.Connection, key: Iterable[str]) -> Iterator[Event]:
    """A key's events in no order."""
    found = connection.execute(
        f"SELECT at, run, outcome, validates FROM outcomes JOIN runs ON key = run "  # noqa: S608 - names from above
        f"WHERE {_IS_KEY} AND NOT replayed",
        tuple(key),
    )
    for at, run, outcome, validates in found:
        yield Event(at=at, run=run, outcome=word_of(Outcome, outcome), validates=bool(validates))


def _standing(row: Sequence[str]) -> Standing:
    names = (*_KEY, "title", "runbook", "level", *_STATE)
    told = dict(zip(names, row, strict=True))
    for name in ("last_at", "decided_at", "passed_at", "validated_at", "failed_at", "since"):
        columns.time(told[name])  # as in reading: one that is none is told before it is used
    return Standing(
        cluster=told["cluster"],
        check=told["check_id"],
        title=told["title"],
        runbook=columns.texts(told["runbook"]),
        level=told["level"],
        metallb_version=told["metallb_version"],
        kubernetes_version=told["kubernetes_version"],
        last_run=told["last_at"],
        last_outcome=word_of(Outcome, told["last_outcome"]),
        decided=word_of(Outcome, told["decided"]) if told["decided"] else None,
        decided_at=told["decided_at"],
        last_passed=told["passed_at"],
        last_validated=told["validated_at"],
        last_failed=told["failed_at"],
        consecutive_failures=int(told["failures"]),
        since=told["since"],
    )
