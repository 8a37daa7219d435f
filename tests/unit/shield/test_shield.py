"""Being told to end while something is undone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clusters import shield
from clusters.shield import is_abandoned, undisturbed

ROOT = Path(__file__).parents[3]
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(shield, "_tell", lines.append)
    return lines


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)
    signal.sigpending()  # a call into the interpreter, so that the handler has run


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_is_answered_and_does_not_end_the_block(number: int, told: list[str]) -> None:
    reached = False
    with undisturbed(lambda: 4) as heard:
        interrupt(number)
        reached = True

    assert reached
    assert heard == [number]
    assert told[0].startswith("\nstill undoing 4 changes")


def test_only_a_person_who_insists_is_given_way_and_nothing_is_raised(told: list[str]) -> None:
    seen = []
    with undisturbed(lambda: 1):
        for number in (*ENDING, *[signal.SIGTERM] * 9, *[signal.SIGINT] * 4):
            interrupt(number)
            seen.append(is_abandoned())

    assert seen == [False] * 15 + [True]
    assert told[0] == "\nstill undoing 1 change; interrupt 4 more times to leave the rest to a sweep\n"
    assert told[-1] == "\nwhat is being undone now is finished, the rest is left to a sweep\n"
    assert not is_abandoned(), "the next undo begins anew"


def test_what_counts_the_changes_may_fail(told: list[str]) -> None:
    def broken() -> int:
        raise RuntimeError("no")

    with undisturbed(broken):
        interrupt()

    assert len(told) == 1


def test_the_handlers_from_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with undisturbed(lambda: 1), undisturbed(lambda: 1):
        pass

    assert [signal.getsignal(number) for number in ENDING] == before


def test_what_is_ignored_stays_ignored() -> None:
    """As SIGHUP is for a run that nohup started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        put_back = shield.end_by_signal()
        with undisturbed(lambda: 1) as heard:
            interrupt(signal.SIGHUP)
        interrupt(signal.SIGHUP)
        put_back()
    finally:
        signal.signal(signal.SIGHUP, before)

    assert heard == []


def test_a_block_within_a_block_leaves_the_counting_to_the_outer_one(told: list[str]) -> None:
    with undisturbed(lambda: 1) as outer:
        with undisturbed(lambda: 7) as inner:
            interrupt()
        interrupt()

    assert (len(outer), inner) == (2, [])
    assert ["7 changes" in told[0], "1 change;" in told[1]] == [True, True]


def test_in_another_thread_nothing_is_held_back() -> None:
    seen: list[object] = []

    def work() -> None:
        with undisturbed(lambda: 1) as heard:
            seen.append(heard)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [[]]


def test_the_first_signal_ends_a_run_and_the_next_ones_do_not_disturb_how(told: list[str]) -> None:
    put_back = shield.end_by_signal()
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt(signal.SIGHUP)
        for number in ENDING:
            interrupt(number)
    finally:
        put_back()

    assert told == ["\nstill ending: what was changed is being undone\n"] * 3


#: A process that undoes something, slowly, and says with its exit code whether it came to its end.
UNDOING = """
import os, signal, sys, time
from clusters import shield
{before}
with shield.undisturbed(lambda: 3):
    for _ in range(20):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
os._exit(42)
"""


@pytest.mark.parametrize(
    "before",
    [
        "os.close(2)",
        "read, write = os.pipe(); os.close(read); os.dup2(write, 2)",  # a broken pipe
        "read, write = os.pipe(); os.set_blocking(write, False)\n"
        "try:\n    while True: os.write(write, bytes(4096))\nexcept BlockingIOError: pass\n"
        "os.set_blocking(write, True); os.dup2(write, 2)",  # a pipe that nobody reads
        "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
    ],
    ids=["closed", "broken", "full", "full disk"],
)
def test_where_nobody_can_hear_the_answer_the_undo_goes_on(before: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNDOING.format(before=before)],
        cwd=ROOT, timeout=60, check=False, start_new_session=True, stderr=subprocess.PIPE,
    )  # fmt: skip

    assert done.returncode == 42, done.stderr
