"""The journals that runs have left: those of a cluster, whoever wrote them, and which of their runs are over.

Their clusters are reached with a login of today: `JournalClusters`.
"""

from __future__ import annotations

import os
import platform
import stat
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from clusters import budgets, commands, journal, wait
from clusters.api import Api, ApiError, Forbidden, NotFound, Overloaded, ServerFault
from clusters.api.kubeconfig import holder_of
from clusters.api.resources import LEASES
from clusters.changes import cluster_lease
from clusters.changes.cluster_lease import Holder
from clusters.changes.patient_api import asked_for
from clusters.commands import Command
from clusters.errors import CleanupFailed
from clusters.journal import Journal
from clusters.journal.run_origin import Header
from clusters.profile import DISPOSED, Profile

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


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


class ClusterGone(Exception):  # noqa: N818 - it says what became of it, as this project's errors do
    """The cluster, one that comes and goes, is no more, and with it what was changed in it."""


class JournalClusters:
    """The ways to the clusters of a profile's journals."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._holders: dict[str, tuple[Holder | None, float]] = {}

    @cached_property
    def uid(self) -> str:
        """Which cluster the profile's own login leads to; "" where it leads to none, or comes and goes."""
        return self._own[1]

    @cached_property
    def _own(self) -> tuple[Api | None, str, str]:
        """The profile's login, made anew; the cluster that it leads to; and why it leads to none."""
        profile = self._profile
        if profile.provider in DISPOSED:
            return None, "", ""
        try:
            api = Api.connect(holder_of(profile.kubeconfig, profile.context), profile.context)
            return api, _uid_of(api), ""
        except ApiError as error:
            return None, "", str(error)

    def api(self, left: Journal, header: Header) -> Api:
        """The way to a journal's cluster.

        Raises ClusterGone, and CleanupFailed where the cluster is away, or another one now answers in its place.
        """
        if self._profile.provider in DISPOSED:
            return self._disposed(left, header)
        api, uid, why = self._own
        if api is not None and uid == header.uid:
            return api
        if _is_private(left.path) and (other := _by_run(header)):
            return other
        if why:
            raise _away(why)
        raise _another(header, uid, f"The context {self._profile.context!r} of profile {self._profile.name}")

    def _disposed(self, left: Journal, header: Header) -> Api:
        """By the kubeconfig that the run used, so that sweeping never boots a cluster."""
        if header.machine != platform.node() and not header.is_local:
            raise CleanupFailed(
                f"The run was against a cluster that exists on {header.machine} alone.",
                remedy=f"Sweep on {header.machine}, or delete {left.path} if that cluster is gone.",
            )
        if not _is_private(left.path):
            raise CleanupFailed(
                f"Others may write to {left.path}, so the kubeconfig that it names is not used.",
                remedy="Make the file yours and its mode 0600 if you know who wrote it.",
            )
        if not Path(header.kubeconfig).exists():
            raise ClusterGone
        try:
            api = Api.connect(Path(header.kubeconfig), header.context)
            uid = _uid_of(api)
        except ApiError as error:
            raise _away(str(error)) from error
        if uid != header.uid:
            raise ClusterGone
        return api

    def is_over(self, api: Api, left: Journal, header: Header) -> bool:
        """Whether the run has ended. Raises CleanupFailed where that cannot be seen."""
        if header.is_local:
            return not header.is_live
        if header.uid not in self._holders:
            try:
                self._holders[header.uid] = holder_of_cluster(api, self._profile.namespace)
            except ApiError as error:
                raise CleanupFailed(
                    f"Whether it still runs on {header.machine} cannot be seen: {error}",
                    remedy="Sweep with a login that may read Leases there.",
                ) from error
        holder, ahead = self._holders[header.uid]
        return is_over(left, holder, ahead=ahead)


def _uid_of(api: Api) -> str:
    """Which cluster it is; one that is too busy at the moment is asked again."""
    return wait.bear(
        api.uid,
        passes=lambda fault: isinstance(fault, Overloaded | ServerFault),
        budget=budgets.get(budgets.API_BACK),
        pause=asked_for,
    )


def holder_of_cluster(api: Api, namespace: str) -> tuple[Holder | None, float]:
    """Who holds the cluster, and by how many seconds its clock is ahead of ours. Errors as they come."""
    try:
        holder = Holder.of(api.get(LEASES, cluster_lease.NAME, namespace))
    except NotFound:
        return None, 0.0
    try:
        return holder, api.clock_ahead()
    except Forbidden:
        return holder, 0.0


def _by_run(header: Header) -> Api | None:
    """By the kubeconfig that the run used, where it still leads to that cluster."""
    path = Path(header.kubeconfig)
    try:
        if not path.is_file():
            return None
        api = Api.connect(path, header.context)
        return api if api.uid() == header.uid else None
    except (ApiError, OSError):
        return None


def _is_private(path: Path) -> bool:
    """Whether nobody but us can have written the file: what it names may be a program to log in with."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_MAY_WRITE


def _away(why: str) -> CleanupFailed:
    return CleanupFailed(f"The cluster cannot be reached: {why}", remedy="Sweep again when it is back.")


def _another(header: Header, uid: str, what: str) -> CleanupFailed:
    return CleanupFailed(
        f"{what} now leads to cluster {uid}, and the run changed {header.uid}.",
        remedy="Make it lead to that cluster again, or delete the journal if that cluster is gone for good.",
    )
