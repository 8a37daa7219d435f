"""What stands in a journal's file, read so that no damage in one line hides another.

A line that a kill or a full disk cut short was never acted upon, wherever it stands: behind it may be nothing,
room that was set aside (NUL), or the next line. Anything else that is no line of a journal is damage, and is told.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_MOST, _TRIES = 64 * 2**20, 50
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
