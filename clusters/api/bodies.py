"""What a successful answer holds: JSON objects as the Kubernetes API has them, or the sentence that says what it is."""

from __future__ import annotations

from typing import NoReturn, Protocol

from pydantic_core import from_json

from clusters.api import answer_limits
from clusters.api.errors import AnswerInvalid
from clusters.objects import Object

_PAGE = (b"<!doctype", b"<html", b"<?xml")
_BETWEEN = "Is a proxy or a login page in between?"


class About(Protocol):
    """A request, as a sentence names it."""

    @property
    def what(self) -> str:
        """What was asked for: "list nodes"."""


class Reader:
    """Reads the answers of one API server, whose host and port a sentence names."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def json(self, body: bytes, asked: About) -> Object:
        """A JSON object. Raises AnswerInvalid for anything else."""
        try:
            # Half of what collecting takes is to read JSON, and this reader is a third faster than `json`.
            found = from_json(body, allow_inf_nan=False, cache_strings="keys")
        except ValueError:
            self.refuse(asked, "an HTML page" if _is_page(body) else "something that is no JSON")
        if not isinstance(found, dict):
            self.refuse(asked, "JSON that is no object")
        return found

    def object(self, body: bytes, asked: About) -> Object:
        """An object of the API: its metadata has a name."""
        found = self.json(body, asked)
        if not _is_named(found):
            self.refuse(asked, "an object that has no name")
        return found

    def page(self, body: bytes, asked: About) -> Object:
        """A list, or a part of one, whose items are objects of the API."""
        found = self.json(body, asked)
        items, metadata = found.get("items") or [], found.get("metadata")
        if not isinstance(items, list) or not isinstance(metadata, dict):
            self.refuse(asked, "an object that is no list")
        for number, item in enumerate(items, 1):
            if not _is_named(item):
                self.refuse(asked, f"a list whose item {number} is no object with a name")
        for field in ("continue", "resourceVersion"):
            if not isinstance(metadata.get(field, ""), str | None):
                self.refuse(asked, f"a list whose {field!r} is no text")
        return found

    def text(self, found: Object, field: str, asked: About) -> str:
        """A field of an answer that must be text."""
        value = found.get(field)
        if not isinstance(value, str):
            self.refuse(asked, f"an object whose field {field!r} is no text")
        return value[: answer_limits.SHOWN]

    def mapping(self, found: Object, field: str, asked: About) -> Object:
        """A field of an answer that must be an object."""
        value = found.get(field)
        if not isinstance(value, dict):
            self.refuse(asked, f"an object whose field {field!r} is no object")
        return value

    def change(self, line: bytes, asked: About) -> tuple[str, Object]:
        """One event of a watch: its type, and its object with all that a watcher tells changes by."""
        event = self.json(line, asked)
        kind, item = self.text(event, "type", asked), self.mapping(event, "object", asked)
        if kind == "ERROR":
            return kind, item
        metadata = self.mapping(item, "metadata", asked)
        wanted = ("resourceVersion",) if kind == "BOOKMARK" else ("resourceVersion", "name", "uid")
        if not all(isinstance(metadata.get(field), str) for field in wanted):
            self.refuse(asked, "an event about something that has no name, UID and version")
        return kind, item

    def refuse(self, asked: About, found: str) -> NoReturn:
        """Raises AnswerInvalid; `found` is what was answered."""
        text = f"The API server at {self._endpoint} answered to {asked.what} with {found}."
        raise AnswerInvalid(text, remedy=_BETWEEN)


def gist(body: bytes) -> str:
    """What a text in place of an answer says, short enough for a sentence."""
    if _is_page(body):
        return "an HTML page"
    text = " ".join(body[: 4 * answer_limits.SHOWN].decode(errors="replace").split())
    return text if len(text) <= answer_limits.SHOWN else f"{text[: answer_limits.SHOWN]}…"


def _is_page(body: bytes) -> bool:
    return body[: answer_limits.KIB].lstrip().lower().startswith(_PAGE)


def _is_named(item: object) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
