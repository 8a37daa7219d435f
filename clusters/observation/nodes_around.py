"""What is probed of nodes where a service's port is in trouble: themselves, NodePorts, kube-proxy's health.

Each is a question with an answer that no other has: a node that is silent at its own address is not reached at all;
one whose NodePort serves forwards; a kube-proxy that says that it is behind is behind.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from clusters.metallb import ranges
from clusters.observation import tries
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.limits import Limits
from clusters.observation.snapshot import Json, NodePortReach, NodeReach, ProxyHealth, Snapshot
from clusters.vantage import Target

if TYPE_CHECKING:
    from clusters.vantage import Attempt

_KUBELET, _HEALTHZ = 10250, 10256
_SERVICE_NAME = "kubernetes.io/service-name"


class Door(Protocol):
    """A port of a service, as far as its NodePort is looked at."""

    @property
    def service(self) -> str:
        """Its namespace/name."""
        ...

    @property
    def address(self) -> str:
        """The address that is in trouble."""
        ...

    @property
    def port(self) -> int:
        """The service's port."""
        ...

    @property
    def protocol(self) -> str:
        """TCP, UDP or another."""
        ...

    @property
    def node_port(self) -> int:
        """Its NodePort, 0 for none."""
        ...


@dataclass(frozen=True)
class _Own:
    """One of a node's own addresses."""

    node: str
    address: str
    kind: str
    port: int

    @property
    def version(self) -> int:
        """Its family, 4 or 6."""
        return 6 if ":" in self.address else 4


