"""Objects of the Kubernetes API as JSON has them: one name for them all, the ways to their parts, and quantities.

What is not there, or is no mapping where one belongs, is empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
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


_DECIMAL = {unit: Decimal(1000) ** power for power, unit in enumerate(("", *"kMGTPE"))}
_BINARY = {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_SMALL = {"m": Decimal("1e-3"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
_UNITS = _DECIMAL | _BINARY | _SMALL
_FORM = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)(?P<unit>[a-zA-Z]{0,2})"
)


def quantity(value: object) -> Decimal | None:
    """A resource quantity ("100m", "0.1", "64Mi", "1e-1") as a number, or None for what is none.

    `kubernetes.utils.quantity.parse_quantity` does the same. Importing it takes 0.8 s and 35 MB, as the whole client
    comes with it: the two are held equal by a test instead.
    """
    found = _FORM.fullmatch(str(value))
    if found is None or found["unit"] not in _UNITS:
        return None
    return Decimal(found["number"]) * _UNITS[found["unit"]]
