"""The one way out: every text and object passes here before it is written, shown or sent.

Secrets are left out by structure (which variables, annotations and ConfigMaps are kept at all), by the name before
a value, and by how a value looks. In what people read, characters that act on a terminal or turn the direction
of writing are shown escaped. What passes twice is the same as what passed once.

The journal of changes does not pass here: what it holds has to put back what was there. It is readable for its
owner alone and never leaves the machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from clusters.outbound import secret_shapes, secret_texts
from clusters.outbound.json_values import Values
from clusters.outbound.marks import REDACTED, Mark, SameMark, same_marks, shown, shown_in_json

__all__ = [
    "REDACTED",
    "SameMark",
    "clean_folder",
    "file_content",
    "labels",
    "record",
    "same_marks",
    "say",
    "secretless",
    "shown_in_json",
    "text",
    "value",
]

Kept = TypeVar("Kept")
_DEEPEST = 2
_REMEMBERED = 400
#: What a line of JSON must hold to be looked into as an object; names are looked for in its text anyway.
_STRUCTURED = ("env", "Env", "annotations", '"data"', "Data", "values", "Helm", "Application")

#: Names, times, addresses and UIDs, of which there are very many: too short, or of a form that no secret has.
_CERTAIN = re.compile(
    r"(?!xox|xapp|gl|tskey|sk-|hv|dp\.|key)[a-z0-9][a-z0-9./-]{0,18}|[0-9.:TZ+-]{1,32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)


class _Way:
    """Everything that passes with one kind of mark in the place of secrets."""

    def __init__(self, mark: Mark) -> None:
        self._mark = mark
        self._values = Values(mark, self.text)
        # Names, addresses and words of thousands of objects, most of them many times.
        self._remembered = lru_cache(maxsize=32768)(self.without)

    def text(self, found: str) -> str:
        return self._remembered(found) if len(found) < _REMEMBERED else self.without(found)

    def value(self, found: Any) -> Any:
        return self._values.without(found)

    def labels(self, found: Any) -> Any:
        return self._values.labels(found)

    def without(self, found: str, depth: int = 0) -> str:
        if _CERTAIN.fullmatch(found):
            return found
        if "{" in found and depth <= _DEEPEST:
            found = self._without_objects(found)
        found = secret_texts.hidden(secret_shapes.hidden(found, self._mark.text), self._mark.text)
        if depth < _DEEPEST:
            return secret_shapes.runs_of_base64(
                found, self._mark.text, lambda inner: self._is_secret(inner, depth)
            )
        return found

    def _is_secret(self, found: str, depth: int) -> bool:
        return _PLAIN.without(found, depth + 1) != found

    def _without_objects(self, found: str) -> str:
        """Each line that is an object is looked into as one: logs have many."""
        if not (secret_texts.suspicious(found) or any(sign in found for sign in _STRUCTURED)):
            return found
        if found[0] in "{[":
            found = self._values.written(found)
        lines = found.split("\n")
        if len(lines) == 1:
            return found
        return "\n".join(
            self._values.written(line) if line[:1] == "{" and line[-1:] == "}" else line for line in lines
        )


_PLAIN = _Way(Mark())


def text(found: str) -> str:
    """A text for people: without secrets, and with characters that act shown as what they are."""
    return shown(_PLAIN.text(found))


def secretless(found: str, mark: Mark | None = None) -> str:
    """A text without secrets and otherwise as it is, for what a program reads again."""
    return (_Way(mark) if mark else _PLAIN).text(found)


def value(found: Any, mark: Mark | None = None) -> Any:
    """A JSON value without secrets; numbers, texts and lists stay what they are. `found` itself is not changed."""
    return (_Way(mark) if mark else _PLAIN).value(found)


def labels(found: dict[str, str]) -> dict[str, str]:
    """Labels, or a selection by them, in which names say nothing of values: only what looks like a secret goes."""
    kept: dict[str, str] = _PLAIN.labels(found)
    return kept


def file_content(data: bytes) -> bytes:
    """What a file holds, without secrets: JSON as an object, other text as text; what is neither stays as it is."""
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    if "\0" in found:
        return data  # a capture, as a rule
    try:
        read = json.loads(found)
    except (ValueError, RecursionError):
        return text(found).encode("utf-8", "backslashreplace")
    kept = value(read)
    return (shown_in_json(found) if kept == read else json.dumps(kept, indent=1) + "\n").encode("utf-8")


def clean_folder(folder: Path) -> None:
    """What another program left in a folder, without secrets: its files of text are written anew.

    Links and what is no text go: they cannot be read through.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            path.unlink()
        elif path.is_file():
            data = path.read_bytes()
            if b"\0" in data:
                path.unlink()
            else:
                path.write_bytes(file_content(data.decode("utf-8", "replace").encode("utf-8")))


def record(found: Kept, each: Callable[[str], str] = text) -> Kept:
    """A dataclass, or a tuple or mapping of such, with every text in it as `each` gives it."""
    kept: Kept = _recorded(found, each)
    return kept


def _recorded(found: Any, each: Callable[[str], str]) -> Any:
    if isinstance(found, Enum):
        return found
    if isinstance(found, str):
        return each(found)
    if isinstance(found, dict):
        return {_recorded(key, each): _recorded(one, each) for key, one in found.items()}
    if isinstance(found, tuple | list):
        return type(found)(_recorded(one, each) for one in found)
    if is_dataclass(found) and not isinstance(found, type):
        had = {one.name: getattr(found, one.name) for one in fields(found)}
        changed = {name: kept for name, one in had.items() if (kept := _recorded(one, each)) != one}
        return replace(found, **changed) if changed else found
    return found


def say(line: str, *, error: bool = False) -> None:
    """Write a line at once. A terminal that is gone, or a pipe that nobody reads, stops nothing that is under way."""
    stream = sys.stderr if error else sys.stdout
    if stream is None:  # closed before we were started
        return
    with suppress(OSError, ValueError):
        stream.write(f"{text(line)}\n")
        stream.flush()
