"""Judging what is written down about changes: change log, service page and change plans.

maintenance.pool-documented, maintenance.change-plan, postincident.changelog and postincident.service-page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from clusters.cause_ids import CauseId
from clusters.checks import Finding, NotSupported
from clusters.commands import command
from clusters.errors import Inconclusive
from clusters.gitops import pages, plans
from clusters.gitops.documents import FileError
from clusters.gitops.findings import (
    INTENDED,
    SKEW,
    diff_command,
    evidence,
    known,
    live_pools,
    mentions_command,
)
from clusters.gitops.history import Change, PoolChange
from clusters.gitops.pages import Entry
from clusters.gitops.pool_objects import bounds, listed, pool_from, pools_of
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb import ranges, services, versions
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address, AddressRange
from clusters.objects import status_of
from clusters.observation.pods import containers
from clusters.observation.snapshot import Snapshot
from clusters.subject import CLUSTER, Subject


def pool_documented(repository: RepositorySnapshot) -> list[Finding]:
    """Pool changes in git without an entry in the change log, and changed pools that the service page lacks.

    Of the two what the profile names is judged. Raises NotSupported where it names neither, Inconclusive where git
    cannot be read, or a shallow clone hides changes and the rest is in order.
    """
    past, layout = repository.history.needed(), repository.layout
    if not layout.changelog and not layout.service_page:
        raise NotSupported("the profile names neither a change log nor a service page under gitops")
    entries = (
        pages.entries(repository.text(layout.changelog, what="change log")) if layout.changelog else None
    )
    page = repository.text(layout.service_page, what="service page") if layout.service_page else None
    changes = [*([past.uncommitted] if past.uncommitted else []), *past.changes]
    found = [
        _undocumented(repository, change, pool)
        for change in changes
        for pool in change.pools
        if entries is not None and not _documented(pool, layout.cluster_of(pool.folder), entries)
    ]
    changed = {(pool.folder, pool.pool) for change in changes for pool in change.pools if page is not None}
    for folder in sorted({folder for folder, _ in changed}):
        render = repository.renders.get(folder)
        pools = [
            pool for pool in pools_of(render.objects if render else ()) if (folder, pool.name) in changed
        ]
        found += _off_page(repository, page or "", repository.layout.cluster_of(folder), pools, place=folder)
    if past.shallow and not found:
        raise Inconclusive(
            f"{repository.root} is a shallow clone of {len(past.changes)} changes; older ones are not there.",
            remedy="Fetch the rest: git fetch --unshallow",
        )
    if past.cut and not found:
        raise Inconclusive(
            f"Only the last {len(past.changes)} changes under {layout.tree}/ were read; older ones were not judged.",
            remedy="Name a narrower folder as gitops.tree in the profile.",
        )
    if past.unread and not found:
        raise Inconclusive(f"Not every pool change is known: {past.unread}")
    return found


def _documented(change: PoolChange, cluster: str, entries: Iterable[Entry]) -> bool:
    before, after = pool_from(change.pool, change.before), pool_from(change.pool, change.after)
    if after.invalid:
        return True  # no document can state what is no range; overlay.ranges-valid names it
    old, new = {each.bounds for each in before.ranges}, {each.bounds for each in after.ranges}
    added = [each for each in after.ranges if each.bounds not in old]
    wanted = added or [each for each in before.ranges if each.bounds not in new]
    named = [entry for entry in entries if entry.names(cluster)]
    return all(any(entry.mentions(each) for entry in named) for each in wanted)


def _undocumented(repository: RepositorySnapshot, change: Change, pool: PoolChange) -> Finding:
    when = f"Commit {change.commit[:12]} of {change.date}" if change.commit else "An uncommitted edit"
    cluster = repository.layout.cluster_of(pool.folder)
    return Finding(
        cause=CauseId.CHANGE_UNDOCUMENTED,
        subject=Subject.pool(pool.pool),
        summary=(
            f"{when} changes pool {pool.pool} of {cluster} from {listed(pool.before)} to "
            f"{listed(pool.after)}, and {repository.layout.changelog} has no entry that says so."
        ),
        evidence=(f"subject of the change: {change.subject}",),
        commands=(
            command("git show {revision} -- {folder}/", revision=change.commit[:12], folder=pool.folder)
            if change.commit
            else command("git diff"),
            mentions_command(cluster, repository.layout.changelog),
        ),
    )


def _off_page(
    repository: RepositorySnapshot,
    page: str,
    cluster: str,
    pools: Iterable[Pool],
    *,
    place: str,
    soon: Iterable[Pool] = (),
) -> Iterator[Finding]:
    """Pools whose ranges the service page does not have for this cluster, neither as they are nor `soon`."""
    coming = {pool.name: bounds(pool) for pool in soon}
    rows = [row for row in pages.clusters(page) if row.cluster == cluster]
    for pool in pools:
        stated = [each for row in rows if row.pool in {"", pool.name} for each in row.ranges]
        if pool.invalid:
            continue
        if tuple(each.bounds for each in ranges.merged(stated)) in {bounds(pool), coming.get(pool.name)}:
            continue
        says = f"says {listed(stated)}" if rows else f"does not name {cluster} in a table of clusters"
        yield Finding(
            cause=CauseId.PAGE_OUTDATED,
            subject=Subject.pool(pool.name),
            summary=(
                f"Pool {pool.name} has {listed(pool.ranges)} in {place}; "
                f"{repository.layout.service_page} {says}."
            ),
            commands=(mentions_command(cluster, repository.layout.service_page),),
        )


def service_page(repository: RepositorySnapshot, snapshot: Snapshot) -> list[Finding]:
    """Ranges, cluster and versions that run and that the service page does not name, or names otherwise.

    An edit that is not committed is made to overlay and page together: the page may be ahead by that.
    """
    page = repository.text(repository.layout.service_page, what="service page")
    intended = {pool.name: bounds(pool) for pool in pools_of(repository.intended.objects)}
    live = live_pools(snapshot)
    # Where the cluster was changed past its overlay, that is the root; the page is judged again after it.
    past_overlay = {pool.name for pool in live if bounds(pool) != intended.get(pool.name)}
    soon = pools_of(repository.working.objects) if repository.history.dirty else ()
    off = _off_page(repository, page, repository.layout.cluster, live, place="the cluster", soon=soon)
    found = [
        replace(finding, root=INTENDED if finding.subject.name in past_overlay else "") for finding in off
    ]
    return [*found, *_off_version(repository, snapshot, page)]


def _off_version(repository: RepositorySnapshot, snapshot: Snapshot, page: str) -> Iterator[Finding]:
    """The running version where the page names another; not for a cluster that was asked to run one of its own."""
    layout = repository.layout
    pods = known(snapshot.pods, "pods")
    # One that never started runs nothing, whatever image it asks for.
    live = [pod for pod in pods if status_of(pod).get("phase") not in {"Pending", "Succeeded", "Failed"}]
    running = {str(version) for each in containers(live) if (version := versions.of_image(each.image))}
    rows = [row for row in pages.clusters(page) if row.cluster == layout.cluster]
    stated = {row.version for row in rows if row.version}
    if layout.version or not running or stated == running:
        return
    yield Finding(
        cause=CauseId.PAGE_OUTDATED,
        subject=CLUSTER,
        summary=(
            f"MetalLB {listed(sorted(running))} runs, and {layout.service_page} says "
            f"{listed(sorted(stated))} for {layout.cluster}."
        ),
        evidence=evidence(f"line {row.line} names version {row.version or 'none'}" for row in rows),
        commands=(mentions_command(layout.cluster, layout.service_page),),
        root=SKEW if stated == {repository.intended.version} else "",
    )


def changelog(
    repository: RepositorySnapshot, snapshot: Snapshot, *, earlier: Snapshot | None = None
) -> list[Finding]:
    """Services that hold another address than at the baseline, with no entry in the change log that says so.

    The baseline is an earlier observation where one is given, else the addresses that the profile expects and
    that the service page names. Raises Inconclusive where there is neither.
    """
    layout = repository.layout
    entries = pages.entries(repository.text(layout.changelog, what="change log"))
    baseline = _held(earlier) if earlier is not None else _recorded(repository, snapshot)
    if not baseline:
        raise Inconclusive(
            "Nothing says which addresses services held before.",
            remedy="Name consumers in the profile or on the service page, or give --baseline.",
        )
    return [
        _moved(repository, service, old=baseline[service], new=new)
        for service, new in _held(snapshot).items()
        if new and baseline.get(service) and set(new) != set(baseline[service])
        if not _tells(entries, service, set(new) - set(baseline[service]))
    ]


def _held(snapshot: Snapshot) -> Mapping[str, tuple[Address, ...]]:
    found = (services.parse(raw) for raw in known(snapshot.services, "services"))
    return {service.key: service.ingress for service in found}


def _recorded(repository: RepositorySnapshot, snapshot: Snapshot) -> Mapping[str, tuple[Address, ...]]:
    layout = repository.layout
    paged = {
        row.service: row.addresses
        for row in pages.consumers(repository.optional(layout.service_page))
        if row.cluster in {"", layout.cluster} and row.addresses
    }
    expected = {
        f"{each.namespace}/{each.name}": tuple(map(ranges.parse_address, each.known_by))
        for each in snapshot.expectations.consumers
        if each.known_by
    }
    return paged | expected


def _tells(entries: Iterable[Entry], service: str, addresses: Iterable[Address]) -> bool:
    names = (service, service.rpartition("/")[2])
    named = [entry for entry in entries if any(entry.names(name) for name in names)]
    return all(any(entry.mentions(AddressRange(each, each)) for entry in named) for each in addresses)


def _moved(
    repository: RepositorySnapshot, service: str, *, old: tuple[Address, ...], new: tuple[Address, ...]
) -> Finding:
    path = repository.layout.changelog
    return Finding(
        cause=CauseId.CHANGE_UNDOCUMENTED,
        subject=Subject.service(service),
        summary=(
            f"Service {service} held {listed(old)} before and holds {listed(new)} now; "
            f"{path} has no entry for that."
        ),
        commands=(mentions_command(service.rpartition("/")[2], path), diff_command(repository)),
    )


def change_plan(repository: RepositorySnapshot, snapshot: Snapshot | None) -> list[Finding]:
    """Pending pool changes without a complete plan that still holds, and plans that are not complete.

    Pending is what is edited and not committed, and what is committed while the cluster still runs what was
    before it. Without a cluster (None) nobody can tell that, and only the edits and the plans themselves are judged.
    """
    pending = [*_uncommitted(repository), *(_unapplied(repository, snapshot) if snapshot else ())]
    try:
        written = plans.read_plans(repository)
    except FileError as error:
        return [_unplanned(Subject("change plan"), str(error.args[0]), remedy=error.remedy)]
    found = []
    for change in pending:
        covering = [(path, plan) for path, plan in written if plan.covers(change.folder, change.pool)]
        if any(plan.expires >= date.fromisoformat(repository.today) for _, plan in covering):
            continue
        over = [f"{path} expired on {plan.expires}" for path, plan in covering]
        text = (
            f"Pool {change.pool} of {repository.layout.cluster_of(change.folder)} is about to change from "
            f"{listed(change.before)} to "
            f"{listed(change.after)}, and no plan in {repository.layout.plans}/ covers it."
        )
        found.append(_unplanned(Subject.pool(change.pool), text, lines=over, repository=repository))
    return found


def _uncommitted(repository: RepositorySnapshot) -> tuple[PoolChange, ...]:
    return repository.history.uncommitted.pools if repository.history.uncommitted else ()


def _unapplied(repository: RepositorySnapshot, snapshot: Snapshot) -> Iterator[PoolChange]:
    if repository.previous is None or repository.previous.problem:
        return
    before = {pool.name: pool for pool in pools_of(repository.previous.objects)}
    live = {pool.name: bounds(pool) for pool in live_pools(snapshot)}
    for pool in pools_of(repository.latest.objects):
        old = before.get(pool.name)
        still_old = live.get(pool.name) == (bounds(old) if old else None)
        if still_old and live.get(pool.name) != bounds(pool):
            yield PoolChange(
                folder=repository.layout.overlay,
                pool=pool.name,
                before=tuple(map(str, old.ranges if old else ())),
                after=tuple(map(str, pool.ranges)),
            )


def _unplanned(
    subject: Subject,
    summary: str,
    *,
    lines: Iterable[str] = (),
    remedy: str = "",
    repository: RepositorySnapshot | None = None,
) -> Finding:
    return Finding(
        cause=CauseId.CHANGE_UNPLANNED,
        subject=subject,
        summary=summary,
        evidence=evidence(lines),
        remedy=remedy,
        commands=(diff_command(repository),) if repository else (),
    )
