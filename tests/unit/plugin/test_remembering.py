"""Runs are remembered: each in the history, and in the next one's summary what changed since."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clusters.checks import Outcome
from clusters.errors import ExitCode
from reports.history import opened, stored_runs
from reports.history.stored_runs import Ending
from tests.unit.plugin.project import Project
from tests.unit.plugin.test_files import WAITING, started
from tests.unit.plugin.test_run import FAILING, PASSING
from tests.unit.reports.past_runs import BEGIN, a_run, keep


def history(project: Project) -> Path:
    return project.path / "reports" / "history.db"


def endings(project: Project) -> list[Ending]:
    with opened(history(project)) as connection:
        return [run.ending for run in stored_runs.runs(connection, "fake")]


def test_a_run_is_entered_and_the_next_says_what_changed(project: Project) -> None:
    project.checks(PASSING)
    first = project.run()
    project.checks(FAILING)
    second = project.run()

    first.stdout.fnmatch_lines(
        [f"history: there was none, and it begins with this run, in {history(project)}"]
    )
    second.stdout.no_fnmatch_line("history: begins*")
    second.stdout.fnmatch_lines(
        ["since the previous run (*):", "  newly failing: health.fails (not tested before): *"]
    )
    assert "## Since the previous run (`" in (project.directory / "summary.md").read_text()
    assert endings(project) == [Ending.ENDED, Ending.ENDED]


def test_a_killed_run_is_seen_as_interrupted_by_the_next(project: Project) -> None:
    project.checks(PASSING + WAITING)
    process = started(project)
    assert endings(project) == [Ending.RUNNING]
    process.kill()
    process.communicate(timeout=60)

    assert endings(project) == [Ending.INTERRUPTED]


def test_workers_enter_nothing_of_their_own(project: Project) -> None:
    project.checks(PASSING + FAILING)
    project.run_apart("-n", "2")

    assert endings(project) == [Ending.ENDED]


def test_a_history_that_cannot_be_written_fails_no_check_and_is_said(project: Project) -> None:
    project.checks(PASSING)
    (project.path / "notes.md").write_text("no history")

    result = project.run("--history", "notes.md")

    assert result.ret == ExitCode.INTERNAL_ERROR
    assert project.results["run"]["verdict"] == "passed"
    assert "no history" in (project.path / "notes.md").read_text()
    result.stdout.fnmatch_lines(["error: */notes.md is not a history of this suite. This run is not in it."])
    assert "is not a history of this suite" in (project.directory / "summary.md").read_text()


def test_a_damaged_history_is_kept_aside_and_said(project: Project) -> None:
    project.checks(PASSING)
    project.run()
    history(project).write_bytes(b"rubbish")

    result = project.run()

    assert result.ret == ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["error: The earlier history is not used any more: *history.db is damaged*"])
    assert len(list(history(project).parent.glob("history.db.damaged-*"))) == 1
    assert project.run().ret == ExitCode.PASSED


def test_old_runs_go_where_that_is_asked_for(project: Project) -> None:
    project.checks(PASSING)
    history(project).parent.mkdir()
    for number in range(3):
        keep(
            history(project),
            a_run(f"old-{number}", number, {"health.passes": Outcome.PASSED}, cluster="fake"),
        )

    project.run("--history-days", "30")

    with opened(history(project)) as connection:
        assert "old-1" not in {run.id for run in stored_runs.runs(connection)}


def test_what_is_stale_is_said_with_the_command_to_look(project: Project) -> None:
    project.checks(PASSING)
    history(project).parent.mkdir()
    hours = (datetime.now(UTC) - BEGIN) / timedelta(hours=1) - 50
    versions = {"cluster": "fake", "metallb_version": "0.15.2", "kubernetes_version": "v1.34.4"}
    keep(history(project), a_run("old", hours, {"traffic.gone": Outcome.PASSED}, **versions))

    result = project.run()

    result.stdout.fnmatch_lines(
        ["stale, not validated for 36 h (1): traffic.gone (python -m reports last-validated --cluster fake)"]
    )


def test_a_baseline_is_compared_with_and_refused_early(project: Project) -> None:
    project.checks(PASSING)
    project.run("--report-dir", "first")
    results = json.loads((project.path / "first" / "results.json").read_text())
    results["checks"][0] |= {"outcome": "failed", "reason": "it did not hold"}
    (project.path / "first" / "results.json").write_text(json.dumps(results))

    compared = project.run("--baseline", "first/results.json")
    compared.stdout.fnmatch_lines(["since first/results.json (*):", "  fixed: health.passes"])
    refused = project.pytest_apart(*project.arguments(["--baseline", "none.json"], "observe"))
    assert refused.ret == ExitCode.USAGE
    refused.stderr.fnmatch_lines(["ERROR: --baseline: There is no file none.json.*"])


@pytest.mark.parametrize("days", ["0", "-3"])
def test_a_history_of_no_days_is_refused(project: Project, days: str) -> None:
    project.checks(PASSING)

    result = project.pytest_apart(*project.arguments(["--history-days", days], "observe"))

    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines([f"ERROR: --history-days {days} is less than one day."])
