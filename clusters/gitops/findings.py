"""What the judgements of this package share: reading a snapshot's parts, and wording findings."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.check_ids import CheckId
from clusters.commands import Command, command
from clusters.errors import Inconclusive
from clusters.gitops.pool_objects import pool_of
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb.pools import Pool
from clusters.objects import Object
from clusters.observation.snapshot import Objects, Snapshot, Status
from clusters.subject import Subject

#: The check that carries the root where the cluster was changed past its overlay, or runs another version.
INTENDED, SKEW = CheckId.OVERLAY_INTENDED_CONFIG, CheckId.OVERLAY_VERSION_SKEW
#: The most lines of evidence in one finding; the rest is counted.
_MOST = 15


def known(part: Objects, what: str) -> tuple[Object, ...]:
    """The objects of one part of the observation. Raises Inconclusive where it was not read, and why."""
    if part.known:
        return part.items
    if part.status is Status.NOT_PERMITTED:
        raise Inconclusive(
            f"This login may not {part.verb} {part.resource}, so {what} are not known.",
            remedy=f"Allow it to {part.verb} {part.resource}.",
        )
    raise Inconclusive(f"The cluster's {what} were not read: {part.detail or 'they were not asked for'}.")


def live_pools(snapshot: Snapshot) -> tuple[Pool, ...]:
    """The cluster's address pools."""
    return tuple(map(pool_of, known(snapshot.ip_address_pools, "address pools")))


def evidence(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines as evidence, cut to what a person reads."""
    found = [str(line) for line in lines]
    rest = len(found) - _MOST
    return (*found[:_MOST], f"and {rest} more") if rest > 0 else tuple(found)


def subject_of(kind: str, name: str) -> Subject:
    """How a finding names an object: pools and services as people say, others by kind."""
    plain = {"IPAddressPool": "pool", "Service": "service"}.get(kind)
    namespace, _, alone = name.rpartition("/")
    return Subject.pool(alone) if plain == "pool" else Subject(plain or kind, alone, namespace=namespace)


def diff_command(repository: RepositorySnapshot) -> Command:
    """What the runbook types to see the last change."""
    return command("git diff HEAD~1 -- {folder}/", folder=repository.layout.tree)


def apply_command(repository: RepositorySnapshot) -> Command:
    """What puts the overlay back."""
    return command("kubectl apply -k {folder}", folder=repository.layout.overlay)


def mentions_command(text: str, file: str) -> Command:
    """What shows where a page names something."""
    return command("grep -n {text} {file}", text=text, file=file)
