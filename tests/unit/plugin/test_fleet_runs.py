"""Several clusters side by side: each has its run, and nothing that befalls one hides another's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clusters import wait
from clusters.budgets import Budget
from clusters.checks.run_verdict import Member, worst
from clusters.errors import ExitCode
from suites.plugin import fleet_runs
from suites.plugin.fleet_runs import Running
from tests.unit.plugin.project import Project

SOON = Budget(name="test.soon", within=60, every=0.1, reason="Killed processes are reaped on a busy machine.")
CHECKS = '''
@check("health.by-name", runbook="1", level=OBSERVE, causes=("speaker-down",))
def test_by_name(run):
    """Does what the cluster's name says."""
    if run.profile.name == "bad":
        raise CheckFailed(Finding(cause="speaker-down", subject="node w1", summary="its speaker is not ready"))
    if run.profile.name == "dead":
        os.kill(os.getpid(), signal.SIGKILL)

@check("health.passes", runbook="1", level=OBSERVE)
def test_passes():
    """Passes."""
'''


# As in test_files: each says that it waits by a rename.
WAITING = '''
@pytest.fixture
def taint(run):
    Path(f"tainted-{run.profile.name}").write_text(str(os.getpid()))
    yield
    Path(f"tainted-{run.profile.name}").unlink()

@check("failover.waits", runbook="shape", level=DISRUPT)
def test_waits(taint, run):
    """Waits."""
    import threading
    Path(f"soon-{run.profile.name}").write_text(str(os.getpid()))
    Path(f"soon-{run.profile.name}").rename(f"waiting-{run.profile.name}")
    threading.Event().wait(300)
