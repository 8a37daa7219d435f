"""What a vantage outside the cluster saw: ways, who answers for which address, which ports are reached."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.observation.consumer_records import ConsumerAnswer
from clusters.observation.field_types import Address, Count, NoAddress, Purpose
from clusters.observation.parts import Part
from clusters.observation.probe_records import NodePortReach, NodeReach, ProxyHealth, Reached


@dataclass(frozen=True, kw_only=True)
class Route:
    """How the vantage reaches an address: `on_link` on its own segment; `problem` says why not at all.

    `source` is the address that it comes from then.
    """

    address: Address
    on_link: bool = False
    gateway: Address | NoAddress = ""
    source: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Which hardware addresses answered for one address that was asked for on the wire.

    `purpose` is "assigned" (a service holds it), "free" (a pool could give it away) or "node" (a node's own,
    which teaches whose hardware address is whose). `macs` is empty where nobody answered. `pool` is set for
    free addresses.
    """

    address: Address
    purpose: Purpose
    macs: tuple[str, ...] = ()
    pool: str = ""


@dataclass(frozen=True, kw_only=True)
class PoolShare:
    """How many of one pool's free addresses were asked for on the wire, and how many there are."""

    pool: str
    asked: Count
    free: Count


@dataclass(frozen=True, kw_only=True)
class WireView(Part):
    """What a vantage outside the cluster saw.

    `control` is the sentence that says why the capture can be trusted, and `control_ok` whether it can:
        without it nobody's silence means anything. `by_kernel` says that the segment was not asked by this project
    but by the vantage's kernel, which tells one machine an address. `routes` are those to services' addresses,
    to pools' first addresses and to the nodes, and one by each gateway; only what is on a segment of the
    vantage was asked for. `place` is the vantage's name, also of one that sees nothing of the wire: a pod.
    `ports` is how many ports of services there are: beyond a limit some were tried in this observation and others will
    be in the next ones. `node_reach`, `node_ports` and `proxy_health` are empty where no port was in trouble.
    `consumers` are the answers of those that the profile names.
    """

    place: str = ""
    routes: tuple[Route, ...] = ()
    control_ok: bool = False
    control: str = ""
    heard: tuple[Heard, ...] = ()
    reached: tuple[Reached, ...] = ()
    shares: tuple[PoolShare, ...] = ()
    by_kernel: bool = False
    ports: Count = 0
    node_reach: tuple[NodeReach, ...] = ()
    node_ports: tuple[NodePortReach, ...] = ()
    proxy_health: tuple[ProxyHealth, ...] = ()
    consumers: tuple[ConsumerAnswer, ...] = ()
