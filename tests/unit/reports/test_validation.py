"""last-validated: what counts, what is stale, and what a command says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clusters.checks import Level, Outcome, RunResult, Verdict
from clusters.errors import ExitCode
from reports.__main__ import main
from reports.history import opened, stored_runs
from reports.history.recording import enter, writing
from reports.history.validation import State, Validation, up_to, validation
from reports.model import save, validator
from tests.unit.reports.past_runs import BEGIN, a_run, keep
from tests.unit.reports.test_history_view import replace_verdict

DAY_AND_A_HALF = timedelta(hours=36)
PASSED, FAILED = Outcome.PASSED, Outcome.FAILED


def seen(path: Path, hours: float, cluster: str = "lab") -> Validation:
    with opened(path) as connection:
        now = BEGIN + timedelta(hours=hours)
        return validation(connection, cluster, now=now, budget=DAY_AND_A_HALF)


def states(found: Validation) -> dict[str, State]:
    return {row.check: found.state(row) for row in found.rows}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the history is."""
    return tmp_path / "history.db"


@pytest.mark.parametrize(
    ("runs", "hours", "state"),
    [
        ([(0, PASSED)], 36, State.PASSED),
        ([(0, PASSED)], 37, State.STALE),
        ([(0, FAILED), (1, PASSED)], 2, State.PASSED),
        ([(0, PASSED), (1, FAILED)], 2, State.FAILING),
        ([(0, PASSED), (1, FAILED), (2, Outcome.SKIPPED)], 3, State.FAILING),
        ([(0, PASSED), (40, Outcome.INCONCLUSIVE)], 41, State.STALE),
        ([(0, Outcome.INCONCLUSIVE)], 1, State.NEVER),
        ([(0, PASSED), (40, Outcome.WAIVED)], 41, State.WAIVED),
        ([(0, Outcome.WAIVED)], 40, State.STALE),
        ([(0, Outcome.NOT_SUPPORTED)], 1, State.NOT_SUPPORTED),
        ([(60, PASSED)], 1, State.STALE),
    ],
)
def test_how_a_check_stands(
    path: Path, runs: list[tuple[float, Outcome]], hours: float, state: State
) -> None:
    keep(path, *(a_run(f"run-{when}", when, {"health.a": outcome}) for when, outcome in runs))

    found = seen(path, hours)

    assert states(found) == {"health.a": state}
    assert found.complete is not (state in {State.FAILING, State.STALE, State.NEVER})


def test_what_another_check_left_open_takes_nothing_from_a_pass(path: Path) -> None:
    keep(
        path,
        a_run("whole", 0, {"health.a": PASSED, "health.b": PASSED, "health.c": Outcome.SKIPPED}),
        a_run(
            "partial", 40, {"health.a": PASSED, "health.b": Outcome.INCONCLUSIVE, "health.c": Outcome.SKIPPED}
        ),
    )

    found = seen(path, 41)

    assert states(found) == {"health.a": State.PASSED, "health.b": State.STALE, "health.c": State.NEVER}
    assert not found.complete


def test_a_pass_in_a_run_that_did_not_clean_up_is_no_validation(path: Path) -> None:
    unclean = replace_verdict(a_run("unclean", 40, {"health.a": PASSED}), Verdict.CLEANUP_FAILED)
    keep(path, a_run("whole", 0, {"health.a": PASSED}), unclean)

    found = seen(path, 41)
    (row,) = found.rows

    assert found.state(row) is State.STALE
    assert (row.validated_at[:13], row.passed_at[:13]) == ("2026-01-01T00", "2026-01-02T16")


def test_killed_runs_are_counted_and_validate_nothing(path: Path) -> None:
    keep(path, a_run("whole", 0, {"health.a": PASSED}))
    for number in (40, 50):
        killed(path, a_run(f"killed-{number}", number, {"health.a": PASSED}))

    found = seen(path, 51)

    assert states(found) == {"health.a": State.STALE}
    assert found.interrupted == 2


def killed(path: Path, result: RunResult) -> None:
    with writing(path) as connection:
        enter(connection, result, directory=path, ended=False)
        connection.execute("UPDATE runs SET process_started = 0 WHERE finished IS NULL")


def test_a_kept_observation_that_is_judged_again_validates_nothing(path: Path) -> None:
    keep(path, a_run("whole", 0, {"health.a": PASSED}))
    keep(path, a_run("again", 40, {"health.a": PASSED}), replayed=True)

    assert states(seen(path, 41)) == {"health.a": State.STALE}


