"""A journal's file: lines are added so that a full disk, or an end in their middle, leaves whole lines alone."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any, Self

from clusters.journal import journal_text

#: How much more than it must be is set aside at a time.
_STEP = 4096


class JournalFile:
    """The file's descriptor: lines go behind the last whole one, in room that was set aside for them."""

    def __init__(self, fd: int, *, end: int = 0, size: int = 0) -> None:
        # Never one of the first three: a signal handler writes to standard error, and that may have been closed.
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(fd)
        self._end, self._size, self._touched = end, size, size

    @classmethod
    def again(cls, path: Path) -> Self:
        """An earlier run's file, to go on behind its last whole line; what stands there is written over."""
        text = journal_text.read(path)
        return cls(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), end=text.end, size=text.size)

    def append(self, line: dict[str, Any], *, room: int = 0, sync: bool = True) -> None:
        """Write one line, and see that there is `room` behind it. OSError where not; then nothing of it stays."""
        data = json.dumps(line).encode() + b"\n"
        try:
            if room:
                self._set_aside(self._end + len(data) + room)
            end = self._end + len(data)
            self._touched = max(self._touched, end)
            _write(self._fd, data, self._end)
            self._size = max(self._size, end)
            self._wipe(end)
            if sync:
                os.fsync(self._fd)
        except BaseException:
            self._touched = max(self._touched, self._end + len(data))
            self._wipe(self._end)
            raise
        self._end = end

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)

    def _set_aside(self, wanted: int) -> None:
        if wanted <= self._size:
            return
        try:
            _write(self._fd, bytes(wanted + _STEP - self._size), self._size)
        except BaseException:
            os.ftruncate(self._fd, self._size)
            raise
        self._size = wanted + _STEP

    def _wipe(self, end: int) -> None:
        """Leave nothing behind `end` of what was written there and does not count."""
        if self._touched <= end:
            return
        try:
            _write(self._fd, bytes(min(self._touched, self._size) - end), end)
            os.ftruncate(self._fd, max(self._size, end))
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, end)
                self._size = end
        self._touched = end


def _write(fd: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(fd, data, at)
        data, at = data[written:], at + written
