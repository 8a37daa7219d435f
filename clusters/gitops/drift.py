"""Judging whether what runs is what the cluster's overlay says, and only that overlay.

overlay.intended-config and recovery.pool-owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clusters.cause_ids import CauseId
from clusters.changes.object_changes import MANAGER, MANAGER_LABEL
from clusters.check_ids import CheckId
from clusters.checks import Finding
from clusters.commands import command
from clusters.errors import Inconclusive
from clusters.gitops import field_comparison, reconciliation
from clusters.gitops.field_comparison import Difference, schema_of
from clusters.gitops.findings import (
    INTENDED,
    SKEW,
    apply_command,
    diff_command,
    evidence,
    known,
    live_pools,
    subject_of,
)
from clusters.gitops.pool_objects import bounds, is_configuration, key, listed, pools_of
from clusters.gitops.repository_snapshot import LiveObject, RepositorySnapshot, usable
from clusters.metallb import versions
from clusters.metallb.pools import Pool
from clusters.objects import Object, spec_of
from clusters.observation.pods import containers
from clusters.observation.snapshot import Snapshot
from clusters.subject import CLUSTER, Subject

PRESENT = CheckId.HEALTH_CONFIG_PRESENT

#: The parts of an observation that hold MetalLB's configuration, by kind.
_CONFIGURATION = {
    "IPAddressPool": "ip_address_pools",
    "L2Advertisement": "l2_advertisements",
    "BGPAdvertisement": "bgp_advertisements",
    "BGPPeer": "bgp_peers",
    "BFDProfile": "bfd_profiles",
    "Community": "communities",
}


def intended_config(repository: RepositorySnapshot, snapshot: Snapshot) -> list[Finding]:
    """What runs but is not rendered so, and what is configured but not rendered at all.

    Raises Inconclusive where the overlay needs the network, where nothing live could be read, where only a part of it
    was rendered, and where the clone lacks the commit that is deployed.
    """
    render = repository.intended
    if render.broken:
        return [_invalid(repository)]
    usable(render)
    if repository.live is None:
        raise Inconclusive("The live objects were not read together with the repository.")
    rendered = {key(found): found for found in render.objects}
    # People look for the configuration first; what MetalLB itself is made of comes after it.
    ordered = sorted(repository.live, key=lambda each: each.key.partition(" ")[0] not in _CONFIGURATION)
    skewed = _another_version(render.version, snapshot)
    found = [
        finding
        for each in ordered
        if not each.unreadable and each.key in rendered
        for finding in _object(repository, rendered[each.key], each, skewed=skewed)
    ]
    found += _extras(repository, snapshot, rendered)
    if found:
        reconciliation.require_deployed(repository)
    found += reconciliation.stopped(repository)
    if not found:
        _all_readable(repository.live)
        _all_defaults_known(repository, rendered)
        _all_rendered(repository)
    return found


def _invalid(repository: RepositorySnapshot) -> Finding:
    render = repository.intended
    return Finding(
        cause=CauseId.OVERLAY_INVALID,
        subject=Subject("overlay", render.overlay),
        summary=render.problem,
        evidence=tuple(reconciliation.compared_with(repository)),
        remedy=render.remedy,
        commands=(command("kubectl kustomize {folder}", folder=render.overlay), diff_command(repository)),
    )


def _another_version(pinned: str, snapshot: Snapshot) -> bool:
    """Whether every pod that runs is of another version than the overlay pins: then all of MetalLB differs."""
    running = {versions.of_image(each.image) for each in containers(snapshot.pods.items)}
    return bool(pinned and running) and not running & {versions.parse(pinned), None}


def _object(
    repository: RepositorySnapshot, rendered: Object, live: LiveObject, *, skewed: bool
) -> Iterator[Finding]:
    kind, _, name = live.key.partition(" ")
    subject = subject_of(kind, name)
    commands = (
        command("kubectl diff -k {folder}", folder=repository.layout.overlay),
        apply_command(repository),
    )
    if live.found is None:
        cause, root = _blame(kind, (), skewed=skewed)
        yield Finding(
            cause=cause,
            subject=subject,
            summary=f"{live.key} is rendered by {repository.layout.overlay} and does not exist.",
            evidence=tuple(reconciliation.compared_with(repository)),
            commands=commands,
            root=root,
        )
        return
    schema = schema_of(kind, str(rendered.get("apiVersion", "")), repository.known_schemas)
    found = field_comparison.differences(rendered, live.found, schema)
    if found:
        cause, root = _blame(kind, found, skewed=skewed)
        yield Finding(
            cause=cause,
            subject=subject,
            summary=f"{live.key} differs from what {repository.layout.overlay} renders: {_first(found)}",
            evidence=(*evidence(map(str, found)), *reconciliation.compared_with(repository)),
            commands=commands,
            root=root,
        )


def _blame(kind: str, found: tuple[Difference, ...], *, skewed: bool) -> tuple[str, str]:
    """A wrong image or CRD is a matter of versions, which another check names as the root."""
    if kind in _CONFIGURATION:
        return CauseId.OVERLAY_DRIFT, ""
    if kind == "CustomResourceDefinition" and (found or skewed):
        return CauseId.CRD_OUTDATED, SKEW
    if skewed or (found and all(each.path[-1:] == ("image",) for each in found)):
        return CauseId.VERSION_SKEW, SKEW
    return CauseId.OVERLAY_DRIFT, ""


def _first(found: tuple[Difference, ...]) -> str:
    more = f", and {len(found) - 1} more fields" if len(found) > 1 else ""
    return f"{found[0]}{more}."


def _extras(
    repository: RepositorySnapshot, snapshot: Snapshot, rendered: Mapping[str, Object]
) -> Iterator[Finding]:
    for kind, attribute in _CONFIGURATION.items():
        for found in known(getattr(snapshot, attribute), f"{kind} objects"):
            metadata = found["metadata"]
            name = f"{metadata.get('namespace', '')}/{metadata['name']}"
            ours = (metadata.get("labels") or {}).get(MANAGER_LABEL) == MANAGER
            if f"{kind} {name}" not in rendered and not ours:
                yield Finding(
                    cause=CauseId.OVERLAY_DRIFT,
                    subject=subject_of(kind, name),
                    summary=f"{kind} {name} exists in the cluster, and {repository.layout.overlay} does not render it.",
                    evidence=tuple(reconciliation.compared_with(repository)),
                    remedy="Add it to the overlay, or delete it.",
                    commands=(
                        command(
                            "kubectl -n {namespace} get {kind} {name} -o yaml",
                            namespace=str(metadata.get("namespace") or ""),
                            kind=kind,
                            name=str(metadata["name"]),
                        ),
                    ),
                )


def _all_rendered(repository: RepositorySnapshot) -> None:
    """Raise Inconclusive where MetalLB's own objects were not rendered: they may be anything then."""
    render = repository.intended
    if render.left_out:
        raise Inconclusive(
            "MetalLB's own objects were not compared, its pools and advertisements alone: of MetalLB "
            f"{render.version or '(no version named)'}, {listed(render.left_out)} is not at hand here.",
            remedy=render.remedy,
        )


