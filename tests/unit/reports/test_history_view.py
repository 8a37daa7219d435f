"""What a report is told of earlier runs, from a history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.checks import Measurement, Outcome, RunResult, Verdict
from clusters.observation import load, save
from reports.__main__ import main
from reports.history.history_view import HistoryView, view_of
from reports.history.recording import enter, writing
from reports.model import save as save_results
from tests.unit.reports.past_runs import a_run, keep

HEALTHY = Path(__file__).parents[1] / "diagnosis" / "observations" / "healthy.json.gz"
PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED


def timed(name: str, hours: float, value: float, outcome: Outcome = PASSED) -> RunResult:
    figures = {"failover.a": {"moved after": Measurement(value=value, unit="s")}}
    return a_run(name, hours, {"failover.a": outcome}, figures=figures)


def known(path: Path, *runs: RunResult, directory: Path | None = None) -> HistoryView:
    """The past of the last of some runs."""
    keep(path, *runs)
    return view_of(path, runs[-1], directory=directory or path.parent)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the history is."""
    return tmp_path / "history.db"


def test_series_are_aligned_with_the_earlier_runs(path: Path) -> None:
    past = known(
        path,
        timed("a", 0, 1.0),
        a_run("b", 24, {"health.b": FAILED}),
        timed("c", 48, 2.0, FAILED),
        timed("now", 72, 3.0),
    )

    assert [run.id for run in past.runs] == ["a", "b", "c"]
    assert past.strips == {"failover.a": (PASSED, None, FAILED), "health.b": (None, FAILED, None)}
    assert past.trends == {("failover.a", "moved after"): (1.0, None, 2.0)}
    assert past.comparison is not None
    assert (past.comparison.against, past.comparison.run.id) == ("the previous run", "c")
    assert [one.check for one in past.comparison.fixed] == ["failover.a"]


def test_the_previous_run_is_one_that_ended_at_the_same_level(path: Path) -> None:
    keep(path, timed("disrupt", 0, 1.0), a_run("observe", 24, {"health.b": PASSED}, allow="observe"))
    with writing(path) as connection:
        enter(connection, timed("killed", 30, 1.0), directory=path, ended=False)
        connection.execute("UPDATE runs SET process_started = 0 WHERE id = 'killed'")
    keep(path, replace_verdict(a_run("refused", 40, {}), Verdict.REFUSED), a_run("nothing-was-run", 41, {}))

    past = known(path, timed("now", 48, 1.0))

    assert past.comparison is not None
    assert past.comparison.run.id == "disrupt"
    assert past.comparison.nothing
    assert [(run.id, run.verdict) for run in past.runs][2:4] == [
        ("killed", None),
        ("refused", Verdict.REFUSED),
    ]


def replace_verdict(run: RunResult, verdict: Verdict) -> RunResult:
    return replace(run, run=replace(run.run, verdict=verdict))


def test_last_validations_are_those_of_the_present_versions(path: Path) -> None:
    keep(path, a_run("old", 0, {"health.a": PASSED}, metallb_version="0.14.9"))

    past = known(path, a_run("now", 60, {"health.a": FAILED, "health.b": SKIPPED}))

    told = {one.check: one for one in past.standings}
    assert set(told) == {"health.a", "health.b"}
    # What passed with the version before is no validation of this one.
    assert told["health.a"].validated_at == ""
    assert past.stale_after == timedelta(hours=36)


def test_addresses_are_compared_where_the_previous_run_is_still_there(path: Path, tmp_path: Path) -> None:
    healthy = load(HEALTHY)
    first, *rest = healthy.services.items
    moved = replace(healthy.services, items=({**first, "status": {}}, *rest))
    before, now = a_run("before", 0, {"health.a": PASSED}), a_run("now", 1, {"health.a": PASSED})
    save_results(before, tmp_path / "before" / "results.json")
    save(healthy, tmp_path / "before" / "snapshot.json")
    save(replace(healthy, services=moved), tmp_path / "now" / "snapshot.json")
    keep(path)
    for run in (before, now):
        with writing(path) as connection:
            enter(connection, run, directory=tmp_path / run.run.id)

    def told() -> list[str]:
        comparison = view_of(path, now, directory=tmp_path / "now").comparison
        assert comparison is not None
        return [one.subject for one in comparison.moves]

    assert told() == ["service shop/web"]
    save_results(a_run("later", 2, {"health.a": PASSED}), tmp_path / "before" / "results.json")
    assert told() == []


def test_a_history_that_cannot_be_read_is_a_sentence(path: Path) -> None:
    path.write_text("rubbish")

    past = view_of(path, a_run("now", 0, {"health.a": PASSED}), directory=path.parent)

    assert past == HistoryView(as_of="2026-01-01T00:06:00Z", problem=past.problem)
    assert "is damaged" in past.problem


def test_a_page_that_is_made_again_knows_what_was_before(path: Path, tmp_path: Path) -> None:
    run = timed("now", 24, 1.0, FAILED)
    keep(path, timed("before", 0, 1.0), run, timed("later", 48, 1.0))
    save_results(run, tmp_path / "run" / "results.json")

    assert main(["render", str(tmp_path / "run"), "--history", str(path)]) == 0

    text = (tmp_path / "run" / "report.html").read_text()
    assert "the previous run" in text
    assert "later" not in {one.id for one in view_of(path, run, directory=tmp_path).runs}


def test_parts_of_a_run_are_no_earlier_runs(path: Path) -> None:
    first = a_run("night-2.1", 24, {"health.a": PASSED})
    second = a_run("night-2.2", 25, {"health.b": PASSED})
    keep(path, a_run("night-1", 0, {"health.a": PASSED, "health.b": PASSED}), first, second)

    for result in (second, a_run("night-2", 24, {"health.a": PASSED, "health.b": PASSED})):
        assert [run.id for run in view_of(path, result, directory=Path("/nowhere")).runs] == ["night-1"]
