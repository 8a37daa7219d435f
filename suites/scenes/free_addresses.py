"""Which addresses a check may ask for: free ones, where wanted with a predicted announcer; and pools of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

from clusters.api import Api
from clusters.api.resources import IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, NAMESPACES, SERVICES
from clusters.changes import Changes
from clusters.errors import Inconclusive
from clusters.metallb import advertisements, election, pools, ranges, services
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address
from clusters.objects import Object, spec_of
from clusters.profile import Profile
from clusters.vantage.base import Vantage
from clusters.workloads import builders

_LOOKED_AT = 256
#: Addresses that are for documentation only, by family.
_NOBODYS = {4: "192.0.2.1-192.0.2.254", 6: "2001:db8::1-2001:db8::fe"}
#: What of an L2Advertisement's spec says from where it may be announced.
_LIMITS = ("nodeSelectors", "interfaces")


@dataclass(frozen=True)
class Addresses:
    """The addresses of the cluster's pools, as they are now."""

    api: Api
    profile: Profile
    vantage: Vantage | None
    metallb_namespace: str
    known_spare: tuple[str, ...] = ()

    def pool(self, name: str) -> Pool:
        """One pool by name, as it is now."""
        return pools.parse(self.api.get(IP_ADDRESS_POOLS, name, self.metallb_namespace))

    def pools(self) -> list[Pool]:
        """Every pool, as it is now."""
        return [pools.parse(raw) for raw in self.api.list(IP_ADDRESS_POOLS, self.metallb_namespace)]

    def taken(self) -> frozenset[Address]:
        """Every address that a service holds, or asks for, now."""
        found: set[Address] = set()
        for raw in self.api.list(SERVICES):
            service = services.parse(raw)
            found.update(service.ingress)
            found.update(services.request(service).addresses)
        return frozenset(found)

    def expected_pools(self, namespace: str) -> frozenset[str]:
        """The pools of which MetalLB may give an address to a plain new service in `namespace`.

        The best-ranked group with a free address; within a group MetalLB's order is not defined.
        """
        labels = {
            raw["metadata"]["name"]: raw["metadata"].get("labels") or {} for raw in self.api.list(NAMESPACES)
        }
        found = self.pools()
        version, taken = _version(found), self.taken()
        plain = services.Service(namespace=namespace, name="new", families=(f"IPv{version}",))
        for group in pools.ranked(found, plain, labels):
            usable = {pool.name for pool in group if next(_free(pool, taken, version), None)}
            if usable:
                return frozenset(usable)
        return frozenset()

    def free(self, *, announced_by: Iterable[str] = (), among: Iterable[str] = ()) -> str:
        """A free address of a pool that gives to new services, which nobody answers for.

        With `announced_by`, one whose election among the nodes `among` is won by one of these nodes.
        Raises Inconclusive where there is none.
        """
        wanted, voters, taken = frozenset(announced_by), tuple(among), self.taken()
        found = self.pools()
        version = _version(found)
        for pool in found:
            if not _gives(pool):
                continue
            for address in _free(pool, taken, version):
                if wanted and election.order(voters, address)[0] not in wanted:
                    continue
                if not self._answered(address):
                    return str(address)
        why = f" that one of {', '.join(sorted(wanted))} would announce" if wanted else ""
        raise Inconclusive(
            f"No pool has a free IPv{version} address{why} to test with.",
            remedy="Free an address, or widen a pool.",
        )

    def foreign(self) -> str:
        """An address that no pool holds: it is for documentation only (RFC 5737, RFC 3849), so it is nobody's."""
        everything = self.pools()
        block = ranges.parse(_NOBODYS[_version(everything)])
        return str(next(each for each in block.addresses() if not any(each in pool for pool in everything)))

    def spare(self, count: int) -> tuple[str, ...]:
        """`count` addresses for pools of the run's own; Inconclusive where there are fewer.

        The profile grants them, or where it names none the provider, which knows the network's free ones.
        """
        named = self.profile.spare_addresses or self.known_spare
        version, taken = _version(self.pools()), self.taken()
        granted = (each for text in named for each in ranges.parse(str(text)).addresses())
        fit = (str(each) for each in granted if each.version == version and each not in taken)
        free = list(islice(fit, count))
        if len(free) < count:
            raise Inconclusive(
                f"Profile {self.profile.name} grants {len(free)} of the {count} IPv{version} addresses that this check "
                "needs.",
                remedy="Name addresses that nobody uses under spare_addresses.",
            )
        return tuple(free)

    def _answered(self, address: Address) -> bool:
        if self.vantage is None or "arp" not in self.vantage.capabilities:
            return False
        return bool(self.vantage.who_answers(str(address), rounds=2, every=0.1).macs)


