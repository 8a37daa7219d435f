"""Judging ranges and held addresses, in the repository and live.

overlay.ranges-valid, overlay.recent-change and maintenance.single-address-pools.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from datetime import date

from clusters.cause_ids import CauseId
from clusters.checks import Finding, NotSupported
from clusters.commands import Command, command
from clusters.errors import Inconclusive
from clusters.gitops import pages, plans
from clusters.gitops.findings import INTENDED, diff_command, evidence, known, live_pools
from clusters.gitops.kustomize import Render
from clusters.gitops.pool_objects import bounds, listed, pool_from, pools_of, size
from clusters.gitops.repository_snapshot import RepositorySnapshot, usable
from clusters.metallb import configuration, nodes, ranges, services
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address, Network
from clusters.metallb.reasons import Reason
from clusters.metallb.services import Service
from clusters.observation import surroundings
from clusters.observation.snapshot import Snapshot
from clusters.subject import Subject

LIVE = "the cluster"


def ranges_valid(
    repository: RepositorySnapshot | None,
    snapshot: Snapshot | None,
    note: Callable[[str], None] = lambda _: None,
) -> list[Finding]:
    """What is wrong with a range, in any overlay of the working tree or live; one finding for each fault.

    Without a repository the live ranges alone are judged, without a cluster (None) the repository's alone.

    Node addresses count for this cluster's overlay and live; gateways and the edges of networks as far as the profile,
    the vantage, the nodes or the service page tell them, and `note` is told where nobody does. Without a cluster an own
    overlay that does not render is a finding too. Raises Inconclusive where one of the others does not.
    """
    asked = "the profile's networks, the vantage, the nodes nor the service page"
    if snapshot is None and repository:
        asked = "the profile's networks nor the service page"
        for line in repository.working.brought:
            note(line)
    named = live_pools(snapshot) if snapshot else pools_of(repository.working.objects) if repository else ()
    for line in surroundings.unknown(named, *_around(repository, snapshot), asked):
        note(line)
    places: dict[tuple[str, Subject, str], list[str]] = {}
    for place, found in _everywhere(repository, snapshot).items():
        for reason in (*configuration.range_problems(found), *_reserved(place, found, repository, snapshot)):
            places.setdefault((reason.cause, reason.subject, reason.text), []).append(place)
    findings = [
        Finding(
            cause=cause,
            subject=subject,
            summary=text,
            evidence=(f"so in {listed(where)}",),
            commands=(*_last_change(repository), command("kubectl get ipaddresspools -A -o yaml")),
        )
        for (cause, subject, text), where in places.items()
    ]
    if repository and snapshot is None and repository.working.broken:
        # With a cluster overlay.intended-config says so; of a repository alone nothing else does.
        findings.append(_broken(repository))
    if not findings and repository:
        for render in repository.renders.values():
            usable(render)
    return findings


def _broken(repository: RepositorySnapshot) -> Finding:
    render = repository.working
    return Finding(
        cause=CauseId.OVERLAY_INVALID,
        subject=Subject("overlay", render.overlay),
        summary=render.problem,
        remedy=render.remedy,
        commands=(diff_command(repository),),
    )


def _last_change(repository: RepositorySnapshot | None) -> tuple[Command, ...]:
    return (diff_command(repository),) if repository else ()


def _everywhere(
    repository: RepositorySnapshot | None, snapshot: Snapshot | None
) -> dict[str, tuple[Pool, ...]]:
    renders = repository.renders if repository else {}
    rendered = {name: pools_of(render.objects) for name, render in renders.items()}
    return {LIVE: live_pools(snapshot), **rendered} if snapshot else rendered


def _reserved(
    place: str, found: tuple[Pool, ...], repository: RepositorySnapshot | None, snapshot: Snapshot | None
) -> Iterator[Reason]:
    own = repository is None or place in {LIVE, repository.layout.overlay}
    other = "" if own or repository is None else repository.layout.cluster_of(place)
    gateways, networks = _around(repository, snapshot, other)
    return configuration.reserved_addresses(
        found,
        nodes=map(nodes.parse, known(snapshot.nodes, "nodes")) if own and snapshot else (),
        gateways=gateways,
        networks=networks,
    )


def _around(
    repository: RepositorySnapshot | None, snapshot: Snapshot | None, cluster: str = ""
) -> tuple[tuple[Address, ...], tuple[Network, ...]]:
    """The gateways and networks that are known of a cluster; of the observed one (""), by what was observed as well."""
    own = repository is None or not cluster or cluster == repository.layout.cluster
    rows = [row for row in _page(repository) if not cluster or row.cluster == cluster]
    if own:
        rows = [row for row in rows if repository and row.cluster == repository.layout.cluster]
    seen = (
        (surroundings.gateways(snapshot), surroundings.networks(snapshot)) if own and snapshot else ((), ())
    )
    if own and repository:
        layout = repository.layout
        networks_of = (ipaddress.ip_network(each, strict=False) for each in layout.networks)
        seen = (*seen[0], *map(ranges.parse_address, layout.gateways)), (*seen[1], *networks_of)
    gateways = (*seen[0], *(row.gateway for row in rows if row.gateway))
    networks = (*seen[1], *(row.network for row in rows if row.network))
    return tuple(dict.fromkeys(gateways)), tuple(dict.fromkeys(networks))


def _page(repository: RepositorySnapshot | None) -> tuple[pages.ClusterRow, ...]:
    """What the service page says of clusters."""
    return pages.clusters(repository.optional(repository.layout.service_page)) if repository else ()


def recent_change(repository: RepositorySnapshot, snapshot: Snapshot) -> list[Finding]:
    """Services whose address the last change under the overlays' folder took out of every pool.

    Edits that are not committed yet are the last change. A service that an unexpired change plan gives
    another address to may lose its own. Raises Inconclusive where no revision is before the change.
    """
    before = pools_of(before_change(repository).objects)
    after = pools_of(usable(repository.working).objects)
    planned = _planned(repository)
    held = (services.parse(raw) for raw in known(snapshot.services, "services"))
    return [
        _taken(repository, service, address, after=after)
        for service in held
        for address in service.ingress
        if service.key not in planned
        and any(address in pool for pool in before)
        and not any(address in pool for pool in after)
    ]


def before_change(repository: RepositorySnapshot) -> Render:
    """What the overlay rendered before the last change. Raises Inconclusive, with the one reason why not."""
    past, tree = repository.history.needed(), repository.layout.tree
    if repository.previous is not None:
        return usable(repository.previous)
    if past.shallow:
        raise Inconclusive(
            f"{repository.root} is a shallow clone that ends before the last change under {tree}/.",
            remedy="Fetch the rest: git fetch --unshallow",
        )
    if past.last:
        raise Inconclusive(
            f"{past.last[:12]} is the first commit under {tree}/: there is no earlier revision.",
            remedy="The check can be decided from the second commit on.",
        )
    raise Inconclusive(
        f"No commit in {repository.root} has anything under {tree}/.", remedy="Commit the overlays."
    )


def _planned(repository: RepositorySnapshot) -> frozenset[str]:
    today = date.fromisoformat(repository.today)
    return frozenset(
        moved.service
        for _, plan in plans.read_plans(repository)
        if plan.overlay == repository.layout.overlay and plan.expires >= today
        for moved in plan.services
    )


def _taken(
    repository: RepositorySnapshot, service: Service, address: Address, *, after: tuple[Pool, ...]
) -> Finding:
    past = repository.history
    change = past.uncommitted or next((each for each in past.changes if each.commit == past.last), None)
    what = f"{change.commit[:12]} ({change.subject})".strip() if change else past.last[:12]
    lines = [f"{name} changed" for name in change.files] if change else []
    lines += [f"pool {pool.name} is {listed(pool.ranges)} after it" for pool in after]
    return Finding(
        cause=CauseId.CHANGE_UNPLANNED,
        subject=Subject.service(service.key),
        summary=f"The last change, {what}, removes {address} from the pools, and service {service.key} holds it.",
        evidence=evidence(lines),
        remedy="Put the address back into a pool, or plan the service's new address before the rollout.",
        commands=(diff_command(repository), command("git revert HEAD")),
    )


def single_address_pools(repository: RepositorySnapshot | None, snapshot: Snapshot) -> list[Finding]:
    """Pools of one address that hold another one than intended, in the overlay or live.

    What is intended says the profile, else the service page. Raises Inconclusive where neither does, and NotSupported
    where there is no repository either, so that nobody has to say so.
    """
    intended = _intended(repository, snapshot)
    flagged = set(snapshot.expectations.single_address_pools)
    findings = []
    unknown = []
    places = {LIVE: live_pools(snapshot)}
    if repository:
        places[repository.layout.overlay] = pools_of(usable(repository.working).objects)
    for place, found in places.items():
        for pool in found:
            wanted = intended.get(pool.name)
            if size(pool) != 1 and pool.name not in flagged:
                continue
            if wanted is None:
                unknown.append(pool.name)
            elif bounds(wanted) != bounds(pool):
                findings.append(_unintended(repository, pool, wanted=wanted, place=place))
    if unknown and not findings and repository is None:
        raise NotSupported(
            f"pool {unknown[0]} has one address, and the profile names none under pools for it"
        )
    if unknown and not findings:
        raise Inconclusive(
            f"Pool {unknown[0]} has one address, and nothing says which one is intended.",
            remedy="Name it under pools in the profile, or in the service page's table.",
        )
    return findings


def _intended(repository: RepositorySnapshot | None, snapshot: Snapshot) -> Mapping[str, Pool]:
    paged = {
        row.pool: pool_from(row.pool, (f"{each.first}-{each.last}" for each in row.ranges))
        for row in _page(repository)
        if repository and row.cluster == repository.layout.cluster and row.pool and row.ranges
    }
    expected = snapshot.expectations.pools.items()
    return paged | {name: pool_from(name, map(_as_range, addresses)) for name, addresses in expected}


def _as_range(text: str) -> str:
    return text if "-" in text or "/" in text else f"{text}-{text}"


def _unintended(repository: RepositorySnapshot | None, pool: Pool, *, wanted: Pool, place: str) -> Finding:
    objects = repository.intended.objects if repository else ()
    rendered = {each.name: bounds(each) for each in pools_of(objects)}
    past_overlay = place == LIVE and rendered.get(pool.name) == bounds(wanted)
    return Finding(
        cause=CauseId.ADDRESS_NOT_INTENDED,
        root=INTENDED if past_overlay else "",
        subject=Subject.pool(pool.name),
        summary=(
            f"Pool {pool.name} holds {listed(pool.ranges)} in {place}; intended is {listed(wanted.ranges)}."
        ),
        commands=(
            command("kubectl get ipaddresspools {pool} -A -o yaml", pool=pool.name),
            *_last_change(repository),
        ),
    )
