"""Showing how far the making of the parts has come: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Protocol, TextIO

#: A log without a line for this long (seconds) looks as if the run were stuck.
HEARTBEAT = 15.0


@dataclass(frozen=True)
class Step:
    """The `number`th of `total` things to be made, counted from 1."""

    number: int
    total: int
    name: str

    def __str__(self) -> str:
        return f"[{self.number}/{self.total}] {self.name}"


class Progress(Protocol):
    """Who is told. `working` comes at a step's begin and about every second after; `finished` once."""

    def working(self, step: Step, doing: str, seconds: float) -> None:
        """`doing` says what is done at `seconds` after the step's begin, e.g. `building`."""

    def finished(self, step: Step, result: str, seconds: float) -> None:
        """`result` is `built`, `cached` or a note; the step took `seconds`."""

    def close(self) -> None:
        """Nothing more will come."""


class PlainProgress:
    """A line at each begin and end, and one every 15 seconds between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[Step, str] | None = None
        self._shown_at = 0.0

    def working(self, step: Step, doing: str, seconds: float) -> None:
        """One line when `doing` changes or the last one is old."""
        if self._last == (step, doing) and seconds - self._shown_at < HEARTBEAT:
            return
        self._last, self._shown_at = (step, doing), seconds
        self._print(f"{step}: {doing}" + (f" ({seconds:.0f} s)" if seconds >= 1 else ""))

    def finished(self, step: Step, result: str, seconds: float) -> None:
        """One line."""
        self._print(f"{step}: {result}" + (f" ({seconds:.0f} s)" if seconds >= 1 else ""))

    def close(self) -> None:
        """Nothing is held open."""

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """One line that moves, and a line that stays for every step that took time."""

    def __init__(self, stream: TextIO) -> None:
        # A warm run shows nothing, and need not load rich.
        from rich.console import Console  # noqa: PLC0415 - see above
        from rich.text import Text  # noqa: PLC0415 - see above

        self._text = Text
        self._console = Console(file=stream, highlight=False, markup=False)
        self._status = self._console.status("")
        self._running = False

    def working(self, step: Step, doing: str, seconds: float) -> None:
        """Change the line that moves."""
        if not self._running:
            self._status.start()
            self._running = True
        self._status.update(self._text(f"{step}: {doing} ({seconds:.0f} s)"))

    def finished(self, step: Step, result: str, seconds: float) -> None:
        """Leave a line."""
        self._console.print(f"{step}: {result}" + (f" ({seconds:.0f} s)" if seconds >= 1 else ""))

    def close(self) -> None:
        """Give the terminal back."""
        if self._running:
            self._status.stop()
            self._running = False


def progress_for(stream: TextIO | None = None) -> Progress:
    """What suits the stream, standard error by default."""
    stream = stream or sys.stderr
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)
