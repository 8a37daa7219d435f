"""Several clusters, one run each, side by side: how each run ended, and what that makes of the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clusters.errors import ExitCode

#: Worst first. A cluster whose run was killed by us counts as 7: nobody has seen what it left.
WORST = (
    ExitCode.CLEANUP_FAILED,
    ExitCode.FAILED,
    ExitCode.INTERNAL_ERROR,
    ExitCode.INTERRUPTED,
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.INCOMPLETE,
    ExitCode.NOTHING_COLLECTED,
    ExitCode.PASSED,
)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One cluster's run in a fleet. `cluster` is the profile's name, `directory` where its files are.

    `trouble` is "" for a run that ended by itself, else how it was ended. `words` is the end of what it printed.
    """

    cluster: str
    directory: Path
    code: int
    seconds: float
    trouble: str = ""
    words: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """Its exit code; a run that ended by a signal has failed to say how it went."""
        known = {int(code) for code in ExitCode}
        if self.code in known:
            return ExitCode(self.code)
        return ExitCode.CLEANUP_FAILED if self.code < 0 else ExitCode.INTERNAL_ERROR


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code of the whole."""
    return min(codes, key=WORST.index, default=ExitCode.NOTHING_COLLECTED)
