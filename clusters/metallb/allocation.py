"""Whether MetalLB gives a service an address, out of which pool, and if not, why.

Sources: `convergeBalancer` and `allocateIPs` in controller/service.go; `Allocate`, `AllocateFromPool`,
`findBestPoolForService` and `Assign` in internal/allocator/allocator.go. The rules are the same from 0.15.0
to 0.16.2; the texts of events differ (see `signatures`).

What is predicted: the outcome; the pools of which one serves; and the exact addresses if there is one such
pool, for then MetalLB takes the first address that fits, in the order in which the pool lists its ranges.
Where several pools are equal in rank MetalLB picks one in no defined order, and the prediction has an offer
for each. The service is looked at by itself: of several that wait, MetalLB serves whichever it comes to
first.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from clusters.cause_ids import CauseId
from clusters.metallb import pools as pool_rules
from clusters.metallb import usage
from clusters.metallb.pools import Namespaces, Pool
from clusters.metallb.ranges import Address
from clusters.metallb.reasons import Reason
from clusters.metallb.services import FamilyPolicy, Request, Service, foreign, request
from clusters.metallb.usage import Holdings, Offer, best_offers, free_in, select
from clusters.subject import Subject


class Outcome(StrEnum):
    """What becomes of a service."""

    IGNORED = "ignored"
    KEPT = "kept"
    ASSIGNED = "assigned"
    REFUSED = "refused"
    UNSTABLE = "unstable"


@dataclass(frozen=True)
class Allocation:
    """What becomes of a service, and why.

    KEPT: it has addresses and keeps them; `reason` may name what is wrong all the same. ASSIGNED: it gets one
    of the `offers` (in place of the addresses it has, where `reason` says why it loses those). REFUSED: it
    waits, and `reason` says why, with `considered` saying it pool by pool. IGNORED: it is not MetalLB's.
    UNSTABLE: MetalLB gives it addresses and takes them away again, several times a second and without end.
    """

    outcome: Outcome
    offers: tuple[Offer, ...] = ()
    reason: Reason | None = None
    considered: tuple[Reason, ...] = ()

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools of which one serves."""
        return tuple(each.pool for each in self.offers)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses, if they can be told: empty where several pools might serve."""
        return self.offers[0].addresses if len(self.offers) == 1 else ()


@dataclass(frozen=True)
class World:
    """What the controller knows: pools, all services, namespaces with labels, and its --lb-class argument."""

    pools: tuple[Pool, ...]
    services: tuple[Service, ...] = ()
    namespaces: Namespaces = field(default_factory=dict)
    lb_class: str = ""

    @cached_property
    def held(self) -> Holdings:
        """Which addresses MetalLB's services have."""
        return usage.holdings(self.services, lb_class=self.lb_class)


def predict_allocation(service: Service, world: World) -> Allocation:
    """What becomes of the service in this world (which may contain it or not)."""
    if reason := foreign(service, world.lb_class):
        return Allocation(Outcome.IGNORED, reason=reason)
    if not world.pools:
        text = f"No IPAddressPool exists, so service {service.key} waits without an event."
        return Allocation(Outcome.REFUSED, reason=Reason(CauseId.POOL_MISSING, text))
    if reason := _too_few_cluster_ips(service):
        return Allocation(Outcome.REFUSED, reason=reason)
    found = _decide(service, world)
    if reason := _restless(service, found, world):
        return Allocation(Outcome.UNSTABLE, found.offers, reason)
    return found


def _decide(service: Service, world: World) -> Allocation:
    if not service.ingress:
        return _allocate(service, world)
    kept = _keep(service, world)
    if isinstance(kept, Allocation):
        return kept
    found = _allocate(service, world)
    return Allocation(Outcome.ASSIGNED, found.offers, kept) if found.offers else found


def _restless(service: Service, found: Allocation, world: World) -> Reason | None:
    """Why the service's addresses never settle, or None.

    A service that prefers both families gets a second address out of its pool without a look at its cluster
    IPs; if those are of one family only, the next round takes both away as the wrong family, and the round
    after begins anew. Seen on 0.15.2 and 0.16.2.
    """
    if service.family_policy is not FamilyPolicy.PREFER or len(service.cluster_ips) != 1:
        return None
    taken = usage.blocked_for(service, world.held)
    chosen = (each for each in world.pools if each.name in found.pools)
    if not any(len(free_in(each, taken)) == 2 for each in chosen):
        return None
    text = (
        f"Service {service.key} prefers both families but has one cluster IP, and its pool has both families: "
        "MetalLB assigns and withdraws its second address again and again."
    )
    return Reason(CauseId.FAMILY_UNAVAILABLE, text, Subject.service(service.key))


