"""Comparing what was rendered with what is live, field by field, as a person means it.

Only fields that were rendered count: what the API server, a webhook or a controller adds is no drift. In the
spec of MetalLB's own resources every field counts, on both sides, once the defaults of its definition are filled in
(`completed`); where the definition was not read, only what was rendered is compared.
Elsewhere a rendered field that is empty equals one that is absent, since Kubernetes leaves out empty values, but for
those that it keeps (`_KEPT_WHEN_EMPTY`). Lists of named things are matched by name; those whose order means nothing
(pool addresses, RBAC verbs) as sets.

A field that is left out, or null, takes the default of the definition's schema
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting). One
without a default is left out by MetalLB's own types where it is empty (`omitempty` in its api/v1beta1 and
api/v1beta2), so that there absent and empty are one. Where there is a default they are not: `false` is a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from clusters import outbound
from clusters.gitops.pool_objects import is_metallb
from clusters.objects import Object, quantity, spec_of

Path = tuple[str | int, ...]
Schema = Mapping[str, Any]


class _Absent:
    """Stands for a field that one side does not have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


class Element(str):
    """The name of one element of a list, as a step of a path; shown in brackets."""

    __slots__ = ()


#: What names an element in Kubernetes' lists of mappings; the first that all elements have is used. Source:
#: the patchMergeKey and listMapKey tags of k8s.io/api.
_NAMES: tuple[tuple[str, ...], ...] = (
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("mountPath",),
    ("devicePath",),
    ("name",),
    ("ip",),
)
_DEFAULTS = {"protocol": "TCP"}
#: Lists whose order means nothing, by their field.
_SETS = frozenset(
    {"apiGroups", "resources", "verbs", "resourceNames", "nonResourceURLs", "shortNames", "categories"}
    | {"operations", "apiVersions", "required", "enum", "finalizers"}
)
_QUANTITIES = frozenset({"limits", "requests", "hard", "capacity"})
#: Fields whose types are pointers in k8s.io/api, so that false and 0 are kept there and mean something else than
#: nothing: who takes one away has changed the object.
_KEPT_WHEN_EMPTY = frozenset(
    {
        "allowPrivilegeEscalation",
        "privileged",
        "readOnlyRootFilesystem",
        "runAsNonRoot",
        "runAsUser",
        "runAsGroup",
    }
    | {"fsGroup", "automountServiceAccountToken", "enableServiceLinks", "shareProcessNamespace", "hostUsers"}
    | {"setHostnameAsFQDN", "replicas", "revisionHistoryLimit", "optional", "immutable", "tolerationSeconds"}
    | {"allocateLoadBalancerNodePorts", "terminationGracePeriodSeconds", "progressDeadlineSeconds"}
)
# The API server and controllers own these, whatever a manifest says.
_NOT_OURS: tuple[Path, ...] = (
    ("status",),
    ("metadata", "creationTimestamp"),
    ("metadata", "generation"),
    ("metadata", "resourceVersion"),
    ("metadata", "uid"),
    ("metadata", "managedFields"),
    ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
)


def canonical(value: object) -> str:
    """A value in one spelling, for comparing lists whose order means nothing."""
    return json.dumps(value, sort_keys=True, default=str)


@dataclass(frozen=True)
class Difference:
    """One field that is not live as it was rendered; either side may be ABSENT."""

    path: Path
    rendered: Any
    live: Any

    @property
    def field(self) -> str:
        """The path as kubectl writes it: spec.template.spec.containers[speaker].image."""
        text = ""
        for step in self.path:
            inner = isinstance(step, Element | int) or not step.replace("_", "").replace("-", "").isalnum()
            text += f"[{step}]" if inner else f".{step}"
        return text.removeprefix(".")

    def __str__(self) -> str:
        field = str(self.path[-1]) if self.path else ""
        rendered, live = _shown(self.rendered, field), _shown(self.live, field)
        if rendered == live:
            return f"{self.field}: intended and live differ in what may be secret and is not shown"
        return f"{self.field}: intended {rendered}, live {live}"


