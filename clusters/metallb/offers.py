"""What pools have to give to a service, and which of it MetalLB takes.

Source: `getFreeIPsFromPool` and `findBestPoolForService` in internal/allocator/allocator.go, and
`selectIPsForFamilyAndPolicy` in internal/allocator/allocation.go, 0.15.2 and 0.16.2.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from clusters.metallb import ranges
from clusters.metallb.pools import Pool, needed_versions
from clusters.metallb.ranges import Address
from clusters.metallb.services import FamilyPolicy, Service

Free = Mapping[int, tuple[Address, ...]]
"""The first address of each family that a pool has to give; a family without one is absent."""


@dataclass(frozen=True)
class Offer:
    """The addresses that one pool would give, in the order of the service's status."""

    pool: str
    addresses: tuple[Address, ...]


def best(service: Service, groups: Iterable[Iterable[Pool]], taken: Container[Address]) -> tuple[Offer, ...]:
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
