"""An IPAddressPool and which services it may serve.

Sources: `addressPoolFromCR` and `addressPoolServiceAllocationsFromCR` in internal/config/config.go;
`isPoolCompatibleWithService`, `pinnedPoolsForService` and `poolFor` in internal/allocator/allocator.go;
alike in 0.15.2 and 0.16.2. (Before 0.15.0 an empty `serviceAllocation` matched nothing.)
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from clusters.cause_ids import CauseId
from clusters.metallb import ranges, selectors
from clusters.metallb.ranges import Address, AddressRange, RangeError
from clusters.metallb.reasons import Reason
from clusters.metallb.selectors import Labels, LabelSelector
from clusters.metallb.services import Service
from clusters.objects import metadata_of, spec_of
from clusters.subject import Subject

Namespaces = Mapping[str, Labels]
"""Every namespace of the cluster with its labels."""

LAST = 2**31
"""The rank of a pool whose priority is not set: after every priority that can be."""


@dataclass(frozen=True)
class ServiceAllocation:
    """`spec.serviceAllocation`: whom a pool is kept for. A lower `priority` comes first; 0 is not set."""

    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()

    @property
    def rank(self) -> int:
        """Where the pool stands among the pools kept for a service; equal ranks are tried in any order."""
        return self.priority or LAST

    def resolved(self, namespaces: Namespaces) -> frozenset[str]:
        """The namespaces named or selected."""
        chosen = (
            name
            for name, labels in namespaces.items()
            if selectors.any_matches(self.namespace_selectors, labels)
        )
        return self.namespaces | frozenset(chosen)


@dataclass(frozen=True)
class Pool:
    """An IPAddressPool. `invalid` holds the entries of `spec.addresses` that MetalLB would refuse."""

    name: str
    ranges: tuple[AddressRange, ...]
    auto_assign: bool = True
    avoid_buggy: bool = False
    allocation: ServiceAllocation | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    invalid: tuple[RangeError, ...] = ()

    def __contains__(self, address: object) -> bool:
        if not isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
            return False
        whole = self._whole.get(address.version, ())
        place = bisect_right(whole, int(address), key=lambda each: int(each.first)) - 1
        return place >= 0 and address in whole[place]

    @cached_property
    def _whole(self) -> Mapping[int, tuple[AddressRange, ...]]:
        """The ranges of each family, joined and ascending."""
        return {version: ranges.merged(self.of_version(version)) for version in self.versions}

    @property
    def versions(self) -> frozenset[int]:
        """The address families in the pool: {4}, {6} or both."""
        return frozenset(each.version for each in self.ranges)

    def of_version(self, version: int) -> tuple[AddressRange, ...]:
        """The pool's ranges of one family, in the order in which they are written."""
        return tuple(each for each in self.ranges if each.version == version)

    def usable(self, version: int) -> int:
        """How many addresses of one family MetalLB would give out of this pool, taken ones included."""
        return sum(each.usable(avoid_buggy=self.avoid_buggy) for each in self._whole.get(version, ()))

    def gives(self, address: Address) -> bool:
        """Whether the pool may give out this address: it holds it, and does not avoid it as buggy."""
        return address in self and not (self.avoid_buggy and ranges.is_buggy(address))


def parse(raw: Mapping[str, Any]) -> Pool:
    """An IPAddressPool object. Malformed addresses do not raise: they are kept in `invalid`.

    Raises SelectorError for a selector that Kubernetes itself would refuse.
    """
    meta, spec = metadata_of(raw), spec_of(raw)
    good: list[AddressRange] = []
    bad: list[RangeError] = []
    for text in spec.get("addresses") or ():
        try:
            good.append(ranges.parse(text))
        except RangeError as error:
            bad.append(error)
    auto_assign = spec.get("autoAssign")
    return Pool(
        name=meta.get("name") or "",
        ranges=tuple(good),
        auto_assign=True if auto_assign is None else auto_assign,
        avoid_buggy=bool(spec.get("avoidBuggyIPs")),
        allocation=_allocation(spec.get("serviceAllocation")),
        labels=meta.get("labels") or {},
        invalid=tuple(bad),
    )


def _allocation(raw: Mapping[str, Any] | None) -> ServiceAllocation | None:
    if raw is None:
        return None
    names = frozenset(raw.get("namespaces") or ())
    by_namespace = selectors.parse_all(raw.get("namespaceSelectors"))
    by_service = selectors.parse_all(raw.get("serviceSelectors"))
    if not (names or by_namespace or by_service):
        by_service = (LabelSelector(),)  # restricts nothing: only the priority has a meaning then
    return ServiceAllocation(int(raw.get("priority") or 0), names, by_namespace, by_service)


