"""Ctrl-C while something is undone."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from clusters.changes.shield import Abandoned, undisturbed


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr("clusters.changes.shield._tell", lines.append)
    return lines


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)
    signal.sigpending()  # a call into the interpreter, so that the handler has run


def test_one_interrupt_is_answered_and_does_not_end_the_block(told: list[str]) -> None:
    reached = False
    with undisturbed(lambda: 4) as heard:
        interrupt()
        reached = True

    assert reached
    assert heard == [signal.SIGINT]
    assert told == ["\nstill undoing 4 changes; interrupt 2 more times to leave the rest to a sweep\n"]


def test_the_third_gives_way() -> None:
    def press_three_times() -> None:
        with undisturbed(lambda: 1):
            interrupt()
            interrupt(signal.SIGTERM)
            interrupt()

    with pytest.raises(Abandoned):
        press_three_times()


def test_the_handlers_from_before_are_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with undisturbed(lambda: 1), undisturbed(lambda: 1):
        pass

    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_block_within_a_block_leaves_the_counting_to_the_outer_one() -> None:
    with undisturbed(lambda: 1) as outer:
        with undisturbed(lambda: 1) as inner:
            interrupt()
        interrupt()

    assert (len(outer), inner) == (2, [])


def test_in_another_thread_nothing_is_held_back() -> None:
    seen: list[object] = []

    def work() -> None:
        with undisturbed(lambda: 1) as heard:
            seen.append(heard)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert seen == [[]]
