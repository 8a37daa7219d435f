"""What a journal may have undone outside the API server: these functions, with arguments of these forms.

A journal may lie on a volume that others write to. What stands in it chooses from this table, and names nothing else.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from clusters.errors import CleanupFailed

Check = Callable[[Any], bool]


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _number(most: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _address(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


_NAME = _matches(r"[a-z0-9][a-z0-9.-]{0,62}")
_LAB_HOST: Mapping[str, Check] = {"lab": _NAME, "host": _NAME}

#: Each action with the form of each of its arguments.
ACTIONS: dict[str, Mapping[str, Check]] = {
    "clusters.faults.lab_hosts:thaw": {**_LAB_HOST, "name": _NAME},
    "clusters.faults.filters:lift": {**_LAB_HOST, "family": _matches("inet|bridge")},
    "clusters.faults.lab_hosts:release_address": {**_LAB_HOST, "address": _address},
    "clusters.faults.lab_hosts:forget_neighbour": {**_LAB_HOST, "address": _address},
    "clusters.faults.lab_hosts:forget_route": {**_LAB_HOST, "address": _address},
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


def fault_of(action: object, args: object) -> str:
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
    if fault := fault_of(action, args):
        raise CleanupFailed(
            f"The journal asks for what no run of this project wrote: {fault}.",
            remedy="Look who else may write to the folder of journals.",
        )
    module, _, function = FORMER.get(str(action), str(action)).partition(":")
    return getattr(importlib.import_module(module), function)(**args)