def restricted(pool: Pool, service: Service, namespaces: Namespaces) -> Reason | None:
    """Why the pool may not serve this service even if asked by name or address, or None if it may.

    A namespace selector that selects no namespace at all restricts nothing here, although such a pool
    is never chosen by itself: the set of namespaces that MetalLB compares with is empty.
    """
    if pool.allocation is None:
        return None
    allowed = pool.allocation.resolved(namespaces)
    if allowed and service.namespace not in allowed:
        text = f"Pool {pool.name} is kept for the namespaces {', '.join(sorted(allowed))}."
        return Reason(CauseId.POOL_RESTRICTED, text, Subject.pool(pool.name))
    chosen = pool.allocation.service_selectors
    if chosen and not selectors.any_matches(chosen, service.labels):
        text = f"Pool {pool.name} is kept for services labelled {' or '.join(str(each) for each in chosen)}."
        return Reason(CauseId.POOL_RESTRICTED, text, Subject.pool(pool.name))
    return None


def may_serve(pool: Pool, service: Service, namespaces: Namespaces) -> Reason | None:
    """Why MetalLB would not choose this pool by itself for the service, or None if it may.

    Looks at autoAssign, serviceAllocation and families, not at whether an address is free.
    """
    if not pool.auto_assign:
        text = f"Pool {pool.name} has autoAssign off: it serves only services that ask for it."
        return Reason(CauseId.POOL_AUTOASSIGN_OFF, text, Subject.pool(pool.name))
    if reason := restricted(pool, service, namespaces):
        return reason
    if pool.allocation and not _reachable(pool.allocation, service, namespaces):
        text = f"Pool {pool.name} is kept for namespaces by a selector that selects none."
        return Reason(CauseId.POOL_RESTRICTED, text, Subject.pool(pool.name))
    return family_missing(pool, service)


def family_missing(pool: Pool, service: Service) -> Reason | None:
    """Why the pool has no address of a family that the service needs, or None if it has."""
    needed = needed_versions(service)
    missing = needed - pool.versions
    if not missing or (service.family_policy == "PreferDualStack" and missing != needed):
        return None
    families = " and ".join(f"IPv{each}" for each in sorted(missing))
    return Reason(
        CauseId.FAMILY_UNAVAILABLE, f"Pool {pool.name} has no {families} addresses.", Subject.pool(pool.name)
    )


def needed_versions(service: Service) -> frozenset[int]:
    """The address families that the service's cluster IPs have: {4}, {6} or both."""
    return {"ipv4": frozenset({4}), "ipv6": frozenset({6})}.get(service.family, frozenset({4, 6}))


def ranked(pools: Iterable[Pool], service: Service, namespaces: Namespaces) -> list[list[Pool]]:
    """The pools that MetalLB tries by itself, in groups: within a group the order is not defined.

    First the pools kept for the service, by priority (lowest number first, those without one last); then all
    pools with autoAssign and without serviceAllocation, as one group, because MetalLB walks them as a map.
    Families are not looked at here.
    """
    kept: dict[int, list[Pool]] = {}
    others: list[Pool] = []
    for pool in pools:
        if not pool.auto_assign:
            continue
        if pool.allocation is None:
            others.append(pool)
        elif _reachable(pool.allocation, service, namespaces) and not restricted(pool, service, namespaces):
            kept.setdefault(pool.allocation.rank, []).append(pool)
    groups = [kept[rank] for rank in sorted(kept)]
    return [*groups, others] if others else groups


def holding(pools: Iterable[Pool], addresses: Iterable[Address]) -> Pool | None:
    """The pool that may give out all of these addresses, as the controller asks it, or None."""
    wanted = tuple(addresses)
    return next((pool for pool in pools if all(pool.gives(each) for each in wanted)), None)


def containing(pools: Iterable[Pool], addresses: Iterable[Address]) -> Pool | None:
    """The pool that contains all of these addresses, as a speaker asks it: buggy addresses count too.

    Source: `poolFor` in speaker/main.go, 0.15.2 and 0.16.2.
    """
    wanted = tuple(addresses)
    return next((pool for pool in pools if wanted and all(each in pool for each in wanted)), None)


def _reachable(allocation: ServiceAllocation, service: Service, namespaces: Namespaces) -> bool:
    return bool(allocation.service_selectors) or service.namespace in allocation.resolved(namespaces)
