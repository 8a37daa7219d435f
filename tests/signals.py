"""Signals as they are in a terminal, also where the tests were begun otherwise."""

from __future__ import annotations

import signal


def restore() -> None:
    """Hear SIGHUP and SIGINT again: under nohup, or in the background of a shell, every process starts without."""
    for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
