"""Recorded observations, and what every check makes of one."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from clusters.observation import Snapshot
from tests.answers import Told, all_answered

FOLDER = Path(__file__).parents[1] / "unit" / "diagnosis" / "observations"
NAMES = tuple(sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz")))


@cache
def archive(name: str) -> bytes:
    """The file of a recorded observation."""
    return (FOLDER / f"{name}.json.gz").read_bytes()


@cache
def recorded(name: str) -> bytes:
    """Its text."""
    return gzip.decompress(archive(name))


def tree(name: str) -> dict[str, Any]:
    """The same as data, a new one each time."""
    found: dict[str, Any] = json.loads(recorded(name))
    return found


#: An answer without its prose: how it ended, what it accuses, and whether it lacks something.
Digest = tuple[str, frozenset[tuple[str, str, str]]]


def digest(found: Told) -> Digest:
    """An answer as it counts."""
    accused = frozenset((each.cause, each.subject, each.root) for each in found.findings)
    word = (
        "failed" if accused else "unsupported" if found.unsupported else "open" if found.missing else "passed"
    )
    return word, accused


def digests(seen: Snapshot) -> dict[str, Digest]:
    """What each check that an observation decides says of it, as it counts."""
    return {check: digest(found) for check, found in all_answered(seen).items()}
