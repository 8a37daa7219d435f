"""What every check's outcomes add up to: last run, last pass, last failure, and since when it is as it is.

A tally is kept beside the outcomes and carried on with each run, so that no reader goes through all of them. A
`Standing` is the one row that everything which is said of earlier runs is made of: the table of a page, that of
`last-validated`, its JSON. A field that the table `standings` has a column for comes with `Tally`, and needs no more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime, timedelta
from functools import reduce

from clusters.checks import Outcome, word_of
from reports.history import stored_runs
from reports.history.opening import moment

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
class Tally:
    """What a check's events add up to, as the columns of the table `standings`; times are "" and runs 0 for never.

    Times are RFC 3339, UTC. `passed_at` is any pass, `validated_at` the last one in a run that counts: it ended, and
    cleaned up. `decided` is the last outcome that is neither skipped nor inconclusive. `failures` is how many there
    were since the last pass, and `since` is when the present row of passes or failures began.
    """

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

    def then(self, event: Event) -> Tally:
        """The tally after one event more, which must be later than all before it."""
        changed: dict[str, str | int] = {
            "last_at": event.at,
            "last_run": event.run,
            "last_outcome": str(event.outcome),
        }
        if event.outcome in _DECIDED:
            changed |= {"decided": str(event.outcome), "decided_at": event.at, "decided_run": event.run}
        if event.outcome is Outcome.PASSED:
            changed |= {"passed_at": event.at, "passed_run": event.run, "failures": 0}
            changed |= {"validated_at": event.at, "validated_run": event.run} if event.validates else {}
            if self.failures or not self.passed_at:
                changed |= {"since": event.at, "since_run": event.run}
        if event.outcome is Outcome.FAILED:
            changed |= {"failed_at": event.at, "failed_run": event.run, "failures": self.failures + 1}
            if not self.failures:
                changed |= {"since": event.at, "since_run": event.run}
        return replace(self, **changed)  # type: ignore[arg-type]  # each name with its field's type


_TALLY = tuple(field.name for field in fields(Tally))
_TIMES = tuple(name for name in _TALLY if name.endswith("_at") or name == "since")


@dataclass(frozen=True, kw_only=True)
class Standing(Tally):
    """One check on one cluster with one pair of versions, by all that is known of it.

    One that no run has run has no `last_at`, and a `reason`. `superseded` is one of versions that the cluster has
    left, where the check was run since.
    """

    cluster: str
    check: str
    title: str = ""
    runbook: tuple[str, ...] = ()
    level: str = ""
    metallb_version: str = ""
    kubernetes_version: str = ""
    reason: str = ""
    superseded: bool = False

    @property
    def decision(self) -> Outcome | None:
        """The last outcome that decided something; None for none."""
        return word_of(Outcome, self.decided) if self.decided else None

    @property
    def versions(self) -> tuple[str, str]:
        """MetalLB's and Kubernetes' versions."""
        return self.metallb_version, self.kubernetes_version

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the check was last validated; None for never."""
        return now - datetime.fromisoformat(self.validated_at) if self.validated_at else None

    def stale(self, now: datetime, budget: timedelta) -> bool:
        """Whether its last validation is too old. A time as far ahead as it may be old is not believed either."""
        age = self.age(now)
        return age is not None and abs(age) > budget


def standings(connection: sqlite3.Connection, cluster: str = "") -> list[Standing]:
    """Every check's standing, on one cluster or on all, in the order of cluster, check and versions."""
    found = connection.execute(
        f"SELECT {', '.join(_KEY)}, title, runbook, level, {', '.join(_TALLY)} "  # noqa: S608 - names from above
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
        tally = _kept(connection, key)
        if key in again or (tally.last_at, tally.last_run) > (event.at, event.run):
            again.add(key)
        else:
            rows.append((*key, *astuple(tally.then(event))))
    for key in again:
        connection.execute(f"DELETE FROM standings WHERE {_IS_KEY}", key)  # noqa: S608 - names from above
        events = sorted(_events(connection, key))
        rows += [(*key, *astuple(reduce(Tally.then, events, Tally())))] if events else []
    names = (*_KEY, *_TALLY)
    connection.executemany(
        f"INSERT OR REPLACE INTO standings ({', '.join(names)}) "  # noqa: S608 - names from above
        f"VALUES ({', '.join('?' * len(names))})",
        rows,
    )


def needed(connection: sqlite3.Connection) -> frozenset[int]:
    """The keys of the runs that the standings of all checks rest on: without others they are the same."""
    runs = [name for name in _TALLY if name.endswith("_run")]
    union = " UNION ".join(f"SELECT {name} FROM standings" for name in runs)  # noqa: S608 - names from above
    found = {run for (run,) in connection.execute(union)}
    failing = connection.execute(f"SELECT {', '.join(_KEY)}, passed_at FROM standings WHERE failures > 0")  # noqa: S608
    for *key, passed in failing.fetchall():
        found |= {
            event.run
            for event in _events(connection, key)
            if event.outcome is Outcome.FAILED and event.at >= passed
        }
    return frozenset(found)


def prune(connection: sqlite3.Connection, *, before: datetime) -> int:
    """Delete the runs that began before a time, inside a transaction, and return how many there were.

    Runs that a last pass, a last failure or the present row of failures rests on stay, whatever their age.
    """
    kept = needed(connection)
    old = connection.execute("SELECT key FROM runs WHERE started < ?", (moment(before),))
    doomed = [(key,) for (key,) in old if key not in kept]
    connection.executemany("DELETE FROM runs WHERE key = ?", doomed)
    return len(doomed)


def _kept(connection: sqlite3.Connection, key: Key) -> Tally:
    row = connection.execute(
        f"SELECT {', '.join(_TALLY)} FROM standings WHERE {_IS_KEY}",  # noqa: S608 - names from above
        key,
    ).fetchone()
    return Tally(**dict(zip(_TALLY, row, strict=True))) if row else Tally()


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
    texts, tally = row[: -len(_TALLY)], dict(zip(_TALLY, row[-len(_TALLY) :], strict=True))
    for name in _TIMES:
        stored_runs.time(tally[name])  # one that is none is reported before it is used
    cluster, check, metallb, kubernetes, title, runbook, level = texts
    outcomes = {name: word_of(Outcome, tally[name]) for name in ("last_outcome", "decided") if tally[name]}
    return Standing(
        cluster=cluster,
        check=check,
        title=title,
        runbook=stored_runs.texts(runbook),
        level=level,
        metallb_version=metallb,
        kubernetes_version=kubernetes,
        **tally | outcomes | {"failures": int(tally["failures"])},  # as the table has them
    )
