"""Every cause that a finding may name: what it means, what mends it, and what a person types.

An id never changes its meaning. `CAUSES` is the registry; `get` raises for an id that is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from clusters.cause_ids import CauseId
from clusters.checks.causes import (
    allocation_causes,
    announcement_causes,
    bgp_causes,
    component_causes,
    consumer_causes,
    forwarding_causes,
    measured_causes,
    repository_causes,
    upgrade_causes,
)
from clusters.checks.causes.cause import Cause, Effect, Layer
from clusters.checks.path_links import Link
from clusters.commands import FIELDS

__all__ = [
    "CAUSES",
    "FIELDS",
    "Cause",
    "Effect",
    "Layer",
    "get",
    "having",
    "of_links",
    "reported_by",
]


def _registry() -> Mapping[str, Cause]:
    tables = (
        allocation_causes.CAUSES,
        announcement_causes.CAUSES,
        bgp_causes.CAUSES,
        component_causes.CAUSES,
        consumer_causes.CAUSES,
        forwarding_causes.CAUSES,
        measured_causes.CAUSES,
        repository_causes.CAUSES,
        upgrade_causes.CAUSES,
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


@cache
def having(*effects: Effect) -> tuple[CauseId, ...]:
    """The causes that have any of these effects, the nearest to the ground first."""
    found = [cause for cause in CAUSES.values() if cause.effects & set(effects)]
    return tuple(cause.id for cause in sorted(found, key=lambda cause: cause.rank or 0))


@cache
def of_links(*links: Link) -> tuple[CauseId, ...]:
    """The causes that break one of these links."""
    return tuple(cause.id for cause in CAUSES.values() if cause.link in links)


@cache
def reported_by(check: str) -> tuple[CauseId, ...]:
    """The causes that a check reports, and that others refer to it for."""
    return tuple(cause.id for cause in CAUSES.values() if cause.reported_by == check)