def assignable(service: Service, addresses: tuple[Address, ...], world: World) -> Reason | None:
    """Why MetalLB would not give the service exactly these addresses, or None if it would.

    autoAssign plays no part: it only says whether a pool is chosen unasked.
    """
    pool = pool_rules.holding(world.pools, addresses)
    if pool is None:
        return _outside(addresses, world.pools)
    if reason := pool_rules.restricted(pool, service, world.namespaces):
        return reason
    reasons = (usage.taken_by(service, each, world.held) for each in addresses)
    return next((each for each in reasons if each), None)


def _keep(service: Service, world: World) -> Allocation | Reason:
    """What becomes of the addresses that the service has: kept, or the reason why it loses them."""
    if reason := _family_changed(service):
        return reason
    if reason := assignable(service, service.ingress, world):
        return reason
    held_in = pool_rules.holding(world.pools, service.ingress)
    pool = held_in.name if held_in else ""
    wanted = request(service)
    if wanted.pool and wanted.pool != pool:
        text = f"Service {service.key} now asks for pool {wanted.pool}, and its address is of pool {pool}."
        return Reason(CauseId.REQUESTED_WRONG_POOL, text)
    if not wanted.problem and wanted.addresses and set(wanted.addresses) != set(service.ingress):
        return Reason(
            CauseId.REQUESTED_TAKEN, f"Service {service.key} now asks for other addresses than it has."
        )
    addresses = service.ingress + (() if wanted.problem else _second_family(service, held_in, world))
    return Allocation(Outcome.KEPT, (Offer(pool, addresses),), wanted.problem)


def _second_family(service: Service, pool: Pool | None, world: World) -> tuple[Address, ...]:
    """The address of the other family that a PreferDualStack service with one address gets besides."""
    if pool is None or service.family_policy is not FamilyPolicy.PREFER or len(service.ingress) != 1:
        return ()
    missing = 6 if service.ingress[0].version == 4 else 4
    return free_in(pool, usage.blocked_for(service, world.held)).get(missing, ())


def _allocate(service: Service, world: World) -> Allocation:
    wanted = request(service)
    if wanted.problem:
        return Allocation(Outcome.REFUSED, reason=wanted.problem)
    if wanted.addresses:
        return _requested(service, wanted, world)
    if wanted.pool:
        return _from_named_pool(service, wanted.pool, world)
    return _automatic(service, world)


def _requested(service: Service, wanted: Request, world: World) -> Allocation:
    listed = ", ".join(str(each) for each in wanted.addresses)
    if frozenset(each.version for each in wanted.addresses) != pool_rules.needed_versions(service):
        text = f"Service {service.key} asks for {listed} but is of family {service.family}."
        return Allocation(Outcome.REFUSED, reason=Reason(CauseId.FAMILY_UNAVAILABLE, text))
    if reason := assignable(service, wanted.addresses, world):
        return Allocation(Outcome.REFUSED, reason=reason)
    pool = pool_rules.holding(world.pools, wanted.addresses)
    name = pool.name if pool else ""
    if wanted.pool and wanted.pool != name:
        text = (
            f"Service {service.key} asks for {listed} and for pool {wanted.pool}, but that is of pool {name}."
        )
        return Allocation(Outcome.REFUSED, reason=Reason(CauseId.REQUESTED_WRONG_POOL, text))
    return Allocation(Outcome.ASSIGNED, (Offer(name, wanted.addresses),))


def _from_named_pool(service: Service, name: str, world: World) -> Allocation:
    pool = next((each for each in world.pools if each.name == name), None)
    if pool is None:
        text = (
            f"Service {service.key} asks for pool {name}, which does not exist.{_nearest(name, world.pools)}"
        )
        return Allocation(
            Outcome.REFUSED, reason=Reason(CauseId.POOL_MISSING, text, Subject.service(service.key))
        )
    refusal = pool_rules.restricted(pool, service, world.namespaces) or pool_rules.family_missing(
        pool, service
    )
    if refusal:
        return Allocation(Outcome.REFUSED, reason=refusal, considered=(refusal,))
    addresses = select(service, free_in(pool, usage.blocked_for(service, world.held)))
    if not addresses:
        refusal = _full(pool)
        return Allocation(Outcome.REFUSED, reason=refusal, considered=(refusal,))
    return Allocation(Outcome.ASSIGNED, (Offer(name, addresses),))