def _all_readable(live: tuple[LiveObject, ...]) -> None:
    unread = [each for each in live if each.unreadable]
    if unread:
        raise Inconclusive(
            f"{len(unread)} of {len(live)} rendered objects could not be compared: {unread[0].unreadable}",
            remedy=f"Allow this login to {unread[0].verb} {unread[0].resource}." if unread[0].verb else "",
        )


def _all_defaults_known(repository: RepositorySnapshot, rendered: Mapping[str, Object]) -> None:
    """A field that only the live object has is the API server's default or somebody's change: the schema tells."""
    for each in repository.live or ():
        meant = rendered.get(each.key)
        if meant is None or each.found is None or not is_configuration(meant):
            continue
        added = sorted(spec_of(each.found).keys() - spec_of(meant).keys())
        kind = str(meant["kind"])
        if added and schema_of(kind, str(meant.get("apiVersion", "")), repository.known_schemas) is None:
            raise Inconclusive(
                f"{each.key} has {', '.join(added)} besides what was rendered, and whether that is a default cannot be "
                f"determined: the definition of {kind} was not read.",
                remedy="Allow this login to get customresourcedefinitions.apiextensions.k8s.io.",
            )


def pool_owner(repository: RepositorySnapshot, snapshot: Snapshot) -> list[Finding]:
    """Live pools that are not owned by exactly one overlay, the cluster's own.

    An overlay owns a pool if it renders one of that name with the same addresses. Raises Inconclusive where
    an overlay cannot be rendered, for it might own the pool as well.
    """
    pools = live_pools(snapshot)
    if not pools:
        return [
            Finding(
                cause=CauseId.POOL_MISSING,
                subject=CLUSTER,
                summary="The cluster has no address pool, so no overlay owns one.",
                commands=(apply_command(repository),),
                root=PRESENT,
            )
        ]
    # The cluster's own overlay counts as it was committed.
    renders = {**repository.renders, repository.layout.overlay: repository.intended}
    rendered = {
        name: pools_of(render.objects) for name, render in renders.items() if name != repository.layout.base
    }
    found = [finding for pool in pools for finding in _owners(repository, pool, rendered)]
    if not found:
        for render in renders.values():
            usable(render)
    return found


def _owners(
    repository: RepositorySnapshot, pool: Pool, rendered: Mapping[str, tuple[Pool, ...]]
) -> Iterator[Finding]:
    own = repository.layout.overlay
    named = {name: found for name, pools in rendered.items() for found in pools if found.name == pool.name}
    owners = [name for name, found in named.items() if bounds(found) == bounds(pool)]
    lines = tuple(
        f"{name} renders {listed((*found.ranges, *found.invalid))}" for name, found in named.items()
    )
    live = f"Pool {pool.name} runs with {listed((*pool.ranges, *pool.invalid))}"
    if owners == [own] or (not owners and repository.intended.problem):
        return  # it may well be that the cluster's own overlay owns it: nothing that does not render can tell
    if len(owners) > 1:
        cause, root = CauseId.POOL_OVERLAP, ""
        summary = f"{live}, and {len(owners)} overlays render that: {listed(owners)}."
    elif owners:
        cause, summary, root = (
            CauseId.OVERLAY_DRIFT,
            f"{live}, which is what {owners[0]} renders, not {own}.",
            "",
        )
    else:
        cause, summary, root = CauseId.OVERLAY_DRIFT, f"{live}, which no overlay renders.", INTENDED
    yield Finding(
        cause=cause,
        subject=Subject.pool(pool.name),
        summary=summary,
        evidence=evidence(lines),
        remedy=f"Decide which overlay is this cluster's; the profile says {own}.",
        commands=(diff_command(repository), apply_command(repository)),
        root=root,
    )
