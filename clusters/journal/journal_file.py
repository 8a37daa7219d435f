"""A journal's file, written and read so that no damage in one line hides another.

Lines are added so that a full disk, or an end in their middle, leaves whole lines alone. A line that a kill or a full
disk cut short was never acted upon, wherever it stands: behind it may be nothing, room that was set aside (NUL), or the
next line. Anything else that is no line of a journal is damage, and is told.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]

_MOST, _TRIES = 64 * 2**20, 50
#: How much more than it must be is set aside at a time.
_STEP = 4096
_BEGINNINGS = re.compile(rb'\{"(?:journal|seq|made|undone)": ')
_CHANGE = re.compile(r'"change": ("(?:[^"\\]|\\.)*")')
_ENTRY, _MARKS = {"seq", "change", "undo"}, ("made", "undone")
#: Of a mark nothing is lost with its rest: what it was about is undone once more, which does no harm.
_BROKEN_MARK = re.compile(rb'\{"(?:made|undone)":[^{]{0,24}')


@dataclass
class Text:
    """A journal's lines, what of it is damaged (a sentence each), and where its last whole line ends.

    `written` is when the file last was, in seconds of the epoch.
    """

    lines: list[Json] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    end: int = 0
    size: int = 0
    written: float = 0.0


def read(path: Path) -> Text:
    """Read the file; one that cannot be read is damaged as a whole. Nothing is raised."""
    try:
        content, written = _content(path)
    except FileNotFoundError:
        return Text()  # somebody else has undone it meanwhile
    except OSError as error:
        return Text(damage=[f"it cannot be read: {error.strerror or error}"])
    text = Text(size=len(content), end=content.rfind(b"\n") + 1, written=written)
    whole = content[: text.end].split(b"\n")[:-1]
    for number, raw in enumerate(whole, start=1):
        line = _line(raw)
        if line is not None:
            text.lines.append(line)
        elif not (number == len(whole) and b"\0" in raw):  # a last line of which only the end got to the disk
            text.damage.append(f"line {number} is damaged{_said(raw)}")
    return text


def _content(path: Path) -> tuple[bytes, float]:
    """The file's bytes, and when it was written. What is no ordinary file, as a named pipe, is not waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no ordinary file")
        if found.st_size > _MOST:
            raise OSError(f"it is larger than {_MOST >> 20} MiB")
        return file.read(), found.st_mtime


def _line(raw: bytes) -> Json | None:
    """The line; where one that was cut short stands before it, that one is passed over. None for damage."""
    raw = raw.strip(b"\0")
    for begin in _beginnings(raw):
        try:
            line = json.loads(raw[begin:])
        except (ValueError, RecursionError):
            continue
        if _is_line(line):
            return dict(line)
    return {} if _BROKEN_MARK.fullmatch(raw) else None


def _beginnings(raw: bytes) -> Iterator[int]:
    """Where a line may begin in `raw`, the first few: inside of text the quotes would be escaped."""
    yield from (found.start() for found in itertools.islice(_BEGINNINGS.finditer(raw), _TRIES))


def _is_line(line: object) -> bool:
    if not isinstance(line, dict):
        return False
    if "journal" in line:
        return isinstance(line["journal"], dict)
    if "seq" in line:
        whole = line.keys() >= _ENTRY and _is_number(line["seq"]) and isinstance(line["change"], str)
        return whole and isinstance(line["undo"], dict) and isinstance(line["undo"].get("kind"), str)
    return any(_is_number(line.get(mark)) for mark in _MARKS)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _said(raw: bytes) -> str:
    """What a damaged line was about, as far as it can be read."""
    found = _CHANGE.search(raw.decode(errors="replace"))
    try:
        return f" (it was about: {json.loads(found[1], strict=False)})" if found else ""
    except ValueError:
        return ""


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
        text = read(path)
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