def _nearest(name: str, pools: Iterable[Pool]) -> str:
    """Which pool may be meant by a name that no pool has: one written a little otherwise, or several at once."""
    names = sorted(each.name for each in pools)
    if several := [each for each in re.split(r"[\s,;]+", name) if each in names]:
        return (
            f" MetalLB takes the whole annotation for the name of one pool; {' and '.join(several)} "
            f"{'exist' if len(several) > 1 else 'exists'}."
        )
    near = difflib.get_close_matches(name.strip().lower(), names, n=1, cutoff=0.8)
    return f" Is {near[0]} meant?" if near else ""


def _automatic(service: Service, world: World) -> Allocation:
    groups = pool_rules.ranked(world.pools, service, world.namespaces)
    taken = usage.blocked_for(service, world.held)
    # Pools kept for the service and all others are tried one after the other, each to its end: a dual-stack
    # service takes one address from a pool that is kept for it before it takes two from another.
    kept = [group for group in groups if group[0].allocation is not None]
    others = [group for group in groups if group[0].allocation is None]
    for tier in (kept, others):
        if offers := best_offers(service, tier, taken):
            return Allocation(Outcome.ASSIGNED, offers)
    considered = tuple(_why_not(service, each, world) for each in world.pools)
    return Allocation(Outcome.REFUSED, reason=_main_reason(considered), considered=considered)


def _too_few_cluster_ips(service: Service) -> Reason | None:
    if service.family_policy is not FamilyPolicy.REQUIRE or len(service.cluster_ips) != 1:
        return None
    text = f"Service {service.key} requires both families but has only one cluster IP."
    return Reason(CauseId.FAMILY_UNAVAILABLE, text)


def _family_changed(service: Service) -> Reason | None:
    has = frozenset(each.version for each in service.ingress)
    needed = pool_rules.needed_versions(service)
    odd = len(has) != len(service.ingress)
    tolerated = len(needed) == 2 and service.family_policy is FamilyPolicy.PREFER
    if not odd and (has == needed or tolerated):
        return None
    text = f"Service {service.key} is of family {service.family}, and its addresses are not."
    return Reason(CauseId.FAMILY_UNAVAILABLE, text)


def _outside(addresses: tuple[Address, ...], pools: Iterable[Pool]) -> Reason:
    listed = ", ".join(str(each) for each in addresses)
    holders = [pool for pool in pools if all(each in pool for each in addresses)]
    if holders:
        text = f"Pool {holders[0].name} holds {listed} but avoids addresses that end in .0 or .255."
    elif len(addresses) > 1 and all(any(each in pool for pool in pools) for each in addresses):
        text = f"No single pool holds all of {listed}."
    else:
        text = f"No pool holds {listed}."
    return Reason(CauseId.REQUESTED_OUTSIDE_POOLS, text)


def _full(pool: Pool) -> Reason:
    text = f"Pool {pool.name} has no free address."
    if pool.avoid_buggy and not (pool.usable(4) or pool.usable(6)):
        text = f"Pool {pool.name} has no address to give: avoidBuggyIPs leaves out those that end in .0 and .255."
    return Reason(CauseId.POOL_EXHAUSTED, text, Subject.pool(pool.name))


def _why_not(service: Service, pool: Pool, world: World) -> Reason:
    return pool_rules.may_serve(pool, service, world.namespaces) or _full(pool)


_NEAREST_FIRST = (
    CauseId.POOL_EXHAUSTED,
    CauseId.FAMILY_UNAVAILABLE,
    CauseId.POOL_RESTRICTED,
    CauseId.POOL_AUTOASSIGN_OFF,
)
"""Of several pools that do not serve, the one that came closest to it names the cause."""


def _main_reason(considered: tuple[Reason, ...]) -> Reason:
    nearest = min(considered, key=lambda each: _NEAREST_FIRST.index(each.cause))
    told = " ".join(each.text for each in considered)
    text = f"No pool has an address for the service. {told}"
    return Reason(nearest.cause, text, nearest.subject)