def _gives(pool: Pool) -> bool:
    """Whether a pool gives to any new service."""
    return pool.auto_assign and pool.allocation is None


def _version(found: Iterable[Pool]) -> int:
    """The family that the checks' services are tested in: IPv4 where a pool that gives to them has it, else IPv6."""
    return min((version for pool in found if _gives(pool) for version in pool.versions), default=4)


def limits_near(
    address: Address, known: Iterable[Pool], advertised: Sequence[Object]
) -> tuple[Mapping[str, Any], ...]:
    """Which nodes and interfaces may announce an address: as the advertisements of the nearest pool say.

    The nearest pool is the one with the nearest address of its family: it is on the same network, if any is.
    """
    covered = [
        (min(_distance(address, part) for part in parts), covering)
        for pool in known
        if (parts := pool.of_version(address.version))
        and (covering := [raw for raw in advertised if advertisements.parse(raw).covers(pool)])
    ]
    found = min(covered, key=lambda each: each[0])[1] if covered else []
    limits = [{key: value for key, value in spec_of(raw).items() if key in _LIMITS} for raw in found]
    return tuple(each for number, each in enumerate(limits) if each not in limits[:number]) or ({},)


def _distance(address: Address, part: ranges.AddressRange) -> int:
    """How far an address is from a range of its own family."""
    return max(int(part.first) - int(address), int(address) - int(part.last), 0)


def _free(pool: Pool, taken: frozenset[Address], version: int) -> Iterator[Address]:
    """The first free addresses of a pool in one family, in order."""
    looked = 0
    for each in pool.of_version(version):
        for address in each.addresses(avoid_buggy=pool.avoid_buggy):
            looked += 1
            if looked > _LOOKED_AT:
                return
            if address not in taken:
                yield address


@dataclass
class OwnPool:
    """A pool of the run's own, and its advertisement where it has one."""

    name: str
    addresses: tuple[str, ...]
    namespace: str
    changes: Changes
    advertised: ExitStack
    limits: tuple[Mapping[str, Any], ...] = ({},)

    def advertise(self) -> None:
        """Create an L2Advertisement of this pool alone, one for each of the `limits`."""
        for number, limits in enumerate(self.limits):
            name = f"{self.name}-{number}" if number else self.name
            made = builders.l2_advertisement(name, namespace=self.namespace, pools=[self.name], limits=limits)
            self.advertised.enter_context(self.changes.created(made))

    def stop_advertising(self) -> None:
        """Delete what advertises the pool now."""
        self.advertised.close()


class OwnPools:
    """Makes pools; each leaves with the check. None serves a service that does not ask for it by name."""

    def __init__(self, changes: Changes, addresses: Addresses, stack: ExitStack) -> None:
        self._changes, self._addresses, self._stack = changes, addresses, stack

    def create(self, *, size: int) -> OwnPool:
        """A pool of `size` spare addresses, with an L2Advertisement of its own."""
        namespace = self._addresses.metallb_namespace
        granted = self._addresses.spare(size)
        listed = self._addresses.api.list(L2_ADVERTISEMENTS, namespace)
        limits = limits_near(ranges.parse_address(granted[0]), self._addresses.pools(), listed)
        name = f"conformance-{self._changes.run_id}-{self._changes.serial()}"
        spans = [f"{one}-{one}" for one in granted]
        made = builders.address_pool(name, namespace=namespace, addresses=spans)
        self._stack.enter_context(self._changes.created(made))
        advertised = self._stack.enter_context(ExitStack())
        pool = OwnPool(name, granted, namespace, self._changes, advertised, limits)
        pool.advertise()
        return pool
