"""Every cause that a finding may name: what it means, what mends it, and what a person types.

An id never changes its meaning. `CAUSES` is the registry; `get` raises for an id that is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clusters.checks.causes import addresses, announcing, components, measured, repository, upgrading
from clusters.checks.causes.cause import DEFAULTS, FIELDS, Cause

__all__ = ["CAUSES", "DEFAULTS", "FIELDS", "Cause", "get"]


def _registry() -> Mapping[str, Cause]:
    tables = (
        addresses.CAUSES,
        announcing.CAUSES,
        components.CAUSES,
        measured.CAUSES,
        repository.CAUSES,
        upgrading.CAUSES,
    )
    result: dict[str, Cause] = {}
    for cause in (each for table in tables for each in table):
        if cause.id in result:
            raise ValueError(f"The cause {cause.id} is declared twice.")
        result[cause.id] = cause
    return MappingProxyType(result)


CAUSES = _registry()


def get(cause: str) -> Cause:
    """The cause with this id. Raises KeyError with a text that names it."""
    try:
        return CAUSES[cause]
    except KeyError:
        raise KeyError(f"{cause!r} is not a known cause") from None
