"""Errors that a user can cause, each one clear sentence with what to do, each with its exit code.

The parser of the command lines raises them too.
"""

from __future__ import annotations

import argparse
from enum import IntEnum
from typing import NoReturn

from clusters import bounds, outbound


class ExitCode(IntEnum):
    """What the commands of this project return; the first five are pytest's own."""

    PASSED = 0
    FAILED = 1
    INTERRUPTED = 2
    INTERNAL_ERROR = 3
    USAGE = 4
    NOTHING_COLLECTED = 5
    REFUSED = 6
    CLEANUP_FAILED = 7
    INCOMPLETE = 8


def _shortened(text: str) -> str:
    return text if len(text) <= bounds.LONGEST_SENTENCE else f"{text[: bounds.LONGEST_SENTENCE]}…"


class ConformanceError(Exception):
    """Something a user can cause or fix. The text is one sentence that names the file, field or object.

    `remedy` says what to do about it, as a sentence of its own, or is empty. Commands print
    `error: <text> <remedy>` and leave with `exit_code`; they never print a traceback for it. What a server, a
    login command or a file said stands in the text without secrets.
    """

    exit_code: ExitCode = ExitCode.REFUSED

    def __init__(self, text: str, *, remedy: str = "") -> None:
        super().__init__(_shortened(outbound.text(text)))
        self.remedy = _shortened(outbound.text(remedy))

    def __str__(self) -> str:
        return f"{self.args[0]} {self.remedy}".rstrip()


class UsageError(ConformanceError):
    """A command line or a file of the user's that does not say what it must."""

    exit_code = ExitCode.USAGE


class Refused(ConformanceError):  # noqa: N818 - it says how a run ends
    """Preflight found a reason not to start; nothing was run."""

    exit_code = ExitCode.REFUSED


class CleanupFailed(ConformanceError):  # noqa: N818 - it says how a run ends
    """Something this project made may still be there; the journal says what."""

    exit_code = ExitCode.CLEANUP_FAILED


class Inconclusive(ConformanceError):  # noqa: N818 - it says how a run ends
    """A check could not be decided: a permission, a vantage or a probe's output was missing.

    It says nothing about MetalLB, and it is never counted as passed.
    """

    exit_code = ExitCode.INCOMPLETE


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError in place of leaving the process."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's own sentence."""
        raise UsageError(f"{message}.", remedy=f"See {self.prog} --help.")
