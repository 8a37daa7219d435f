"""Progress names the part, its number of how many, and the time, on a terminal and in a log."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from clusters.lab.parts.progress import LiveProgress, PlainProgress, Step, progress_for

STEP = Step(3, 14, "kubelet")


def test_a_log_gets_a_line_at_begin_and_end_and_one_every_fifteen_seconds() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    for second in range(34):
        progress.working(STEP, "building", float(second))
    progress.finished(STEP, "built", 33.9)
    assert stream.getvalue().splitlines() == [
        "[3/14] kubelet: building",
        "[3/14] kubelet: building (15 s)",
        "[3/14] kubelet: building (30 s)",
        "[3/14] kubelet: built (34 s)",
    ]


def test_a_log_gets_a_line_when_something_else_is_done() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.working(STEP, "waiting for another run that makes it", 0.0)
    progress.working(STEP, "building", 2.0)
    progress.close()
    assert stream.getvalue().splitlines()[1] == "[3/14] kubelet: building (2 s)"


def test_what_is_cached_has_no_time() -> None:
    stream = io.StringIO()
    PlainProgress(stream).finished(STEP, "cached", 0.0)
    assert stream.getvalue() == "[3/14] kubelet: cached\n"


@pytest.fixture
def terminal() -> Iterator[tuple[int, io.TextIOWrapper]]:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield ours, stream
    os.close(ours)


def test_a_terminal_gets_a_line_that_moves_and_lines_that_stay(
    terminal: tuple[int, io.TextIOWrapper],
) -> None:
    ours, stream = terminal
    progress = progress_for(stream)
    assert isinstance(progress, LiveProgress)
    progress.working(STEP, "building", 47.0)
    progress.working(STEP, "building", 48.0)
    progress.finished(STEP, "built", 48.2)
    progress.close()
    progress.close()
    stream.flush()
    shown = os.read(ours, 1 << 16).decode()
    assert "[3/14] kubelet: building (48 s)" in shown
    assert "[3/14] kubelet: built (48 s)" in shown


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(progress_for(io.StringIO()), PlainProgress)