@dataclass(frozen=True)
class NodeProbes:
    """What is tried of nodes: each group's targets with how often, and what becomes of the attempts."""

    own: tuple[_Own, ...] = ()
    forwarding: tuple[tuple[Door, _Own], ...] = ()
    health: tuple[_Own, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def plan(self) -> list[tuple[Target, int]]:
        """The targets, in the order that `told` takes their attempts in."""
        limits = self.limits
        return [
            *((tries.target(one.address, one.port, "TCP"), limits.node_tries) for one in self.own),
            *(
                (tries.target(one.address, door.node_port, door.protocol), limits.node_port_tries)
                for door, one in self.forwarding
            ),
            *((_healthz(one), 1) for one in self.health),
        ]

    def told(
        self, attempts: Sequence[Sequence[Attempt]]
    ) -> tuple[tuple[NodeReach, ...], tuple[NodePortReach, ...], tuple[ProxyHealth, ...]]:
        """What the attempts amount to."""
        own, rest = attempts[: len(self.own)], attempts[len(self.own) :]
        forwarding, health = rest[: len(self.forwarding)], rest[len(self.forwarding) :]
        return (
            tuple(map(_node_reach, self.own, own)),
            tuple(
                _node_port_reach(door, one, found)
                for (door, one), found in zip(self.forwarding, forwarding, strict=True)
            ),
            tuple(map(_proxy_health, self.health, health)),
        )


class Nodes:
    """The nodes of one Snapshot; `announcers` are the nodes that were heard to answer, by address."""

    def __init__(self, snapshot: Snapshot, announcers: Mapping[str, Sequence[str]]) -> None:
        self.snapshot, self.announcers = snapshot, announcers
        self.addresses = {
            raw["metadata"]["name"]: tuple(_own(raw)) for raw in snapshot.nodes.items if raw.get("status")
        }

    def around(self, trouble: Sequence[Door], limits: Limits) -> NodeProbes:
        """What is probed where these ports are in trouble: announcers first, then nodes with endpoints, then others."""
        first = [node for door in trouble for node in self.announcers.get(door.address, ())]
        nodes = list(dict.fromkeys((*first, *self._serving(trouble), *sorted(self.addresses))))
        nodes = [node for node in nodes if node in self.addresses][: limits.nodes_around]
        own = tuple(one for node in nodes for one in self.addresses[node])
        inside = [[each for each in self.addresses[node] if _internal(each)] for node in nodes]
        health = tuple(each[0] for each in inside if each)
        return NodeProbes(
            own=own,
            forwarding=tuple(self._forwarding(trouble, nodes, limits))[: limits.node_ports],
            health=health,
            limits=limits,
        )

    def _forwarding(
        self, trouble: Sequence[Door], nodes: Sequence[str], limits: Limits
    ) -> Iterator[tuple[Door, _Own]]:
        """Each port's NodePort on its announcers and on some others, services in turn."""
        for door in trouble:
            if not door.node_port or door.protocol not in tries.PROTOCOLS:
                continue
            announcers = [node for node in self.announcers.get(door.address, ()) if node in self.addresses]
            serving = [node for node in self._serving([door]) if node in self.addresses]
            others = [node for node in dict.fromkeys((*serving, *nodes)) if node not in announcers]
            for node in (*announcers, *others[: limits.other_nodes]):
                version = 6 if ":" in door.address else 4
                yield from (
                    (door, one) for one in self.addresses[node] if _internal(one) and one.version == version
                )

    def _serving(self, trouble: Iterable[Door]) -> Iterator[str]:
        """Nodes with endpoints of these services."""
        wanted = dict.fromkeys(door.service for door in trouble)
        for raw in self.snapshot.endpoint_slices.items:
            about = raw["metadata"]
            if f"{about['namespace']}/{(about.get('labels') or {}).get(_SERVICE_NAME, '')}" in wanted:
                for endpoint in raw.get("endpoints") or ():
                    if node := endpoint.get("nodeName"):
                        yield node


def _own(raw: Json) -> Iterator[_Own]:
    status = raw["status"]
    endpoint = (status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}
    seen = set()
    for entry in status.get("addresses") or ():
        try:
            address = str(ranges.parse_address(entry["address"]))
        except ranges.AddressError:
            continue  # a host name
        if address not in seen:
            seen.add(address)
            yield _Own(raw["metadata"]["name"], address, entry["type"], endpoint.get("Port") or _KUBELET)


def _internal(one: _Own) -> bool:
    return one.kind == "InternalIP"


def _healthz(one: _Own) -> Target:
    return Target(address=one.address, port=_HEALTHZ, protocol="http", path="/healthz")


def _node_reach(one: _Own, attempts: Sequence[Attempt]) -> NodeReach:
    return NodeReach(
        node=one.node, address=one.address, kind=one.kind, port=one.port, **tries.summed(attempts, "TCP")
    )


def _node_port_reach(door: Door, one: _Own, attempts: Sequence[Attempt]) -> NodePortReach:
    return NodePortReach(
        service=door.service,
        port=door.port,
        protocol=door.protocol,
        node=one.node,
        address=one.address,
        node_port=door.node_port,
        **tries.summed(attempts, door.protocol),
    )


def _proxy_health(one: _Own, attempts: Sequence[Attempt]) -> ProxyHealth:
    said = attempts[0] if attempts else None
    status, behind = (_status(said.ok, said.error), _behind(said.server)) if said else (0, None)
    summed = tries.summed(attempts, "TCP")
    if status:
        summed |= {"outcome": ProbeOutcome.ANSWERED, "lost": 0}
    return ProxyHealth(
        node=one.node, address=one.address, port=_HEALTHZ, status=status, behind=behind, **summed
    )


def _status(ok: bool, error: str) -> int:  # noqa: FBT001 - two fields of one attempt
    """The HTTP status of an attempt; one that is served is 2xx or 3xx, which for /healthz is 200."""
    if ok:
        return 200
    number = error.removeprefix("http ")
    return int(number) if error.startswith("http ") and number.isascii() and number.isdecimal() else 0


def _behind(text: str) -> float | None:
    """Seconds from the last update to now, both by kube-proxy's own clock."""
    try:
        said: Any = json.loads(text)
        now, last = (dt.datetime.fromisoformat(_plain(said[key])) for key in ("currentTime", "lastUpdated"))
        return max(0.0, round((now - last).total_seconds(), 3))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _plain(text: str) -> str:
    """A time as Go prints it (2026-11-30 18:00:00.123456789 +0000 UTC m=+5.0) as RFC 3339; another one as it is."""
    if " " not in text:
        return text
    day, clock, offset = text.split(" ")[:3]
    whole, _, fraction = clock.partition(".")
    return f"{day}T{whole}.{fraction[:6]:0<6}{offset[:3]}:{offset[3:5]}"