'''


def profiles(project: Project, *names: str) -> list[str]:
    arguments = []
    for name in names:
        text = f"name: {name}\nprovider: existing\ncontext: nowhere\ndisposable: true\nallow: disrupt\n"
        (project.path / f"{name}.yaml").write_text(text)
        arguments += ["--cluster", str(project.path / f"{name}.yaml")]
    return arguments


def run(project: Project, *arguments: str) -> pytest.RunResult:
    return project.pytest_apart("suites", "--report-dir", "out", *arguments)


def data(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project.path / "out" / "fleet.json").read_text())
    return found


def test_each_cluster_has_its_run_and_one_page_has_a_column_for_each(project: Project) -> None:
    project.checks(CHECKS)

    result = run(project, *profiles(project, "good", "bad", "dead"))

    assert result.ret == ExitCode.CLEANUP_FAILED
    found = data(project)
    assert [(one["cluster"], one["verdict"]) for one in found["clusters"]] == [
        ("good", "passed"),
        ("bad", "failed"),
        ("dead", "cleanup-failed"),
    ]
    outcomes = {check["id"]: check["outcomes"] for check in found["checks"]}
    assert outcomes == {
        "health.by-name": {"good": "passed", "bad": "failed", "dead": "skipped"},
        "health.passes": {"good": "passed", "bad": "passed", "dead": "skipped"},
    }
    page = (project.path / "out" / "report.html").read_text()
    assert '<a href="bad/report.html#health.by-name">' in page
    assert all((project.path / "out" / name / "junit.xml").exists() for name in ("good", "bad"))
    result.stdout.fnmatch_lines(
        [
            "PASSED * good *",
            "FAILED * bad *",
            "CLEANUP-FAILED dead *it died by SIGKILL: sweep it",
            "report: *",
        ]
    )


def test_a_cluster_in_the_environment_starts_no_fleet_of_fleets(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = profiles(project, "one")[1], profiles(project, "two")[1]
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--cluster {one}")

    result = run(project, "--cluster", two)

    assert result.ret == ExitCode.USAGE
    assert "Take --cluster out of PYTEST_ADDOPTS" in str(data(project)["clusters"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--baseline", "old.json"), "--baseline is for one cluster, and 2 were named. Run it alone."),
        (("--confirm-cluster", "x"), "--confirm-cluster is for one cluster, and 2 were named. Run it alone."),
        (("--cluster", "two.yaml"), "There is no profile"),
    ],
)
def test_what_no_fleet_can_do_is_refused_before_anything_runs(
    project: Project, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    one, two = profiles(project, "one"), profiles(project, "two")
    if arguments[0] == "--cluster":
        (project.path / "two.yaml").unlink()

    result = project.pytest("suites", "--report-dir", "out", *one, *two, *arguments)

    assert result.ret == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert not (project.path / "out").exists()


def test_one_cluster_named_twice_is_refused(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    one = profiles(project, "one")

    assert project.pytest("suites", *one, *one).ret == ExitCode.USAGE
    assert "ERROR: Cluster one was named twice: " in capsys.readouterr().err


def running(folder: Path, program: str, *, within: float = 60) -> Running:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", f"import os, signal, sys; {program}"]
    return Running(cluster=folder.name, directory=folder, command=command, within=within)


def test_a_run_that_ends_by_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    member = running(tmp_path / "c", "print('hello'); sys.exit(8)").through()

    assert (member.exit_code, member.trouble, member.words) == (ExitCode.INCOMPLETE, "", "hello\n")


def test_a_run_that_hangs_is_asked_to_end_when_its_time_is_over(tmp_path: Path) -> None:
    undoing = "signal.signal(signal.SIGTERM, lambda *_: os._exit(2)); signal.pause()"

    member = running(tmp_path / "c", undoing, within=3).through()

    assert member.exit_code is ExitCode.INTERRUPTED
    assert member.trouble == "it was not done after 3 s, and was ended"


def test_a_run_that_does_not_end_then_is_killed_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = Budget(name="fleet_undone", within=0.2, every=0.1, reason="A test.")
    monkeypatch.setattr(fleet_runs.budgets, "get", lambda _: grace)
    child = f"os.fork(); open('{tmp_path}/' + str(os.getpid()), 'w').close()"
    deaf = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {child}; [signal.pause() for _ in iter(int, 1)]"

    member = running(tmp_path / "c", deaf, within=3).through()

    assert member.exit_code is ExitCode.CLEANUP_FAILED
    assert member.trouble.endswith("it did not end within 0.2 s more, and was killed: sweep it")
    pids = [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()]
    assert len(pids) == 2
    wait.until(
        "both are gone",
        read=lambda: [_alive(pid) for pid in pids],
        accept=lambda seen: not any(seen),
        budget=SOON,
    )


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_an_interrupt_reaches_every_run_once_also_one_that_is_yet_to_begin(tmp_path: Path) -> None:
    undoing = "signal.signal(signal.SIGTERM, lambda *_: os._exit(2)); signal.pause()"
    runs = [running(tmp_path / name, undoing) for name in "ab"]

    with fleet_runs._ended_together(runs) as heard:
        os.kill(os.getpid(), signal.SIGINT)
        members = [run.through() for run in runs]

    assert heard == [signal.SIGINT]
    assert all(member.code in (ExitCode.INTERRUPTED, -signal.SIGTERM) for member in members)


@contextmanager
def waiting_fleet(project: Project, *names: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, int]]]:
    """A fleet whose runs all wait in the middle of a check that has changed something, and their process ids."""
    project.checks(WAITING)
    arguments = ["suites", "--allow", "disrupt", "--report-dir", "out", *profiles(project, *names)]
    fleet = subprocess.Popen([sys.executable, "-m", "pytest", *arguments], start_new_session=True)
    places = {name: project.path / f"waiting-{name}" for name in names}
    pids: dict[str, int] = {}
    try:
        wait.until(
            "all wait",
            read=lambda: [place.exists() for place in places.values()],
            accept=all,
            budget=SOON,
        )
        pids |= {name: int(place.read_text()) for name, place in places.items()}
        yield fleet, pids
    finally:
        for pid in (fleet.pid, *pids.values()):
            if _alive(pid):
                os.kill(pid, signal.SIGKILL)
        fleet.wait()


def test_the_runs_of_a_killed_fleet_undo_and_report(project: Project) -> None:
    with waiting_fleet(project, "one", "two") as (fleet, pids):
        fleet.kill()
        wait.until(
            "both runs have ended",
            read=lambda: [_alive(pid) for pid in pids.values()],
            accept=lambda seen: not any(seen),
            budget=SOON,
        )

    for name in pids:
        directory = project.path / "out" / name
        assert not (project.path / f"tainted-{name}").exists()
        (check,) = json.loads((directory / "results.json").read_text())["checks"]
        assert check["outcome"] == "skipped"
        assert all((directory / file).exists() for file in ("report.html", "junit.xml"))
    log = (project.path / "cluster-log").read_text().splitlines()
    assert [log.count(line) for line in ("undone all", "closed")] == [2, 2]


def test_a_run_whose_fleet_died_before_it_began_does_not_begin(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.checks(CHECKS)
    monkeypatch.setenv("METALLB_CONFORMANCE_IN_FLEET", str(os.getppid()))

    result = run(project, *profiles(project, "good"))

    assert result.ret == ExitCode.USAGE
    result.stderr.fnmatch_lines("ERROR: The fleet that started this run is gone*")
    assert not (project.path / "out").exists()


def test_the_worst_exit_code_holds() -> None:
    assert Member(cluster="c", directory=Path(), code=-9, seconds=1).exit_code is ExitCode.CLEANUP_FAILED
    assert worst([ExitCode.PASSED, ExitCode.INCOMPLETE, ExitCode.FAILED]) is ExitCode.FAILED
    assert worst([ExitCode.INCOMPLETE, ExitCode.REFUSED]) is ExitCode.REFUSED
    assert worst([ExitCode.FAILED, ExitCode.CLEANUP_FAILED]) is ExitCode.CLEANUP_FAILED
