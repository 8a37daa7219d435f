"""The files of a run that its own processes read again: the observation, and the repository beside it."""

from __future__ import annotations

import contextlib
from pathlib import Path

#: Where every run keeps its observation, beside results.json.
SNAPSHOT = "snapshot.json"
REPOSITORY = "snapshot.repository.json"
#: Held while one process of a run observes for all of them.
SNAPSHOT_LOCK = f".{SNAPSHOT}.lock"


def repository_file_for(snapshot: Path) -> Path:
    """Where the repository is kept for an observation: snapshot.json has snapshot.repository.json."""
    return snapshot.with_name(f"{snapshot.name.partition('.')[0]}.repository.json")


def remove_old(directory: Path, *, judged: Path | None) -> None:
    """Remove what an earlier run into the same directory observed, unless that is what is to be judged again.

    The processes of one run find its observation there; an older one would be judged in its place.
    """
    if judged is not None and judged.absolute().parent == directory.absolute():
        return
    for name in (SNAPSHOT, REPOSITORY):
        # A directory that cannot be is refused where it is made.
        with contextlib.suppress(NotADirectoryError):
            (directory / name).unlink(missing_ok=True)
