"""A history that a newer release wrote, or that holds what nobody wrote: shown as it is, and never a lost report."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clusters.checks import Outcome, Verdict, is_known, word_of
from reports.__main__ import main
from reports.history import HistoryError, Recorder, opened, stored_runs
from reports.history.history_view import known_before, view_of
from reports.history.validation import State, validation
from reports.pages.page import page
from reports.publish.summary import markdown
from tests.unit.reports.past_runs import BEGIN, a_run, keep

PASSED = {"health.a": Outcome.PASSED, "health.b": Outcome.FAILED}


def test_a_word_that_is_not_known_is_shown_and_is_no_other() -> None:
    word = word_of(Outcome, "degraded")

    assert str(word) == "degraded"
    assert word is word_of(Outcome, "degraded")
    assert word not in tuple(Outcome)
    assert (is_known(word), is_known(word_of(Outcome, "passed"))) == (False, True)
    assert word_of(Verdict, "failed") is Verdict.FAILED


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A history in which a newer release has decided the last run's checks and verdict in words of its own."""
    path = keep(tmp_path / "history.db", a_run("a", 0, PASSED), a_run("b", 24, PASSED))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "UPDATE outcomes SET outcome = 'degraded' WHERE run = 2; UPDATE runs SET verdict = 'shaky' WHERE key = 2; "
            "UPDATE standings SET last_outcome = 'degraded', decided = 'degraded';"
        )
    return path


def test_a_newer_release_costs_no_report(newer: Path, tmp_path: Path) -> None:
    tonight = a_run("c", 48, PASSED)

    assert known_before(newer, tonight).previous is not None
    recorder = Recorder(newer, directory=tmp_path)
    recorder.finish(tonight)
    past = view_of(newer, tonight, directory=tmp_path)

    assert recorder.faults == []
    assert "its words degraded, shaky are not known here, and shown as they are" in past.problem
    assert [str(run.verdict) for run in past.runs] == ["failed", "shaky"]
    assert "degraded, shaky" in page(tonight, directory=tmp_path, view=past)
    assert past.comparison is not None
    assert "(degraded before)" in markdown(tonight, past)


def test_what_a_newer_release_decided_is_no_validation(
    newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(newer) as connection:
        found = validation(connection, "lab", now=BEGIN + timedelta(hours=25), budget=timedelta(hours=36))
        told = stored_runs.notes(connection)

    assert {found.state(row) for row in found.rows} == {State.UNKNOWN}
    assert not found.complete
    assert told == [
        "Written by a newer release, which has words that this one does not know; they are shown as they are: "
        "degraded, shaky."
    ]
    assert main(["last-validated", "--history", str(newer)]) == 1
    assert "unknown" in capsys.readouterr().out


def test_a_run_whose_end_is_empty_has_not_ended(tmp_path: Path) -> None:
    path = keep(tmp_path / "history.db", a_run("a", 0, {"health.a": Outcome.PASSED}))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE runs SET finished = ''")

    found = known_before(path, a_run("b", 24, PASSED))

    assert (found.successes.run, found.previous) == (None, None)


def read_whole(path: Path) -> None:
    with opened(path) as connection:
        for name in stored_runs.clusters(connection):
            stored_runs.attributed(connection, 1)
            validation(connection, name, now=datetime.now(UTC), budget=timedelta(hours=36))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE checks SET runbook = '[[1]]'",
        "UPDATE checks SET runbook = '['",
        "UPDATE standings SET decided_at = 'yesterday'",
        "UPDATE standings SET validated_at = '0000-01-01T00:00:00Z'",
        "UPDATE runs SET started = '2026-02-30T00:00:00.000000Z'",
        "UPDATE runs SET finished = '2026-02-03T00:00:00'",
        "UPDATE outcomes SET blamed = '[[1]]'",
        "UPDATE outcomes SET causes = '{', blamed = '[]'",
    ],
)
def test_what_cannot_be_read_of_a_history_is_one_sentence_on_the_page(tmp_path: Path, change: str) -> None:
    path = keep(tmp_path / "history.db", a_run("a", 0, PASSED), a_run("b", 24, PASSED))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    tonight = a_run("c", 48, PASSED)

    known_before(path, tonight)
    past = view_of(path, tonight, directory=tmp_path)

    assert "holds what this release cannot read" in past.problem
    assert past.problem.count("\n") == 0
    assert page(tonight, directory=tmp_path, view=past)
    with pytest.raises(HistoryError, match="holds what this release cannot read"):
        read_whole(path)