def differences(rendered: Object, live: Object, schema: Schema | None = None) -> tuple[Difference, ...]:
    """Every rendered field of an object that is not so in the live one, in the order rendered.

    With the `schema` of its definition, every field of a resource of MetalLB's own, defaults counted.
    """
    custom = is_metallb(rendered)
    if custom and schema is not None:
        found = list(_custom(rendered, live, schema))
    else:
        found = list(_compare(rendered, live, (), custom=custom))
    return tuple(each for each in found if not _written_by_others(each.path))


def _custom(rendered: Object, live: Object, schema: Schema) -> Iterator[Difference]:
    """Nobody but people writes the spec of MetalLB's resources, so that what only one side has counts too."""
    spec = (schema.get("properties") or {}).get("spec") or {}
    meant, runs = (completed(spec_of(side), spec) for side in (rendered, live))
    yield from _compare({**rendered, "spec": None}, live, (), custom=True)
    yield from _both_ways(meant, runs, ("spec",))


def _both_ways(meant: Any, runs: Any, path: Path) -> Iterator[Difference]:
    if isinstance(meant, dict) and isinstance(runs, dict):
        for key in dict.fromkeys((*meant, *runs)):
            yield from _both_ways(meant.get(key, ABSENT), runs.get(key, ABSENT), (*path, key))
    elif isinstance(meant, list) and isinstance(runs, list):
        if sorted(map(canonical, meant)) != sorted(map(canonical, runs)):
            yield Difference(path, meant, runs)
    elif meant is ABSENT or runs is ABSENT or not _same(meant, runs, path):
        yield Difference(path, meant, runs)


def _compare(rendered: Any, live: Any, path: Path, *, custom: bool) -> Iterator[Difference]:
    if (
        rendered is None
        or path in _NOT_OURS
        or (_empty(rendered) and _empty(live) and not _taken_away(rendered, live, path))
    ):
        return
    if isinstance(rendered, dict) and isinstance(live, dict):
        for key, value in rendered.items():
            yield from _compare(value, live.get(key, ABSENT), (*path, key), custom=custom)
    elif isinstance(rendered, list) and isinstance(live, list):
        yield from _lists(rendered, live, path, custom=custom)
    elif not _same(rendered, live, path):
        yield Difference(path, rendered, live)


def _lists(rendered: list[Any], live: list[Any], path: Path, *, custom: bool) -> Iterator[Difference]:
    if names := _naming(rendered, live):
        yield from _named(rendered, live, path, names=names, custom=custom)
    elif custom or _field(path) in _SETS:
        if sorted(map(canonical, rendered)) != sorted(map(canonical, live)):
            yield Difference(path, rendered, live)
    elif len(rendered) != len(live):
        yield Difference(path, _without(rendered, live), _without(live, rendered))
    else:
        for number, (one, other) in enumerate(zip(rendered, live, strict=True)):
            yield from _compare(one, other, (*path, number), custom=custom)


def _without(elements: list[Any], others: list[Any]) -> list[Any]:
    """A list of mappings without those that the other side has too; other lists stay whole to be read."""
    if not all(isinstance(element, dict) for element in elements):
        return elements
    return [element for element in elements if element not in others]


def _named(
    rendered: list[Object], live: list[Object], path: Path, *, names: tuple[str, ...], custom: bool
) -> Iterator[Difference]:
    found = {_name(element, names): element for element in live}
    for element in rendered:
        name = _name(element, names)
        yield from _compare(element, found.pop(name, ABSENT), (*path, name), custom=custom)
    for name, element in found.items():
        yield Difference((*path, name), ABSENT, element)


def _unique(elements: list[Object], names: tuple[str, ...]) -> bool:
    found = [_name(element, names) for element in elements]
    return len(set(found)) == len(found)


def _naming(rendered: list[Any], live: list[Any]) -> tuple[str, ...]:
    """The fields that name every element, or nothing where they are no mappings or two share a name."""
    elements = [*rendered, *live]
    if not all(isinstance(element, dict) for element in elements):
        return ()
    fitting = (names for names in _NAMES if all(names[0] in element for element in elements))
    names = next(fitting, ())
    return names if names and _unique(rendered, names) and _unique(live, names) else ()


