"""From what somebody wrote to what the diagnosis may rely on: each object on its own, so that one bad one costs itself.

An object that does not fit its record is taken out of its list and told as unreadable. A list that lacks one is not
known as a whole: what needs all of it cannot be decided, and what is proved by the others still is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from clusters.observation.object_records import RECORDS
from clusters.observation.snapshot import Json, Objects, Status, Unreadable

#: What a reader of a field meets where an object is not what it should be. Trimming reads before anything is known
#: of an object: to look at each one twice would cost more than to let it fail.
_MISSHAPEN = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
_LONGEST_NAME, _LONGEST_REASON = 300, 300
_NAMELESS = "without a name"
_PLAIN = {
    "missing": "it is missing",
    "string_type": "it must be a text",
    "string_unicode": "it must be a text of whole characters",
    "string_too_short": "it must not be empty",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "dict_type": "it must be an object",
    "list_type": "it must be a list",
    "tuple_type": "it must be a list",
    "dataclass_type": "it must be an object",
    "string_pattern_mismatch": "it does not have the form in which Kubernetes writes it",
    "string_too_long": "it is longer than Kubernetes writes it",
}


def reason(details: ErrorDetails) -> str:
    """One of pydantic's findings as the end of a sentence."""
    said = details["msg"]
    plain = _PLAIN.get(details["type"]) or f"{said[:1].lower()}{said[1:]}"
    return plain if len(plain) <= _LONGEST_REASON else f"{plain[:_LONGEST_REASON]}…"


def place(details: ErrorDetails) -> str:
    """Where that finding is, as a path of field names."""
    return ".".join(str(step) for step in details["loc"] if step != "[key]")[:_LONGEST_REASON]


class Gate:
    """Takes the objects of one list of an observation, `part`, one by one."""

    def __init__(self, part: str) -> None:
        self.part = part
        self._kept: dict[tuple[str, str], Json] = {}
        self._refused: list[Unreadable] = []

    def take(
        self, found: Any, *, trim: Callable[[Json], Json], keep: Callable[[Json], bool] | None = None
    ) -> None:
        """Keep an object, trimmed, if `keep` wants it and it fits; else note what is wrong with it."""
        try:
            if keep is not None and not keep(found):
                return
            self._admit(trim(found))
        except _MISSHAPEN as error:
            self._refuse(found, error)

    def _admit(self, found: Json) -> None:
        try:
            _record(self.part).validate_python(found, strict=True)
        except ValidationError:
            found = _without_nulls(found)  # which Kubernetes takes for absent fields
            _record(self.part).validate_python(found, strict=True)
        about = found["metadata"]
        key = about.get("namespace") or "", about["name"]
        first = self._kept.setdefault(key, found)
        if first is not found and first != found:
            raise _Twice

    def _refuse(self, found: Any, error: Exception) -> None:
        if not isinstance(error, ValidationError | _Twice):
            error = _misfit(self.part, found) or error
        field, why = "", "it does not have the shape of such an object"
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False)[0]
            field, why = place(first), reason(first)
        elif isinstance(error, _Twice):
            why = "its name stands twice in the list"
        self._refused.append(Unreadable(kind=RECORDS[self.part][0], name=_name(found), field=field, why=why))

    def objects(self) -> Objects:
        """What was taken, as a list that was read."""
        return self.added_to(Objects(status=Status.OK))

    def added_to(self, part: Objects) -> Objects:
        """The same as `part`'s content; its own unreadable objects stay listed, and its status if it was not read."""
        refused = (*part.unreadable, *self._refused)
        whole = replace(part, items=tuple(self._kept[key] for key in sorted(self._kept)), unreadable=refused)
        if not refused or not part.ok:
            return whole
        rest = f" And {len(refused) - 1} more cannot be read." if len(refused) > 1 else ""
        return replace(whole, status=Status.FAILED, detail=f"{refused[0]}{rest}")


class _Twice(ValueError):  # noqa: N818 - it says what is wrong
    """Two different objects have one name."""


@cache
def _record(part: str) -> TypeAdapter[Any]:
    return TypeAdapter(RECORDS[part][1])


def _misfit(part: str, found: Any) -> ValidationError | None:
    """What is wrong with an object that could not even be trimmed."""
    try:
        _record(part).validate_python(found, strict=True)
    except ValidationError as error:
        return error
    return None


def _without_nulls(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _without_nulls(value) for name, value in found.items() if value is not None}
    return [_without_nulls(value) for value in found] if isinstance(found, list) else found


def _name(found: Any) -> str:
    about = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(about, dict):
        return _NAMELESS
    parts = [part for part in (about.get("namespace"), about.get("name")) if isinstance(part, str) and part]
    return "/".join(parts)[:_LONGEST_NAME] or _NAMELESS
