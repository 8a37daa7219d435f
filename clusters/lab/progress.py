"""How far a boot has come, for the person who waits and for the benchmark."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO


class Progress:
    """Names of phases with the seconds at which each was reached, printed as they come."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._began = time.monotonic()
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self.phases: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Note that a phase was reached; the first time counts."""
        with self._lock:
            if name not in self.phases:
                seconds = self.phases[name] = time.monotonic() - self._began
                print(f"  {seconds:5.1f} s  {name}", file=self._stream, flush=True)
