"""Ctrl-C while something is being undone: it is heard, answered, and does not leave half of it behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_GIVES_WAY_AT = 3


class Abandoned(KeyboardInterrupt):
    """The user pressed Ctrl-C three times during one undo: what is left stays in the journal."""


@contextmanager
def undisturbed(left: Callable[[], int]) -> Iterator[list[int]]:
    """Hold SIGINT and SIGTERM back for the block; yields the list that collects them.

    The first two are answered with how many changes are `left`, the third raises Abandoned. Outside the main
    thread, where Python allows no handler, and inside another such block nothing is changed.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread() or _Holding.now:
        yield heard
        return

    def answer(signum: int, _frame: FrameType | None) -> None:
        heard.append(signum)
        if len(heard) >= _GIVES_WAY_AT:
            raise Abandoned
        times = _GIVES_WAY_AT - len(heard)
        _tell(
            f"\nstill undoing {left()} change{'s' if left() != 1 else ''}; "
            f"interrupt {times} more time{'s' if times != 1 else ''} to leave the rest to a sweep\n"
        )

    before = {number: signal.signal(number, answer) for number in (signal.SIGINT, signal.SIGTERM)}
    _Holding.now = True
    try:
        yield heard
    finally:
        _Holding.now = False
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(text: str) -> None:
    """To the terminal, past whatever captures output; a handler may not use Python's buffered streams."""
    try:
        terminal = os.open("/dev/tty", os.O_WRONLY)
    except OSError:
        os.write(2, text.encode())
        return
    os.write(terminal, text.encode())
    os.close(terminal)


class _Holding:
    """Whether a block of this process holds signals back now."""

    now = False