def test_after_an_upgrade_the_old_version_says_nothing_of_what_was_run_since(path: Path) -> None:
    keep(
        path,
        a_run("old", 0, {"health.a": PASSED, "traffic.b": PASSED}),
        a_run("new", 40, {"health.a": PASSED}, metallb_version="0.16.2"),
    )

    found = seen(path, 41)
    rows = [(row.check, row.metallb_version, found.state(row)) for row in found.rows]

    assert rows == [
        ("health.a", "0.15.2", State.SUPERSEDED),
        ("health.a", "0.16.2", State.PASSED),
        ("traffic.b", "0.15.2", State.STALE),
    ]


def test_what_every_run_left_out_is_listed_and_not_stale(path: Path) -> None:
    keep(
        path, a_run("run", 0, {"health.a": PASSED}, not_tested={"recovery.reapply": "needs --allow disrupt"})
    )

    found = seen(path, 1)

    assert states(found) == {"health.a": State.PASSED, "recovery.reapply": State.NOT_TESTED}
    assert found.complete
    assert [row.check for row in up_to(found, Level.OBSERVE).rows] == ["health.a"]


def test_a_cluster_without_any_outcome_is_not_validated(path: Path) -> None:
    keep(path, a_run("refused", 0, {}))

    assert not seen(path, 1).complete


def recent(hours: float) -> float:
    """Hours after the first run of something that was `hours` ago."""
    return (datetime.now(UTC) - BEGIN) / timedelta(hours=1) - hours


def test_the_command_says_by_its_exit_code_whether_something_is_stale(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(path, a_run("lab", recent(30), {"health.a": PASSED}))
    keep(path, a_run("jls", recent(50), {"health.a": PASSED}, cluster="jls"))
    command = ["last-validated", "--history", str(path)]

    assert main([*command, "--cluster", "lab"]) == ExitCode.PASSED
    assert main(command) == ExitCode.FAILED
    assert main([*command, "--cluster", "lab", "--stale-after", "24"]) == ExitCode.FAILED
    assert main([*command, "--cluster", "nowhere"]) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert "lab: validated on " in captured.out
    assert "jls: 1 not validated (newest run jls, " in captured.out
    assert captured.err.endswith("has no cluster 'nowhere'. It has: jls, lab.\n")


def test_the_three_formats_say_the_same(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(path, a_run("one", recent(60), {"health.a": PASSED, "health.b": PASSED}))
    keep(
        path,
        a_run("two", recent(2), {"health.a": FAILED, "health.b": PASSED}, not_tested={"x.y": "left out"}),
    )
    told = {}
    for name in ("table", "md", "json"):
        assert main(["last-validated", "--history", str(path), "--format", name]) == ExitCode.FAILED
        told[name] = capsys.readouterr().out

    found = json.loads(told["json"])
    assert list(validator("last-validated").iter_errors(found)) == []
    assert list(validator("last-validated").iter_errors({**found, "as_of": None}))
    (cluster,) = found["clusters"]
    assert cluster["name"] == "lab"
    assert cluster["validated"] is False
    first, second, third = cluster["checks"]
    assert (first["state"], first["consecutive_failures"]) == ("failing", 1)
    assert (second["state"], second["consecutive_failures"]) == ("passed", 0)
    assert [one["age_hours"] for one in (first, second)] == pytest.approx([59.98, 1.98], abs=0.1)
    assert third == {"id": "x.y", "state": "not tested", "reason": "left out"}
    assert [line.split()[:2] for line in told["table"].splitlines()[2:5]] == [
        ["health.a", "failing"],
        ["health.b", "passed"],
        ["x.y", "not"],
    ]
    assert "| health.a | failing | " in told["md"]


def test_no_history_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["last-validated", "--history", str(tmp_path / "none.db")]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith(f"error: There is no history {tmp_path}/none.db.")


def test_results_of_another_machine_can_be_entered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, runs = (
        tmp_path / "history.db",
        (a_run("a", 0, {"health.a": PASSED}), a_run("b", 5, {"health.a": FAILED})),
    )
    for run in runs:
        save(run, tmp_path / run.run.id / "results.json")
    command = ["record", "--history", str(path)]

    assert main([*command, str(tmp_path / "a"), str(tmp_path / "b" / "results.json")]) == ExitCode.PASSED
    assert main([*command, str(tmp_path / "a")]) == ExitCode.PASSED
    assert capsys.readouterr().out == "a on lab\nb on lab\na on lab\n"
    assert states(seen(path, 6)) == {"health.a": State.FAILING}

    (tmp_path / "a" / "results.json").write_text("{")
    assert main([*command, str(tmp_path / "b"), str(tmp_path / "a")]) == ExitCode.USAGE
    with opened(path) as connection:
        assert [run.id for run in stored_runs.runs(connection)] == ["a", "b"]


def test_a_name_that_is_given_again_is_another_run(path: Path) -> None:
    keep(path, a_run("nightly", 0, {"health.a": PASSED}), a_run("nightly", 24, {"health.a": PASSED}))

    with opened(path) as connection:
        assert len(stored_runs.runs(connection)) == 2