def _name(element: Object, names: tuple[str, ...]) -> Element:
    return Element("/".join(str(element.get(name, _DEFAULTS.get(name, ""))) for name in names))


def _field(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _taken_away(rendered: Any, live: Any, path: Path) -> bool:
    """Whether a value that Kubernetes keeps even where it is false or 0 is not there any more."""
    return rendered is not ABSENT and live is ABSENT and _field(path) in _KEPT_WHEN_EMPTY


def _empty(value: Any) -> bool:
    return value is ABSENT or value is None or (value in ("", 0, [], {}) and not isinstance(value, float))


def _same(rendered: Any, live: Any, path: Path) -> bool:
    if isinstance(rendered, bool) or isinstance(live, bool):
        return rendered is live
    if len(path) > 1 and path[-2] in _QUANTITIES:
        one, other = quantity(rendered), quantity(live)
        if one is not None and other is not None:
            return one == other
    return bool(rendered == live)


def _written_by_others(path: Path) -> bool:
    """MetalLB's controller writes its certificate into its webhooks and its converted CRDs."""
    return path[-1:] == ("caBundle",)


def _shown(value: Any, field: str) -> str:
    """A field's value as a person reads it, without what may be secret in it."""
    if value is ABSENT:
        return str(value)
    (told,) = outbound.value({field: value}).values()
    text = outbound.same_marks(canonical(told))
    return text if len(text) <= 160 else f"{text[:157]}..."


def kept(live: Object, rendered: Object) -> Object:
    """A live object cut down to what `differences` looks at, so that it can be kept."""
    found: Object = pruned(live, rendered)
    if is_metallb(rendered) and "spec" in live:
        found["spec"] = live["spec"]
    return found


def pruned(live: Any, rendered: Any) -> Any:
    """`live` cut down to the fields that were rendered; lists stay whole."""
    if isinstance(live, dict) and isinstance(rendered, dict):
        return {key: pruned(live[key], value) for key, value in rendered.items() if key in live}
    return live


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Whether a field or object name matches one of the patterns of an accepted baseline (* for anything)."""
    # Brackets name list elements here; fnmatch would read them as a choice of characters.
    return any(fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in patterns)


def completed(value: Any, schema: Schema) -> Any:
    """A value as its schema means it: with its defaults, and without what is empty and has none."""
    if isinstance(value, dict):
        return _completed_object(value, schema)
    if isinstance(value, list):
        items = schema.get("items")
        return [completed(each, items if isinstance(items, Mapping) else {}) for each in value]
    return value


def schema_of(kind: str, api_version: str, schemas: Mapping[str, Schema]) -> Schema | None:
    """The schema of a kind ("IPAddressPool") in a version ("metallb.io/v1beta1"), None where it was not read."""
    return schemas.get(f"{kind} {api_version.rpartition('/')[2]}")


def schemas_in(objects: Iterable[Object]) -> dict[str, Object]:
    """The schemas of the definitions among `objects`, by kind and version ("IPAddressPool v1beta1")."""
    found: dict[str, Object] = {}
    for each in objects:
        spec = spec_of(each)
        if each.get("kind") != "CustomResourceDefinition" or not isinstance(spec, dict):
            continue
        for version in spec.get("versions") or ():
            schema = (version.get("schema") or {}).get("openAPIV3Schema")
            if schema and version.get("served"):
                found[f"{(spec.get('names') or {}).get('kind')} {version['name']}"] = schema
    return found


def _completed_object(value: Object, schema: Schema) -> Object:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    found: Object = {}
    for key in dict.fromkeys((*value, *properties)):
        field = properties.get(key)
        field = field if isinstance(field, Mapping) else {}
        given = value.get(key)
        if given is None and "default" not in field:
            continue
        inner = completed(field["default"] if given is None else given, field)
        if "default" in field or not _means_nothing(inner):
            found[key] = inner
    return found


def _means_nothing(value: Any) -> bool:
    return value is False or (not isinstance(value, bool) and value in ("", 0, [], {}))
