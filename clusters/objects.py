"""Objects of the Kubernetes API as JSON has them: one name for them all, and the ways to their parts.

What is not there, or is no mapping where one belongs, is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A JSON object, as a rule one of the API's.
Object = dict[str, Any]


def metadata_of(found: Mapping[str, Any]) -> Object:
    """An object's metadata."""
    return _mapping(found.get("metadata"))


def spec_of(found: Mapping[str, Any]) -> Object:
    """What is asked for by an object."""
    return _mapping(found.get("spec"))


def status_of(found: Mapping[str, Any]) -> Object:
    """What is said of an object."""
    return _mapping(found.get("status"))


def _mapping(value: Any) -> Object:
    return value if isinstance(value, dict) else {}
