"""Saying something on standard output or error, where somebody may or may not be there to read it."""

from __future__ import annotations

import sys
from contextlib import suppress

from clusters import outbound


def say(text: str, *, error: bool = False) -> None:
    """Write a line at once. A terminal that is gone, or a pipe that nobody reads, stops nothing that is under way."""
    stream = sys.stderr if error else sys.stdout
    if stream is None:  # closed before we were started
        return
    with suppress(OSError, ValueError):
        stream.write(f"{outbound.text(text)}\n")
        stream.flush()
