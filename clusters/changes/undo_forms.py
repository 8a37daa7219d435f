"""What a journal may have undone: the form of each kind of undo, and the functions that undo what is not in the API.

A journal may lie on a volume that others write to. What is damaged in it, or was written by somebody else, is told and
not tried; what it has called is one of the functions of this table, with arguments of these forms.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from clusters.api import Resource
from clusters.errors import CleanupFailed
from clusters.objects import Object

Form = Callable[[Any], bool]


def _matches(pattern: str) -> Form:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _number(most: int) -> Form:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _address(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


_NAME = _matches(r"[a-z0-9][a-z0-9.-]{0,62}")
_LAB_HOST: Mapping[str, Form] = {"lab": _NAME, "host": _NAME}

#: Each action with the form of each of its arguments.
ACTIONS: dict[str, Mapping[str, Form]] = {
    "clusters.faults.lab_hosts:thaw": {**_LAB_HOST, "name": _NAME},
    "clusters.faults.filters:lift": {**_LAB_HOST, "family": _matches("inet|bridge")},
    "clusters.faults.lab_hosts:release_address": {**_LAB_HOST, "address": _address},
    "clusters.faults.lab_hosts:forget_neighbour": {**_LAB_HOST, "address": _address},
    "clusters.faults.lab_hosts:stop_replying_for": {**_LAB_HOST, "address": _address},
    "clusters.faults.lab_hosts:ordinary_frames": _LAB_HOST,
    "clusters.faults.lab_hosts:forget_route": {**_LAB_HOST, "address": _address},
    "clusters.faults.lab_hosts:forward_again": _LAB_HOST,
    "clusters.faults.lab_hosts:redirect_again": _LAB_HOST,
    "clusters.faults.lab_hosts:name_again": {**_LAB_HOST, "name": _NAME, "other": _NAME},
    "clusters.faults.lab_hosts:remove_interface": {**_LAB_HOST, "name": _NAME},
    "clusters.faults.lab_hosts:on_network_again": {**_LAB_HOST, "nic": _number(15)},
    "clusters.faults.bgp_router:leave": {"lab": _NAME},
    "clusters.faults.lab_hosts:restore_default_route": {**_LAB_HOST, "gateway": _address},
    "clusters.faults.lab_hosts:plug_in": {**_LAB_HOST, "nic": _number(15)},
    "clusters.faults.rival_controllers:leave": {},
    "clusters.faults.foreign_responder:leave": {"lab": _NAME, "address": _address},
    "clusters.providers.kind.containers:plug_in": {"index": _number(2**31 - 1), "node": _NAME},
}

#: What earlier releases wrote, whose journals are undone as well: by the name of today.
FORMER = {
    "clusters.faults.components:thaw": "clusters.faults.lab_hosts:thaw",
    "clusters.faults.kernels:drop": "clusters.faults.lab_hosts:release_address",
    "clusters.faults.kernels:lead_out": "clusters.faults.lab_hosts:restore_default_route",
    "clusters.faults.links:plug_in": "clusters.faults.lab_hosts:plug_in",
    "clusters.faults.statuses:leave": "clusters.faults.rival_controllers:leave",
    "clusters.faults.strangers:go_away": "clusters.faults.foreign_responder:leave",
    "clusters.kind.machines:plug_in": "clusters.providers.kind.containers:plug_in",
}


def action_fault(action: object, args: object) -> str:
    """What is wrong with an action or its arguments, "" where it is one of ours."""
    forms = ACTIONS.get(FORMER.get(action, action)) if isinstance(action, str) else None
    if forms is None:
        return f"{str(action)[:200]!r} is none of this project's functions for undoing"
    if not isinstance(args, dict) or args.keys() != forms.keys():
        return f"{action} does not take these arguments"
    wrong = sorted(name for name, is_right in forms.items() if not is_right(args[name]))
    return f"{action} does not take {wrong[0]} {str(args[wrong[0]])[:200]!r}" if wrong else ""


def call(action: object, args: Mapping[str, Any]) -> object:
    """Call the function. Raises CleanupFailed for what is none of ours."""
    if fault := action_fault(action, args):
        raise CleanupFailed(
            f"The journal asks for what no run of this project wrote: {fault}.",
            remedy="Look who else may write to the folder of journals.",
        )
    module, _, function = FORMER.get(str(action), str(action)).partition(":")
    return getattr(importlib.import_module(module), function)(**args)


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


def undo_fault(undo: Object) -> str:
    """What is wrong with an undo of a known kind, "" where nothing is."""
    for name, is_right in _FORMS[undo["kind"]].items():
        if name not in undo:
            return f"{name!r} is missing"
        if not is_right(undo[name]):
            return f"its {name!r} is not of the form that it must have"
    if undo["kind"] == "create" and undo["object"]["metadata"].get("name") != undo["name"]:
        return "its object is another than the one that it names"
    return action_fault(undo["action"], undo["args"]) if undo["kind"] == "host" else ""
