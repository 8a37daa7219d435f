"""The journals that runs have left: those of a cluster, whoever wrote them, and which of their runs are over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from clusters import budgets, commands, journal
from clusters.changes.lease_holder import Holder
from clusters.commands import Command
from clusters.journal import Journal
from clusters.journal.run_origin import Header

if TYPE_CHECKING:
    from clusters.profile import Profile


def are_any() -> bool:
    """Whether there is any journal at all, of whatever cluster."""
    return next(_paths(journal.state_dir() / "journals"), None) is not None


def of_cluster(cluster: str, uid: str = "") -> list[Journal]:
    """Every journal in the folder of the profile `cluster`, and those of other profiles about cluster `uid`.

    The oldest first. Nothing is raised for one that is damaged: its `damage` says what is wrong with it. Raises Refused
    where somebody else may write into the folder.
    """
    own = journal.folder_for(cluster)
    journal.trusted(own)
    found = [(path, Journal.load(path)) for path in _paths(own.parent)]
    return [
        each
        for path, each in found
        if path.parent == own or (uid and each.header is not None and each.header.uid == uid)
    ]


def of_dead_processes(cluster: str) -> list[Journal]:
    """The journals of the profile `cluster` whose runs ended here, on this machine, without undoing everything."""
    return [
        each
        for each in of_cluster(cluster)
        if each.header is not None and each.header.is_local and not each.header.is_live
    ]


def is_over(left: Journal, holder: Holder | None, *, ahead: float = 0.0) -> bool:
    """Whether the run of a journal has ended: its process is gone, or, of one elsewhere, its Lease on the cluster.

    `holder` is who holds the cluster, None for nobody; `ahead` is by how much the cluster's clock is ahead. A run
    elsewhere that has recorded something just now may be about to take its Lease.
    """
    header = left.header
    if header is None:
        return True
    if header.is_local:
        return not header.is_live
    is_held = holder is not None and holder.is_of(header.run, header.place) and not holder.is_over_in(ahead)
    return not is_held and time.time() - left.written > budgets.get(budgets.CLUSTER_HELD).within


def typed(profile: Profile) -> str:
    """How a command line names the profile: a shipped one by its name, any other by its file."""
    from clusters.profile.profile_file import SHIPPED  # noqa: PLC0415 - who reads a journal needs no profile

    is_file = profile.source.name and profile.source.parent != SHIPPED
    return str(profile.source) if is_file else profile.name


def command(profile: str) -> Command:
    """What a person types to undo what is left; `profile` as a command line names it."""
    return commands.command("python -m clusters.sweep --cluster {profile}", profile=profile)


def command_of(header: Header | None) -> Command:
    """The same, for what one journal holds."""
    return command((header.profile or header.cluster) if header else "")


def _paths(folder: Path) -> Iterator[Path]:
    def changed(path: Path) -> float:
        try:
            return path.lstat().st_mtime
        except OSError:
            return 0.0  # gone meanwhile

    yield from sorted(folder.glob("*/*.jsonl"), key=changed)
