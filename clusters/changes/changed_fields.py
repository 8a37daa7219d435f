"""Which object a change touches, which of its fields, and how to put exactly these back while others write to it.

The fields are found by pure functions on plain objects. A field is named by the path of keys to it; lists count as
one value, except when somebody else changed the same list meanwhile: then what was added is taken out and what was
taken out is added again, element by element.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from clusters.api import Api, NotFound, Resource
from clusters.journal import Entry
from clusters.objects import Object

Path = tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """An object by kind, name and namespace; `foreign` says why it is changed though not the run's own."""

    res: Resource
    name: str
    namespace: str | None = None
    foreign: str = ""

    def __str__(self) -> str:
        return self.res.describe(self.name, self.namespace)

    def read(self, api: Api) -> Object | None:
        """The object as it is now, None where it is not there."""
        try:
            return api.get(self.res, self.name, self.namespace)
        except NotFound:
            return None

    def as_json(self) -> Object:
        """As it stands in the journal."""
        return {"resource": asdict(self.res), "name": self.name, "namespace": self.namespace}

    def is_of(self, entry: Entry) -> bool:
        """Whether a journal entry is about this object."""
        return self.as_json().items() <= entry.undo.items()

    @classmethod
    def from_json(cls, value: Object) -> Target:
        """The reverse; other keys are left alone."""
        return cls(Resource(**value["resource"]), value["name"], value["namespace"])


#: What the API server writes itself, at every change.
_SERVERS_OWN = frozenset(
    {
        ("metadata", "resourceVersion"),
        ("metadata", "generation"),
        ("metadata", "managedFields"),
        ("metadata", "uid"),
        ("metadata", "creationTimestamp"),
        ("metadata", "selfLink"),
        ("metadata", "deletionTimestamp"),
        ("metadata", "deletionGracePeriodSeconds"),
        # The API server counts a DaemonSet's templates there (pkg/registry/apps/daemonset/strategy.go).
        ("metadata", "annotations", "deprecated.daemonset.template.generation"),
    }
)
_ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One changed field: where it is, what it was and became; `had` and `has` say whether it was there."""

    path: Path
    had: bool
    old: Any = None
    has: bool
    new: Any = None

    def as_json(self) -> Object:
        """As it stands in the journal."""
        return {"path": list(self.path), "had": self.had, "old": self.old, "has": self.has, "new": self.new}

    @classmethod
    def from_json(cls, value: Object) -> Field:
        """The reverse."""
        return cls(**{**value, "path": tuple(value["path"])})


def differences(before: Object, after: Object, *, status: bool = False) -> list[Field]:
    """The fields that differ, but for those that the server writes; `status` counts only where asked for."""
    skipped = _SERVERS_OWN if status else _SERVERS_OWN | {("status",)}
    return list(_differences(before, after, (), skipped))


def _differences(before: Object, after: Object, at: Path, skipped: frozenset[Path]) -> Iterator[Field]:
    for key in sorted(before.keys() | after.keys()):
        path = (*at, key)
        old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if path in skipped or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, path, skipped)
        else:
            yield Field(
                path=path,
                had=old is not _ABSENT,
                old=None if old is _ABSENT else old,
                has=new is not _ABSENT,
                new=None if new is _ABSENT else new,
            )


def restoring(current: Object, fields: Sequence[Field]) -> tuple[Object, list[str]]:
    """The merge patch (RFC 7386) that puts the fields back, and the names of those that are left alone.

    A field is left alone where it holds neither what it was nor what the change made of it: then somebody
    else has decided about it since. The patch is empty where nothing is to do.
    """
    patch: Object = {}
    left: list[str] = []
    for field in fields:
        now = _at(current, field.path)
        wanted = field.old if field.had else _ABSENT
        made = field.new if field.has else _ABSENT
        if now == wanted:
            continue
        if now == made:
            _put(patch, field.path, _replacing(now, wanted))
        elif isinstance(now, list):
            _put(patch, field.path, _merged(now, field))
        elif isinstance(now, dict) and isinstance(made, dict) and not field.had:
            _put(patch, field.path, dict.fromkeys(key for key in made if now.get(key) == made[key]))
        else:
            left.append(".".join(field.path))
    return patch, left


def storable(obj: Object) -> Object:
    """`obj` as it can be created again: without status and without what belongs to the lost one alone."""
    metadata = {key: value for key, value in obj["metadata"].items() if ("metadata", key) not in _SERVERS_OWN}
    rest = {key: value for key, value in obj.items() if key not in {"metadata", "status"}}
    return {**rest, "metadata": metadata}


def without_numbers(obj: Object) -> Object:
    """A Service without the cluster address and node ports that it was given; any other object as it is."""
    if obj["kind"] != "Service" or obj["spec"].get("clusterIP") == "None":
        return obj
    given = {"clusterIP", "clusterIPs", "healthCheckNodePort"}
    spec = {key: value for key, value in obj["spec"].items() if key not in given}
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"} for port in spec.get("ports", [])
    ]
    return {**obj, "spec": {**spec, "ports": ports}}


def _at(obj: Object, path: Path) -> Any:
    value: Any = obj
    for key in path:
        value = value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT
    return value


def _put(patch: Object, path: Path, value: Any) -> None:
    for key in path[:-1]:
        patch = patch.setdefault(key, {})
    patch[path[-1]] = value


def _replacing(now: Any, wanted: Any) -> Any:
    """What a merge patch says to turn `now` into `wanted`: None deletes, objects are merged, not replaced."""
    if wanted is _ABSENT:
        return None
    if isinstance(now, dict) and isinstance(wanted, dict):
        gone = dict.fromkeys(now.keys() - wanted.keys())
        return gone | {key: _replacing(now.get(key, _ABSENT), value) for key, value in wanted.items()}
    return wanted


def _merged(now: list[Any], field: Field) -> list[Any] | None:
    """The list without what the change added and with what it took out; None where there was no list."""
    old = field.old if isinstance(field.old, list) else []
    new = field.new if isinstance(field.new, list) else []
    kept = [item for item in now if item in old or item not in new]
    result = kept + [item for item in old if item not in kept and item not in new]
    return result if result or field.had else None
