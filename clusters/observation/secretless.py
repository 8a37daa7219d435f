"""An observation without secrets: what is read now is made so object by object, an older one as a whole."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from clusters import outbound
from clusters.observation.snapshot import Objects, Snapshot

#: What this project noted down itself; the rest are objects.
_MEASURED = ("logs", "metrics", "answer_counts", "dry_run", "wire", "routed", "expectations")


def measured(found: Snapshot) -> Snapshot:
    """What was noted down without secrets; the objects are so from where they were read on (`reading.objects`)."""
    kept = {name: outbound.record(getattr(found, name), outbound.secretless) for name in _MEASURED}
    return replace(found, **kept)


def whole(found: Snapshot) -> Snapshot:
    """The same of an observation that an older release kept, so that the two can be compared."""
    parts = {each.name: getattr(found, each.name) for each in fields(found)}
    kept: dict[str, Any] = {
        name: replace(part, items=tuple(map(outbound.value, part.items)))
        for name, part in parts.items()
        if isinstance(part, Objects)
    }
    return replace(measured(found), **kept)
