"""A run that is told to end, once or more often, with somebody there to read about it or not."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import Any

import pytest

from clusters import wait
from clusters.budgets import Budget
from clusters.errors import ExitCode
from tests.unit.plugin.project import Project

SOON = Budget(name="test.soon", within=60, every=0.05, reason="A process that starts on a busy machine.")
#: It has changed something and waits; when it is ended, its own fixture takes a while.
SLOW = '''
@pytest.fixture
def slow():
    yield
    Path("ending").touch()
    for _ in range(20):
        signal.sigtimedwait([], 0.05)  # no signal ends it early
    Path("ended").touch()

@check("allocation.x", runbook="shape", level=CREATE)
def test_x(changes, slow):
    """Changes."""
    changes.made.append("x")
    Path("begun").touch()
    while True:
        signal.sigtimedwait([], 0.05)
'''


@pytest.fixture
def slow(project: Project) -> Project:
    project.checks(SLOW)
    return project


def started(project: Project, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", *project.arguments([], "create")]
    process = subprocess.Popen(command, cwd=project.path, **options)
    await_file(project.path / "begun", process)
    return process


def await_file(path: Path, process: subprocess.Popen[bytes]) -> None:
    wait.until(
        f"there is {path.name}",
        read=lambda: path.exists() or process.poll() is not None,
        accept=bool,
        budget=SOON,
    )
    assert path.exists(), "it ended before"


def log(project: Project) -> list[str]:
    return (project.path / "cluster-log").read_text().splitlines()


WHOLE = ["opened", "held metallb-system at create", "undone x", "undone all", "closed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_undone_and_reported_and_more_of_them_change_nothing(
    slow: Project, number: int
) -> None:
    process = started(slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.send_signal(number)
    await_file(slow.path / "ending", process)
    for _ in range(3):
        process.send_signal(number)
        threading.Event().wait(0.2)

    assert process.wait(60) == ExitCode.INTERRUPTED
    assert (slow.path / "ended").exists()
    assert log(slow) == WHOLE
    assert slow.results["run"]["verdict"] == "incomplete"


def test_a_terminal_that_goes_away_ends_a_run_undone_and_reported(slow: Project) -> None:
    master, terminal = pty.openpty()
    process = started(
        slow, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    os.close(master)  # the kernel sends SIGHUP, and whatever is written from now on fails

    process.wait(60)
    assert log(slow) == WHOLE
    assert slow.results["run"]["verdict"] == "incomplete"


def test_where_nobody_reads_its_output_any_more_a_run_is_undone_and_reported(slow: Project) -> None:
    read, write = os.pipe()
    process = started(slow, stdout=write, stderr=write)
    os.close(write)
    os.close(read)
    process.send_signal(signal.SIGTERM)

    process.wait(60)
    assert log(slow) == WHOLE
    assert slow.results["run"]["verdict"] == "incomplete"


def test_a_run_under_nohup_outlives_its_terminal(slow: Project) -> None:
    process = started(
        slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    process.send_signal(signal.SIGHUP)
    threading.Event().wait(0.5)
    assert process.poll() is None

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == ExitCode.INTERRUPTED
