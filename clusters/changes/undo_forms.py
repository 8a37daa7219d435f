"""The form of each kind of undo in a journal: what is damaged, or was written by somebody else, is told, not tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from clusters.api import Resource
from clusters.changes.host_actions import fault_of
from clusters.objects import Object

Form = Callable[[Any], bool]

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_RESOURCE = {field.name for field in fields(Resource)}
_FIELD = {"path", "had", "old", "has", "new"}


def _is(*kinds: type) -> Form:
    return lambda value: isinstance(value, kinds)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _optional_text(value: Any) -> bool:
    return value is None or _text(value)


def _resource(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != _RESOURCE or not isinstance(value["namespaced"], bool):
        return False
    words = [value["version"], value["plural"], value["kind"], *([value["group"]] if value["group"] else [])]
    return all(isinstance(word, str) and _WORD.fullmatch(word) for word in words)


def _object(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("metadata"), dict) and _text(value.get("kind"))


def _fields(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and each.keys() == _FIELD
        and isinstance(each["path"], list)
        and bool(each["path"])
        and all(isinstance(key, str) for key in each["path"])
        and isinstance(each["had"], bool)
        and isinstance(each["has"], bool)
        for each in value
    )


def _addresses(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(held, list) and all(isinstance(one, str) for one in held) for held in value.values()
    )


_TARGET: Mapping[str, Form] = {"resource": _resource, "name": _text, "namespace": _optional_text}
_FORMS: Mapping[str, Mapping[str, Form]] = {
    "delete": {**_TARGET, "run": _text},
    "create": {**_TARGET, "object": _object, "uid": _text},
    "restore": {**_TARGET, "fields": _fields, "subresource": _is(str)},
    "host": {"action": _is(str), "args": _is(dict)},
    "wait": {"addresses": _addresses},
    "nothing": {},
}


def kinds() -> frozenset[str]:
    """The kinds of undo that this release knows."""
    return frozenset(_FORMS)


def fault(undo: Object) -> str:
    """What is wrong with an undo of a known kind, "" where nothing is."""
    for name, is_right in _FORMS[undo["kind"]].items():
        if name not in undo:
            return f"{name!r} is missing"
        if not is_right(undo[name]):
            return f"its {name!r} is not of the form that it must have"
    if undo["kind"] == "create" and undo["object"]["metadata"].get("name") != undo["name"]:
        return "its object is another than the one that it names"
    return fault_of(undo["action"], undo["args"]) if undo["kind"] == "host" else ""
