"""Keeping a Snapshot: without secrets, in a file and read back, with one sentence for every file that is none."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from clusters import bounds, files, outbound
from clusters.bounds import Unusable, content
from clusters.errors import UsageError
from clusters.json_text import NotJson, parsed
from clusters.observation.decoding import Gate, place, reason
from clusters.observation.object_records import RECORDS
from clusters.observation.snapshot import SNAPSHOT_VERSION, Json, Objects, Snapshot

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


_TAKE_ANOTHER = "Take a new one with --save-snapshot."

_adapter: TypeAdapter[Snapshot] = TypeAdapter(Snapshot)
_objects: TypeAdapter[Objects] = TypeAdapter(Objects)


def save(snapshot: Snapshot, path: Path) -> None:
    """Write `snapshot` as JSON (gzipped where the name ends in .gz); a half-written file never stays."""
    data = outbound.shown_in_json(_adapter.dump_json(snapshot, indent=1).decode()).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        files.write_atomically(path, data)
    except OSError as error:
        raise UsageError(
            f"The snapshot cannot be written to {path}: {error.strerror}.",
            remedy="Name a place that can be written to.",
        ) from error


def load(path: Path) -> Snapshot:
    """The Snapshot that `path` holds; objects in it that cannot be read are listed as unreadable.

    Raises UsageError for a file that is truncated, foreign, damaged or newer.
    """
    found = _parsed(path)
    if not isinstance(found, dict) or "snapshot_version" not in found:
        raise UsageError(f"{path} is not a snapshot of this project.", remedy=_TAKE_ANOTHER)
    _refuse_versions(path, found["snapshot_version"])
    try:
        return _adapter.validate_python(found | dict(_lists(found)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"{path} is a damaged snapshot: {place(first)}: {reason(first)}.", remedy=_TAKE_ANOTHER
        ) from error


def _refuse_versions(path: Path, version: object) -> None:
    if type(version) is not int or version < 1:
        raise UsageError(
            f"{path} is a damaged snapshot: snapshot_version: {str(version)[:40]!r} is no version.",
            remedy=_TAKE_ANOTHER,
        )
    if version > SNAPSHOT_VERSION:
        raise UsageError(
            f"{path} is a snapshot of version {version}; this suite reads up to version {SNAPSHOT_VERSION}.",
            remedy="Judge it with a newer release of the suite.",
        )


def _lists(found: Json) -> Iterator[tuple[str, Objects]]:
    """Each list that was read whole, or but for some objects; what is no list is left to be refused."""
    for part in RECORDS:
        raw = found.get(part)
        if isinstance(raw, dict) and isinstance(raw.get("items"), list):
            kept = _objects.validate_python(raw | {"items": ()})
            gate = Gate(part)
            for item in raw["items"]:
                gate.take(item, trim=_as_it_is)
            yield part, gate.added_to(kept)


def _as_it_is(found: Json) -> Json:
    return found


def _parsed(path: Path) -> Any:
    try:
        data = content(path, most=bounds.SNAPSHOT_BYTES)
    except OSError as error:
        raise UsageError(f"The snapshot {path} cannot be read: {error.strerror or error}.") from None
    except Unusable as error:
        raise UsageError(f"The snapshot {path} cannot be read: {error}.", remedy=_TAKE_ANOTHER) from None
    try:
        return parsed(data)
    except NotJson as error:
        cut = data[:1] == b"{" and not data.rstrip().endswith(b"}")
        what = "is truncated" if cut else f"is not JSON that can be read: {error}"
        raise UsageError(f"The snapshot {path} {what}.", remedy=_TAKE_ANOTHER) from None
