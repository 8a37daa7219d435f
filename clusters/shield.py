"""Being told to end while something is being undone: it is heard and answered, and the undo goes on to its end.

SIGINT, SIGTERM and SIGHUP (a terminal that went away) all mean the same. Nothing is raised inside an undo, and no
answer is waited for: nobody may be there any more to read it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: So many times a person presses Ctrl-C to leave the rest to a sweep. A scheduler that repeats itself never does.
_GIVES_WAY_AT = 5
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def undisturbed(left: Callable[[], int]) -> Iterator[list[int]]:
    """Hold back the signals that end a process for the block; yields the list that collects them.

    They are answered with how many changes are `left`. Outside the main thread, where Python allows no handler,
    nothing is changed; inside another such block the outer one collects.
    """
    if threading.current_thread() is not threading.main_thread():
        yield []
        return
    if _Holding.now:
        before, _Holding.left = _Holding.left, left
        try:
            yield []
        finally:
            _Holding.left = before
        return
    heard: list[int] = []
    _Holding.heard, _Holding.left = heard, left
    put_back = handled_by(_answer)
    _Holding.now = True
    try:
        yield heard
    finally:
        _Holding.now = False
        put_back()


def is_abandoned() -> bool:
    """Whether a person has asked often enough to leave what is not undone yet to a sweep."""
    return _Holding.now and _Holding.heard.count(signal.SIGINT) >= _GIVES_WAY_AT


def end_by_signal() -> Callable[[], None]:
    """From now on the first of these signals raises KeyboardInterrupt; later ones do not disturb how it ends.

    Returns what puts the former handlers back. What is ignored, as SIGHUP is under nohup, stays so.
    """
    heard: list[int] = []

    def end(signum: int, _frame: FrameType | None) -> None:
        heard.append(signum)
        if len(heard) == 1 or heard.count(signal.SIGINT) == _GIVES_WAY_AT:
            raise KeyboardInterrupt
        _tell("\nstill ending: what was changed is being undone\n")

    return handled_by(end)


def handled_by(handler: Callable[[int, FrameType | None], None]) -> Callable[[], None]:
    """Handle the signals that end a process in this way, but for those that are ignored; returns what undoes that."""
    before = {
        number: found
        for number in _ENDING
        if (found := signal.getsignal(number)) != signal.SIG_IGN and found is not None
    }
    for number in before:
        signal.signal(number, handler)

    def put_back() -> None:
        for number, found in before.items():
            signal.signal(number, found)

    return put_back


def _answer(signum: int, _frame: FrameType | None) -> None:
    _Holding.heard.append(signum)
    changes = 0
    with suppress(Exception):  # whatever counts them: nothing is raised inside an undo
        changes = _Holding.left()
    still = f"still undoing {changes} change{'s' if changes != 1 else ''}"
    more = _GIVES_WAY_AT - _Holding.heard.count(signal.SIGINT)
    if signum != signal.SIGINT:
        _tell(f"\n{still}\n")
    elif more > 0:
        times = f"{more} more time{'s' if more != 1 else ''}"
        _tell(f"\n{still}; interrupt {times} to leave the rest to a sweep\n")
    else:
        _tell("\nwhat is being undone now is finished, the rest is left to a sweep\n")


def _tell(text: str) -> None:
    """To the terminal, past whatever captures output; a handler may not use Python's buffered streams.

    It neither raises nor waits: the terminal may be gone or stopped, the pipe broken or full. Standard error that
    was closed at the start is left alone, because its number may be another file's by now.
    """
    with suppress(OSError):
        try:
            terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            if sys.__stderr__ is not None and _takes_text(2):
                os.write(2, text.encode())
            return
        try:
            os.write(terminal, text.encode())
        finally:
            os.close(terminal)


def _takes_text(fd: int) -> bool:
    """Whether a few bytes can be written at once."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return [event for _, event in poll.poll(0)] == [select.POLLOUT]


class _Holding:
    """What this process holds back now."""

    now = False
    heard: list[int] = []  # noqa: RUF012 - replaced by each block, never shared between two
    left: Callable[[], int] = staticmethod(lambda: 0)
