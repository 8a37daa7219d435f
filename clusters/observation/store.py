"""Keeping a Snapshot in a file and reading it back, with one sentence for every file that is none."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from clusters import outbound
from clusters.errors import UsageError
from clusters.observation.snapshot import SNAPSHOT_VERSION, Snapshot

_GZIP_MAGIC = b"\x1f\x8b"
_TAKE_ANOTHER = "Take a new one with --save-snapshot."

_adapter: TypeAdapter[Snapshot] = TypeAdapter(Snapshot)


def save(snapshot: Snapshot, path: Path) -> None:
    """Write `snapshot` as JSON (gzipped where the name ends in .gz); a half-written file never stays."""
    data = outbound.shown_in_json(_adapter.dump_json(snapshot, indent=1).decode()).encode()
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"The snapshot cannot be written to {path}: {error.strerror}.",
            remedy="Name a place that can be written to.",
        ) from error


def load(path: Path) -> Snapshot:
    """The Snapshot that `path` holds. Raises UsageError for a file that is truncated, foreign or newer."""
    found = _parsed(path)
    if not isinstance(found, dict) or "snapshot_version" not in found:
        raise UsageError(f"{path} is not a snapshot of this project.", remedy=_TAKE_ANOTHER)
    version = found["snapshot_version"]
    if not isinstance(version, int) or version > SNAPSHOT_VERSION:
        raise UsageError(
            f"{path} is a snapshot of version {version}; this suite reads up to version {SNAPSHOT_VERSION}.",
            remedy="Judge it with a newer release of the suite.",
        )
    try:
        return _adapter.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UsageError(
            f"{path} is a damaged snapshot: {where}: {first['msg']}.", remedy=_TAKE_ANOTHER
        ) from error


def _parsed(path: Path) -> Any:
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP_MAGIC):
            data = gzip.decompress(data)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "the compressed data ends early"
        raise UsageError(f"The snapshot {path} cannot be read: {reason}.") from error
    try:
        return json.loads(data)
    except ValueError as error:
        cut = data[:1] == b"{" and not data.rstrip().endswith(b"}")
        what = "is truncated" if cut else "is not JSON"
        raise UsageError(f"The snapshot {path} {what}.", remedy=_TAKE_ANOTHER) from error
