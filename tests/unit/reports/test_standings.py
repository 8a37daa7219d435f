"""Any sequence of runs, in any order of entry, adds up to what a naive look at all of them says."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from clusters.checks import Outcome, RunResult, Verdict
from reports.history import Standing, shape, standings
from reports.history.recording import enter, validates, writing
from reports.history.standings import prune
from tests.unit.reports.past_runs import BEGIN, a_run, at, keep

CHECKS = ("health.a", "health.b", "traffic.c")
DECIDED = {Outcome.PASSED, Outcome.FAILED, Outcome.WAIVED, Outcome.NOT_SUPPORTED}


@dataclass(frozen=True)
class Told:
    """One run as it is told to the history: `ended` unless it was killed, `replayed` for a kept observation."""

    result: RunResult
    ended: bool
    replayed: bool


@some.composite
def tales(draw: some.DrawFn) -> list[Told]:
    """Runs on two clusters with two versions, some killed, refused or replayed, told in any order."""
    told = []
    for number in range(draw(some.integers(0, 12))):
        outcomes = draw(some.dictionaries(some.sampled_from(CHECKS), some.sampled_from(Outcome), max_size=3))
        run = a_run(
            f"run-{number}",
            draw(some.integers(0, 8)),
            outcomes,
            cluster=draw(some.sampled_from(("lab", "jls"))),
            metallb_version=draw(some.sampled_from(("0.15.2", "0.16.2"))),
        )
        verdict = draw(some.sampled_from((run.run.verdict, run.run.verdict, Verdict.CLEANUP_FAILED)))
        run = replace(run, run=replace(run.run, verdict=verdict))
        told.append(Told(run, ended=draw(some.integers(0, 4)) > 0, replayed=draw(some.integers(0, 6)) == 0))
    return told


def naive(told: Sequence[Told]) -> dict[tuple[str, str, str], dict[str, object]]:
    """What is known of each check, by looking at all runs at once."""
    events: dict[tuple[str, str, str], list[tuple[str, int, Outcome, bool]]] = {}
    for number, one in enumerate(told):
        run = one.result.run
        if not one.ended or one.replayed:
            continue
        counts = run.verdict in {Verdict.PASSED, Verdict.FAILED, Verdict.INCOMPLETE}
        for place, check in enumerate(one.result.checks):
            began = (BEGIN + timedelta(hours=int(run.started[11:13]))).replace(minute=1, second=place)
            ended = began + timedelta(seconds=0.25)
            when = f"{ended:%Y-%m-%dT%H:%M:%S.%f}Z" if check.started else f"{run.finished[:-1]}.000000Z"
            key = (run.cluster, check.id, run.metallb_version)
            events.setdefault(key, []).append((when, number, check.outcome, counts))
    return {key: summed(sorted(found)) for key, found in events.items()}


def summed(events: Sequence[tuple[str, int, Outcome, bool]]) -> dict[str, object]:
    def last(*, of: set[Outcome], counting: bool = False) -> str:
        return max(
            (when for when, _, what, counts in events if what in of and counts >= counting), default=""
        )

    ends = [what for _, _, what, _ in events if what in {Outcome.PASSED, Outcome.FAILED}]
    row = []
    for when, _, what, _ in reversed(events):
        if what in {Outcome.PASSED, Outcome.FAILED}:
            if what is not ends[-1]:
                break
            row.append(when)
    decided = [(when, what) for when, _, what, _ in events if what in DECIDED]
    return {
        "last_at": events[-1][0],
        "last_outcome": events[-1][2],
        "decided": decided[-1][1] if decided else "",
        "decided_at": decided[-1][0] if decided else "",
        "passed_at": last(of={Outcome.PASSED}),
        "validated_at": last(of={Outcome.PASSED}, counting=True),
        "failed_at": last(of={Outcome.FAILED}),
        "failures": len(row) if ends and ends[-1] is Outcome.FAILED else 0,
        "since": row[-1] if row else "",
    }


def told_by(found: Sequence[Standing]) -> dict[tuple[str, str, str], dict[str, object]]:
    names = set(summed([("", 0, Outcome.PASSED, True)]))
    return {
        (one.cluster, one.check, one.metallb_version): {name: getattr(one, name) for name in names}
        for one in found
    }


@settings(max_examples=150, deadline=None)
@given(
    told=tales(), order=some.randoms(use_true_random=False), again=some.booleans(), hours=some.integers(0, 9)
)
def test_a_history_says_what_a_naive_look_at_all_runs_says(
    *, told: list[Told], order: Random, again: bool, hours: int
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        shape.make(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        # All begin in the order of their numbers; they end in any order, and some are told twice.
        for one in told:
            tell(connection, one, ended=False)
        ends = [one for one in told if one.ended] * (2 if again else 1)
        order.shuffle(ends)
        for one in ends:
            tell(connection, one)
        assert told_by(standings(connection)) == naive(told)
        assert "jls" not in {one.cluster for one in standings(connection, "lab")}

        prune(connection, before=BEGIN + timedelta(hours=hours))
        assert told_by(standings(connection)) == naive(told)

        # What is left gives the same again, when it is counted anew.
        left = {name for (name,) in connection.execute("SELECT id FROM runs")}
        for one in ends:
            if one.result.run.id in left:
                tell(connection, one)
        assert told_by(standings(connection)) == naive(told)


def tell(connection: sqlite3.Connection, one: Told, *, ended: bool = True) -> None:
    enter(connection, one.result, directory=Path("/runs"), replayed=one.replayed, ended=ended)


@pytest.mark.parametrize(
    ("outcomes", "verdict", "counts"),
    [
        ((Outcome.PASSED,), Verdict.PASSED, True),
        ((Outcome.PASSED, Outcome.FAILED), Verdict.FAILED, True),
        ((Outcome.PASSED, Outcome.WAIVED, Outcome.NOT_SUPPORTED), Verdict.PASSED, True),
        ((Outcome.PASSED, Outcome.INCONCLUSIVE), Verdict.INCOMPLETE, True),
        ((Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED), Verdict.FAILED, True),
        ((Outcome.PASSED,), Verdict.CLEANUP_FAILED, False),
        ((), Verdict.REFUSED, False),
    ],
)
def test_what_counts_as_validation(*, outcomes: tuple[Outcome, ...], verdict: Verdict, counts: bool) -> None:
    run = a_run("run", 0, {f"health.c{number}": one for number, one in enumerate(outcomes)})

    assert validates(replace(run, run=replace(run.run, verdict=verdict))) is counts


def test_runs_that_nothing_rests_on_are_dropped(tmp_path: Path) -> None:
    path = keep(
        tmp_path / "history.db",
        a_run("passes", 0, {"health.a": Outcome.PASSED}),
        a_run("dropped", 24, {"health.a": Outcome.PASSED}),
        a_run("last-pass", 48, {"health.a": Outcome.PASSED}),
        a_run("fails", 72, {"health.a": Outcome.FAILED}),
        a_run("fails-on", 96, {"health.a": Outcome.FAILED}),
        a_run("newest", 120, {"health.a": Outcome.INCONCLUSIVE}),
    )
    with writing(path) as connection:
        assert prune(connection, before=BEGIN + timedelta(hours=200)) == 2

    with closing(sqlite3.connect(path)) as connection:
        left = [name for (name,) in connection.execute("SELECT id FROM runs ORDER BY started")]
        assert left == ["last-pass", "fails", "fails-on", "newest"]
        (rest,) = connection.execute("SELECT count(*) FROM outcomes").fetchone()
        assert rest == 4
    assert at(0) == "2026-01-01T00:00:00Z"
