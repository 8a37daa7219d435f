"""Who holds which address, what is left of each pool, and what of it a service would take.

Sources: `Assign`, `checkSharing`, `updatePoolStats`, `getFreeIPsFromPool` and `findBestPoolForService` in
internal/allocator/allocator.go, `selectIPsForFamilyAndPolicy` in internal/allocator/allocation.go, 0.15.2 and 0.16.2.
MetalLB knows only of services of its own class: an address that another controller gave away is free in its eyes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from clusters.metallb import ranges
from clusters.metallb.pools import Pool, needed_versions
from clusters.metallb.ranges import Address
from clusters.metallb.reasons import Reason
from clusters.metallb.services import FamilyPolicy, Service, foreign, sharing_conflict
from clusters.subject import Subject

Holdings = Mapping[Address, tuple[Service, ...]]
"""Every address that a service of MetalLB's has, with all services that have it."""

Free = Mapping[int, tuple[Address, ...]]
"""The first address of each family that a pool has to give; a family without one is absent."""


@dataclass(frozen=True)
class FamilyUsage:
    """How much of a pool's one family is given away. Counts addresses, not services: sharers count once."""

    usable: int
    used: int

    @property
    def free(self) -> int:
        """How many addresses are left; the pool's status says the same, but never more than 2**63-1."""
        return self.usable - self.used


@dataclass(frozen=True)
class PoolUsage:
    """What of a pool is given away. `held` has its addresses with the services on them, ascending."""

    pool: Pool
    held: tuple[tuple[Address, tuple[Service, ...]], ...]
    families: Mapping[int, FamilyUsage]

    @property
    def free(self) -> int:
        """How many addresses of either family are left."""
        return sum(each.free for each in self.families.values())

    @property
    def exhausted(self) -> frozenset[int]:
        """The families of the pool of which nothing is left."""
        return frozenset(version for version, each in self.families.items() if each.free <= 0)

    def first_free(self, version: int, *, count: int = 1) -> tuple[Address, ...]:
        """The first addresses of one family that nobody holds, in MetalLB's order."""
        taken = {address for address, _ in self.held}
        return ranges.first_free(
            self.pool.of_version(version), taken=taken, count=count, avoid_buggy=self.pool.avoid_buggy
        )


def holdings(services: Iterable[Service], *, lb_class: str = "") -> Holdings:
    """The addresses that services of MetalLB's class have in their status."""
    result: dict[Address, list[Service]] = {}
    for each in services:
        if foreign(each, lb_class) is None:
            for address in each.ingress:
                result.setdefault(address, []).append(each)
    return {address: tuple(holders) for address, holders in result.items()}


def of_pool(pool: Pool, held: Holdings) -> PoolUsage:
    """What of this pool is given away. An address that the pool avoids as buggy is not counted."""
    inside = [(address, holders) for address, holders in held.items() if pool.gives(address)]
    inside.sort(key=lambda each: (each[0].version, int(each[0])))
    families = {
        version: FamilyUsage(pool.usable(version), sum(address.version == version for address, _ in inside))
        for version in sorted(pool.versions)
    }
    return PoolUsage(pool, tuple(inside), families)


def wrongly_shared(held: Holdings) -> Iterator[tuple[Address, Service, Service, Reason]]:
    """Every pair of services on one address that may not share it, with why."""
    for address, holders in held.items():
        for one, other in combinations(holders, 2):
            if reason := sharing_conflict(one, other):
                yield address, one, other, reason


def taken_by(service: Service, address: Address, held: Holdings) -> Reason | None:
    """Why the service may not have this address because of others on it, or None if it may."""
    for holder in held.get(address, ()):
        if reason := sharing_conflict(holder, service):
            return Reason(reason.cause, f"{address}: {reason.text}", Subject.service(service.key))
    return None


def blocked_for(service: Service, held: Holdings) -> frozenset[Address]:
    """The addresses that the service may not have because of others on them."""
    if not service.sharing_key:  # the common case, and then nothing held by another can be shared
        return frozenset(
            address for address, holders in held.items() if any(each.key != service.key for each in holders)
        )
    return frozenset(address for address in held if taken_by(service, address, held))


@dataclass(frozen=True)
class Offer:
    """The addresses that one pool would give, in the order of the service's status."""

    pool: str
    addresses: tuple[Address, ...]


def best_offers(
    service: Service, groups: Iterable[Iterable[Pool]], taken: Container[Address]
) -> tuple[Offer, ...]:
    """What the first group offers that can serve best; within a group any offer may be the one taken.

    A better wish goes through all groups before a lesser one does. `taken` is what the service may not have.
    """
    free = [[(pool, free_in(pool, taken)) for pool in group] for group in groups]
    for suits in _wishes(service):
        for group in free:
            found = [Offer(pool.name, select(service, has)) for pool, has in group if suits(set(has))]
            if found:
                return tuple(found)
    return ()


def _wishes(service: Service) -> Iterator[Callable[[set[int]], bool]]:
    """What a pool must have free, best first; each wish goes to all pools before the next one."""
    needed = set(needed_versions(service))
    yield lambda has: needed <= has
    if len(needed) == 2 and service.family_policy is FamilyPolicy.PREFER:
        first = 6 if service.ipv6_first else 4
        yield lambda has: first in has
        yield bool


def free_in(pool: Pool, taken: Container[Address]) -> Free:
    """What the pool could give, where `taken` is what it could not."""
    found = {
        version: ranges.first_free(pool.of_version(version), taken=taken, avoid_buggy=pool.avoid_buggy)
        for version in sorted(pool.versions)
    }
    return {version: addresses for version, addresses in found.items() if addresses}


def select(service: Service, free: Free) -> tuple[Address, ...]:
    """What the service takes of what is free: IPv4 before IPv6; all it needs or nothing, if not PREFER."""
    needed = needed_versions(service)
    chosen = tuple(free[version][0] for version in sorted(needed & free.keys()))
    if len(chosen) == len(needed) or service.family_policy is FamilyPolicy.PREFER:
        return chosen
    return ()
