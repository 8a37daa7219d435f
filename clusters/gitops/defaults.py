"""What a custom resource means once the API server has it: its definition's defaults filled in.

A field that is left out, or null, takes the default of the definition's schema
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting). One
without a default is left out by MetalLB's own types where it is empty (`omitempty` in its api/v1beta1 and
api/v1beta2), so that there absent and empty are one. Where there is a default they are not: `false` is a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clusters.objects import Object, spec_of

Schema = Mapping[str, Any]


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
        if "default" in field or not _empty(inner):
            found[key] = inner
    return found


def _empty(value: Any) -> bool:
    return value is False or (not isinstance(value, bool) and value in ("", 0, [], {}))
