"""From what an overlay renders to what it renders later: what has to be sent for it, object by object. Pure.

The changes are what `kubectl apply` would send that has applied the earlier rendering: a field that is rendered
no more is taken away, one that the cluster or somebody else has added stays. Lists are replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clusters.gitops.pool_objects import key
from clusters.objects import Object


@dataclass(frozen=True)
class Step:
    """One object to send: `patch` (RFC 7386) is for one that is there, None where all of it is new."""

    obj: Object
    patch: Object | None


def steps(earlier: Sequence[Object], later: Sequence[Object]) -> list[Step]:
    """What to send, in the order of `later`. Objects that are rendered no more are left alone, see `dropped`."""
    known = {key(obj): obj for obj in earlier}
    found = []
    for obj in later:
        if key(obj) not in known:
            found.append(Step(obj, None))
        elif patch := merge_patch(known[key(obj)], obj):
            found.append(Step(obj, patch))
    return found


def dropped(earlier: Sequence[Object], later: Sequence[Object]) -> list[str]:
    """The objects that are rendered no more."""
    left = {key(obj) for obj in later}
    return sorted(key(obj) for obj in earlier if key(obj) not in left)


def merge_patch(old: Object, new: Object) -> Object:
    """The merge patch that makes `new` of `old`; empty where they are equal."""
    patch: Object = dict.fromkeys(name for name in old if name not in new)
    for name, value in new.items():
        had = old.get(name)
        if isinstance(value, dict) and isinstance(had, dict):
            if inner := merge_patch(had, value):
                patch[name] = inner
        elif name not in old or had != value:
            patch[name] = value
    return patch
