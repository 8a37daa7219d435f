"""Sections 3 and 6 of the runbook, before anything is recovered or rolled back.

Where the trouble lies, whether the address block is routable, and who still asks for an address that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes import Layer, get
from clusters.checks.path_links import Link
from clusters.checks.spec import ALLOCATION, ELECTION
from clusters.diagnosis import root_cause, unread_lists
from clusters.diagnosis.answer import Answer, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.metallb import services
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import AddressRange, parse_address
from clusters.observation.snapshot import Route
from clusters.subject import Subject


def incident_scope(diagnosis: Diagnosis) -> Answer:
    """Where the trouble lies is a note; only nodes or network in trouble fail this check."""
    seen = diagnosis.snapshot
    places: dict[str, dict[str, None]] = {}
    roots = [root for root in diagnosis.root_causes if not unread_lists.may_be_another(root, seen)]
    for root in roots:
        places.setdefault(root_cause.place_of(root), {})[root.cause] = None
    alone = " alone" if len(places) == 1 else ""
    listed = [f"{place}{alone} ({', '.join(causes)})" for place, causes in sorted(places.items())]
    shown = [
        Explanation(root=root, subject=root.subject, summary=root.summary)
        for root in roots
        if get(root.cause).layer is Layer.NODES_AND_NETWORK
    ]
    return Answer(
        needs=("services", "kube_proxy_config", "node_leases", "service_l2_statuses", *ELECTION),
        explanations=tuple(shown),
        notes=(f"in trouble: {', '.join(listed) or 'nothing'}",),
        missing=missing(("the nodes", seen.nodes), ("MetalLB's pods", seen.pods)),
    )


def address_routable(diagnosis: Diagnosis) -> Answer:
    """The address block of every pool can be reached from the vantage."""
    wire = diagnosis.snapshot.wire
    shown, unsure, notes = list[Explanation](), list[str](), list[str]()
    ways = [(parse_address(address), route) for address, route in diagnosis.facts.wire_index.routes.items()]
    for pool in diagnosis.facts.pools:
        judged = [
            (one, _routable(diagnosis, pool, one, [route for address, route in ways if address in one]))
            for one in pool.ranges
            if _in_use(diagnosis, pool, one)
        ]
        shown += [found for _, found in judged if isinstance(found, Explanation)][:1]
        unknown = [str(one) for one, found in judged if isinstance(found, str)]
        if unknown and len(unknown) == len(judged):
            unsure.append(next(found for _, found in judged if isinstance(found, str)))
        elif unknown:
            notes.append(f"of pool {pool.name} no address in {', '.join(unknown)} was looked at")
    return Answer(
        needs=("services", *ELECTION),
        explanations=tuple(shown),
        notes=tuple(notes),
        missing=(
            *missing(("the pools", diagnosis.snapshot.ip_address_pools), ("what answers from outside", wire)),
            *(unsure if wire.ok else ()),
        ),
    )


def _in_use(diagnosis: Diagnosis, pool: Pool, one: AddressRange) -> bool:
    """Whether a range may matter: nobody needs a way to addresses of a family that no node and no service has."""
    families = {each.version for node in diagnosis.facts.nodes.values() for each in node.addresses}
    held = any(address in one for address, _ in diagnosis.facts.usage[pool.name].held)
    return not families or one.version in families or held or len({each.version for each in pool.ranges}) == 1


def _routable(
    diagnosis: Diagnosis, pool: Pool, one: AddressRange, routes: Sequence[Route]
) -> Explanation | str | None:
    """Why addresses of one range of a pool cannot be reached; a sentence where nothing tells; None where they can.

    `routes` are the vantage's ways to addresses of the range.
    """
    of_address = diagnosis.facts.wire_index.of_address
    held = [str(address) for address, _ in diagnosis.facts.usage[pool.name].held if address in one]
    tries = [each for address in held for each in of_address.get(address, ())]
    if any(route.on_link for route in routes) or any(each.outcome.replied for each in tries):
        return None
    for each in tries:
        if each.service in diagnosis.unreached:
            explained = diagnosis.unreached[each.service]
            return explained if get(explained.root.cause).link is Link.ROUTE else None
    if any(route.problem for route in routes):
        problem = next(route for route in routes if route.problem)
        place = diagnosis.facts.command_fields(pool=pool.name, address=problem.address)
        root = RootCause(
            cause=CauseId.VANTAGE_NOT_ON_SEGMENT,
            subject=Subject.pool(pool.name),
            summary=f"Vantage {diagnosis.snapshot.wire.place} has no route to {problem.address}: {problem.problem}",
            reporter=CheckId.RECOVERY_ADDRESS_ROUTABLE,
            fields=place,
        )
        return Explanation(root=root, subject=root.subject, summary=root.summary)
    return f"The vantage shares no segment with pool {pool.name}, and no address of the pool could be tried."


def stale_consumers(diagnosis: Diagnosis) -> Answer:
    """No service keeps asking for an address that no pool holds any more."""
    seen = diagnosis.snapshot
    stale = [
        each for each in diagnosis.pending.values() if each.root.cause == CauseId.REQUESTED_OUTSIDE_POOLS
    ]
    return Answer(
        needs=ALLOCATION,
        explanations=(*stale, *_clinging(diagnosis)),
        missing=missing(("the services", seen.services), ("the pools", seen.ip_address_pools)),
    )


def _clinging(diagnosis: Diagnosis) -> Iterator[Explanation]:
    """Services that hold, and ask for, an address which no pool holds."""
    for key, explained in diagnosis.outside_intended_pool.items():
        asked = services.request(diagnosis.facts.services[key]).addresses
        if any(diagnosis.facts.pool_of(each) is None for each in asked):
            yield explained
