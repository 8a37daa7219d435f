"""Which ports of services are reached from a vantage, and, where one is in trouble, what tells its causes apart.

A first pass tries every port a few times. Ports of which a try was lost are tried again, more often, and beside them
the nodes themselves, their NodePorts and kube-proxy's own word: each from the vantage, as a client would, none from a
node. How fast is a budget (`tries_apart`), how many of everything is in `Limits`. Where a port loses some tries and
serves others, the lost ones are made again, more slowly: what is lost for good has met an endpoint, or whatever else
goes by the connection; what is lost for its pace is not lost then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from clusters import budgets
from clusters.observation import tries
from clusters.observation.limits import Limits
from clusters.observation.nodes_around import NodeProbes
from clusters.observation.snapshot import (
    Json,
    NodePortReach,
    NodeReach,
    ProxyHealth,
    Reached,
    Snapshot,
)

if TYPE_CHECKING:
    from clusters.vantage import Attempt, Target, Vantage

#: So many times as slowly tries are made again that were lost beside others that were served, and each waits for such a
#: part of the time: a lost SYN is sent again once within either, after a second.
_SLOWER, _SHORTER = 50, 0.6
#: The golden ratio's fraction: its multiples are spread evenly, whatever the distance of two observations in time.
_SPREAD = 0.6180339887498949


@dataclass(frozen=True)
class Door:
    """One port of one address of a service; `node_port` is 0 where it has none."""

    service: str
    address: str
    port: int
    protocol: str
    node_port: int = 0


def doors(services: Iterable[Json]) -> Iterator[Door]:
    """Every port of every address that a service holds."""
    for service in services:
        key = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        for entry in (service["status"].get("loadBalancer") or {}).get("ingress") or ():
            for port in service["spec"].get("ports") or () if entry.get("ip") else ():
                protocol = port.get("protocol") or "TCP"
                yield Door(key, entry["ip"], port["port"], protocol, port.get("nodePort") or 0)


def addresses(snapshot: Snapshot, about: str) -> tuple[str, ...]:
    """The addresses of the service that `about` names, by its namespace/name or by one of them."""
    found: dict[str, dict[str, None]] = {}
    for service in snapshot.services.items:
        key = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        for entry in (service["status"].get("loadBalancer") or {}).get("ingress") or ():
            if entry.get("ip"):
                found.setdefault(key, {})[entry["ip"]] = None
    return tuple(address for key, held in found.items() if about == key or about in held for address in held)


def chosen(snapshot: Snapshot, limits: Limits, *, about: str = "") -> tuple[tuple[Door, ...], int]:
    """The ports to be tried in this observation, and how many there are.

    Within the limit that is all. Beyond it three in four are the same each time, consumers' ports first, and the
    others take turns by the time of the observation: each of them is tried in one observation or another. Where it is
    `about` one service, its ports come first, and the limit is lower.
    """
    every = tuple(doors(snapshot.services.items))
    most = limits.reached_beside if about else limits.reached
    if len(every) <= most:
        return every, len(every)
    known = {f"{each.namespace}/{each.name}" for each in snapshot.expectations.consumers}
    asked = set(addresses(snapshot, about)) if about else set()
    ranked = sorted(every, key=lambda door: (door.address not in asked, door.service not in known))
    fixed = min(most, max(most * 3 // 4, sum(door.address in asked for door in every)))
    rest = ranked[fixed:]
    seconds = dt.datetime.fromisoformat(snapshot.taken_at).timestamp()
    start = int(seconds * _SPREAD % 1 * len(rest))
    turn = (rest[start:] + rest[:start])[: most - fixed]
    return (*ranked[:fixed], *turn), len(every)


@dataclass(frozen=True)
class Found:
    """What all tries of one look told."""

    reached: tuple[Reached, ...] = ()
    node_reach: tuple[NodeReach, ...] = ()
    node_ports: tuple[NodePortReach, ...] = ()
    proxy_health: tuple[ProxyHealth, ...] = ()


class Around(Protocol):
    """What tells which nodes are probed where ports are in trouble; asked only then."""

    def around(self, trouble: Sequence[Door], limits: Limits) -> NodeProbes:
        """The probes beside the tries at these ports."""
        ...


class Reaching:
    """The tries of one look from one vantage."""

    def __init__(self, vantage: Vantage, limits: Limits) -> None:
        self.vantage, self.limits = vantage, limits
        self.every = budgets.seconds(budgets.TRIES_APART)
        self.timeout = budgets.seconds(budgets.PROBE_ANSWERED)

    def ports(self, wanted: Sequence[Door], nodes: Around | None) -> Found:
        """Every port, and what surrounds those in trouble; without `nodes` nothing does."""
        first = self._tried(wanted, self._first_count(len(wanted)))
        trouble = tuple(
            door for door, found in zip(wanted, first, strict=True) if tries.in_trouble(found, door.protocol)
        )[: self.limits.tries_in_trouble]
        if not trouble:
            return Found(reached=tuple(map(_reached, wanted, first)))
        around = nodes.around(trouble, self.limits) if nodes else NodeProbes()
        often = max(1, min(self.limits.tries_at_most, self.limits.tries_in_trouble // len(trouble)))
        plan = [(tries.target(door.address, door.port, door.protocol), often) for door in trouble]
        found = self.vantage.try_all([*plan, *around.plan], every=self.every, timeout=self.timeout)
        second = dict(zip(trouble, found, strict=False))
        slowly, slow = self._slowly(second)
        for door, burst in self._fast_again([door for door, one in slowly.items() if not _lost(one)]).items():
            missed = sum(not one.ok for one in burst)
            if missed:
                slowly[door] |= {"burst": len(burst), "burst_lost": missed}
            else:  # it was a glitch, of both passes, such as an announcer that was lost meanwhile
                second[door] = burst
                del slowly[door]
        every = {
            door: (*before, *second.get(door, ()), *slow.get(door, ()))
            for door, before in zip(wanted, first, strict=True)
        }
        attempts = [_told(before, second.get(door, ())) for door, before in zip(wanted, first, strict=True)]
        node_reach, node_ports, health = around.told(found[len(plan) :])
        return Found(
            reached=tuple(
                replace(
                    _reached(door, found),
                    refusals=tries.refusals(every[door], door.protocol),
                    **slowly.get(door, {}),
                )
                for door, found in zip(wanted, attempts, strict=True)
            ),
            node_reach=node_reach,
            node_ports=node_ports,
            proxy_health=health,
        )

    def _slowly(
        self, attempts: Mapping[Door, Sequence[Attempt]]
    ) -> tuple[dict[Door, dict[str, Any]], dict[Door, tuple[Attempt, ...]]]:
        """What became of the lost tries at ports that lose some of them, made again, by the port, and these tries."""
        partly = {
            door: [one.source for one in found if not one.ok and one.source][: self.limits.tries_again]
            for door, found in attempts.items()
            if door.protocol == "TCP" and any(one.ok for one in found)
        }
        doors = [door for door, sources in partly.items() if len(sources) > 1][: self.limits.partly_lost]
        if not doors:
            return {}, {}
        plan: list[tuple[Target, int]] = []
        for door in doors:
            fresh = tries.target(door.address, door.port, door.protocol)
            plan.append((fresh, self.limits.tries_slower))
            plan += [(replace(fresh, source=source), 1) for source in partly[door]]
        apart = self.every * _SLOWER / len(doors)
        ended = iter(self.vantage.try_all(plan, every=apart, timeout=self.timeout * _SHORTER))
        found: dict[Door, dict[str, Any]] = {}
        made: dict[Door, tuple[Attempt, ...]] = {}
        for door in doors:
            slower = next(ended)
            again = [one for _ in partly[door] for one in next(ended) if one.source]
            made[door] = (*slower, *again)
            found[door] = {
                "again": len(again),
                "again_lost": sum(not one.ok for one in again),
                "slower": len(slower),
                "slower_lost": sum(not one.ok for one in slower),
            }
        return found, made

    def _fast_again(self, doors: Sequence[Door]) -> dict[Door, tuple[Attempt, ...]]:
        """As many tries as before and as fast, at ports that lost none at the slower pace: it may be over."""
        if not doors:
            return {}
        plan = [
            (tries.target(door.address, door.port, door.protocol), self.limits.tries_at_most)
            for door in doors
        ]
        return dict(
            zip(doors, self.vantage.try_all(plan, every=self.every, timeout=self.timeout), strict=True)
        )

    def _first_count(self, ports: int) -> int:
        """How often each port is tried at first: more often where there are few, for it costs nothing there."""
        few = self.limits.tries_at_first // max(ports, 1)
        return min(self.limits.tries_at_most, max(self.limits.tries_at_least, few))

    def _tried(self, wanted: Sequence[Door], count: int) -> list[tuple[Attempt, ...]]:
        able = [door for door in wanted if door.protocol in tries.PROTOCOLS]
        if not able:
            return [() for _ in wanted]
        plan: list[tuple[Target, int]] = [
            (tries.target(door.address, door.port, door.protocol), count) for door in able
        ]
        found = self.vantage.try_all(plan, every=self.every, timeout=self.timeout)
        by_door: Mapping[Door, tuple[Attempt, ...]] = dict(zip(able, found, strict=True))
        return [by_door.get(door, ()) for door in wanted]


def _lost(slowly: Mapping[str, Any]) -> int:
    return int(slowly["again_lost"]) + int(slowly["slower_lost"])


def _told(first: Sequence[Attempt], second: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """The second, more numerous tries where there are any.

    Where all of them are lost, those of the first that somebody refused by ICMP are told too: a kernel sends few such
    messages a second, and may have sent them all to the first ones.
    """
    if not second or any(one.ok for one in second):
        return tuple(second or first)
    return (*second, *(one for one in first if one.icmp))


def _reached(door: Door, attempts: Sequence[Attempt]) -> Reached:
    return Reached(
        service=door.service,
        address=door.address,
        port=door.port,
        protocol=door.protocol,
        **tries.summed(attempts, door.protocol),
    )
