"""From the history to what outlives a run: nothing of the run itself, whatever else was written meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clusters.checks import Outcome, RunResult, Verdict
from reports.history import Recorder
from reports.history.history_view import Known, known_before
from reports.publish.digest import changes_since
from tests.unit.reports.conftest import result_of

FIRST = datetime(2026, 1, 10, 3, tzinfo=UTC)


def night(
    run: RunResult,
    number: int,
    *,
    verdict: Verdict = Verdict.PASSED,
    allow: str = "observe",
    **outcomes: Outcome,
) -> RunResult:
    """The run of a night; outcomes by the name behind the dot."""
    began = FIRST + timedelta(days=number)
    checks = tuple(
        replace(result_of(f"health.{name}", outcome, "why"), started=began.isoformat())
        for name, outcome in outcomes.items()
    )
    info = replace(
        run.run,
        id=f"night-{number}-{allow}",
        verdict=verdict,
        allow=allow,
        started=began.isoformat(),
        finished=(began + timedelta(minutes=5)).isoformat(),
    )
    return replace(run, run=info, checks=checks, not_tested=())


def keep(history: Path, *runs: RunResult) -> None:
    for one in runs:
        recorder = Recorder(history, directory=history.parent)
        recorder.begin(one)
        recorder.finish(one)
        assert recorder.faults == []


def ended(result: RunResult) -> float:
    return datetime.fromisoformat(result.run.finished).timestamp()


def test_nothing_is_known_before_the_first_run(run: RunResult, tmp_path: Path) -> None:
    assert known_before(tmp_path / "history.db", night(run, 0, a=Outcome.PASSED)) == Known()


def test_the_last_success_is_known_through_failures(run: RunResult, tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    good = night(run, 0, a=Outcome.PASSED, b=Outcome.PASSED)
    bad = night(run, 1, verdict=Verdict.FAILED, a=Outcome.FAILED, b=Outcome.PASSED)
    keep(history, good, bad)

    known = known_before(history, night(run, 2, a=Outcome.PASSED))

    assert known.successes.run == ended(good)
    assert known.previous is not None
    assert known.previous.verdict is Verdict.FAILED
    assert known.previous.outcomes == {"health.a": Outcome.FAILED, "health.b": Outcome.PASSED}
    assert known.successes.checks["health.a"] < known.successes.checks["health.b"]


def test_the_previous_run_is_one_of_the_same_level(run: RunResult, tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    weekly = night(run, 0, allow="disrupt", verdict=Verdict.FAILED, a=Outcome.FAILED)
    keep(history, weekly, night(run, 1, a=Outcome.PASSED))

    known = known_before(history, night(run, 7, allow="disrupt", a=Outcome.FAILED))

    assert known.previous is not None
    assert known.previous.outcomes == {"health.a": Outcome.FAILED}


def test_refusals_in_a_row_are_told_once_and_hide_no_change(run: RunResult, tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    refused = [night(run, number, verdict=Verdict.REFUSED) for number in (1, 2)]
    failed = night(run, 3, verdict=Verdict.FAILED, a=Outcome.FAILED)
    keep(history, night(run, 0, a=Outcome.PASSED))
    told = []

    for one in (*refused, failed):
        told.append(changes_since(one, known_before(history, one).previous, stale_after=timedelta(days=30)))
        keep(history, one)

    assert [one.worth_sending for one in told] == [True, False, True]
    assert told[-1].failing == ("health.a",)


def test_another_cluster_says_nothing(run: RunResult, tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    keep(history, night(run, 0, a=Outcome.PASSED))
    other = night(run, 1, a=Outcome.PASSED)

    assert known_before(history, replace(other, run=replace(other.run, cluster="other"))) == Known()


def test_a_history_that_is_none_stops_nothing(run: RunResult, tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    history.write_text("no database at all, but long enough to be looked at\n" * 50)

    assert known_before(history, night(run, 0, a=Outcome.PASSED)) == Known()
