"""What the wire said, by address and by service: who answers, whose address that is, what was reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network

from clusters.metallb.nodes import Node
from clusters.observation.field_types import ProbeOutcome, Purpose
from clusters.observation.node_macs import NodeMacs
from clusters.observation.snapshot import Believed, Heard, Reached, Route, WireView

#: So many tries at one port that are lost beside others that are served are no chance any more.
MOST_LOST = 2


@dataclass(frozen=True, order=True)
class Responder:
    """A host that replies to ARP or NDP for an address: a node by its name, or one of which only the MAC is known."""

    node: str = ""
    mac: str = ""

    def __str__(self) -> str:
        return self.node or self.mac

    @property
    def named(self) -> str:
        """As a sentence names it."""
        return f"node {self.node}" if self.node else f"a host with MAC {self.mac}"


def same_family(one: str, other: str) -> bool:
    """Whether two addresses are both IPv4 or both IPv6."""
    return ip_address(one).version == ip_address(other).version


def outside(responders: Iterable[Responder]) -> tuple[Responder, ...]:
    """Those that are no node of the cluster."""
    return tuple(each for each in responders if not each.node)


class WireIndex:
    """The wire of one Snapshot, indexed. `nodes` are the cluster's, by name."""

    def __init__(self, wire: WireView, nodes: Mapping[str, Node], macs: NodeMacs) -> None:
        self.wire, self.nodes, self.macs = wire, nodes, macs

    @property
    def asked(self) -> bool:
        """Whether a segment was asked and its silence means something."""
        return self.wire.ok and self.wire.control_ok

    @property
    def node_of_mac(self) -> Mapping[str, str]:
        """Whose a hardware address is, by every source that tells (`clusters.observation.node_macs`)."""
        return self.macs.nodes

    @cached_property
    def assigned(self) -> Mapping[str, Heard]:
        """What was heard for assigned addresses. Empty of those that are not on a segment of the vantage."""
        return {heard.address: heard for heard in self.wire.heard if heard.purpose is Purpose.ASSIGNED}

    @cached_property
    def free(self) -> tuple[Heard, ...]:
        """What was heard for free addresses."""
        return tuple(heard for heard in self.wire.heard if heard.purpose is Purpose.FREE)

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        """How the vantage reaches the addresses that it was asked about."""
        return {route.address: route for route in self.wire.routes}

    def source_to(self, address: str) -> str:
        """The vantage's own address where it reaches another one: what the way back leads to; empty where unknown."""
        route = self.routes.get(address)
        return route.source if route else ""

    def own_network(self, address: str) -> str:
        """The network of the vantage's own that an address lies in; empty where it lies in none, or none is known."""
        wanted = ip_address(address)
        return next((each for each in self.wire.networks if wanted in ip_network(each)), "")

    @cached_property
    def _believed(self) -> Mapping[str, Believed]:
        return {one.address: one for one in self.wire.believed}

    @cached_property
    def _heard(self) -> Mapping[str, Heard]:
        return {one.address: one for one in self.wire.heard if one.purpose is not Purpose.FREE}

    def astray(self, address: str) -> Believed | None:
        """Another host than any that replies for an address, to which the vantage's kernel sends; None for none.

        Where nobody could be asked, that is an entry made by hand with a MAC that is no node's.
        """
        entry, heard = self._believed.get(address), self._heard.get(address)
        if entry is None or not entry.mac or not self.node_of_mac:
            return None
        if heard is None or not heard.macs:
            by_hand = entry.state == "permanent" and entry.mac not in self.node_of_mac
            every_node = set(self.nodes) <= set(self.node_of_mac.values())
            return entry if by_hand and self.wire.by_kernel and every_node else None
        return None if set(self.behind((entry.mac,))) <= set(self.behind(heard.macs)) else entry

    def never_asked(self, address: str) -> bool:
        """Whether the vantage's kernel was to send to an address that is replied for, and has not asked who has it."""
        entry, heard = self._believed.get(address), self._heard.get(address)
        return entry is not None and entry.state == "absent" and bool(heard and heard.macs) and self.asked

    @cached_property
    def reached(self) -> Mapping[str, tuple[Reached, ...]]:
        """The tries to reach each service's ports."""
        found: dict[str, list[Reached]] = {}
        for one in self.wire.reached:
            found.setdefault(one.service, []).append(one)
        return {service: tuple(tries) for service, tries in found.items()}

    @cached_property
    def of_address(self) -> Mapping[str, tuple[Reached, ...]]:
        """The tries to reach each address, whichever service holds it."""
        found: dict[str, list[Reached]] = {}
        for one in self.wire.reached:
            found.setdefault(one.address, []).append(one)
        return {address: tuple(tries) for address, tries in found.items()}

    @cached_property
    def announced_alone(self) -> Mapping[str, tuple[str, ...]]:
        """By node, the assigned addresses for which it alone replies."""
        found: dict[str, list[str]] = {}
        for address in self.assigned:
            hosts = self.responders(address) or ()
            if len(hosts) == 1 and hosts[0].node:
                found.setdefault(hosts[0].node, []).append(address)
        return {node: tuple(addresses) for node, addresses in found.items()}

    @cached_property
    def served_by(self) -> Mapping[str, str]:
        """By node, an address for which it alone replies and that is served."""
        found = {}
        for node, addresses in self.announced_alone.items():
            served = (one for address in addresses for one in self.of_address.get(address, ()))
            if first := next((one.address for one in served if one.outcome is ProbeOutcome.ANSWERED), ""):
                found[node] = first
        return found

    def proxies(self, address: str) -> tuple[Responder, ...]:
        """Who replies for an address only to an asker with an address of its own: on behalf of others."""
        heard = self._addresses.get(address)
        return self.behind(heard.by_proxy) if heard and self.asked else ()

    def router(self, mac: str) -> str:
        """The gateway of the vantage that a hardware address is of; empty where it is none's."""
        gateways = {route.gateway for route in self.wire.routes}
        return next(
            (one.address for one in self.wire.believed if one.mac == mac and one.address in gateways), ""
        )

    @cached_property
    def _addresses(self) -> Mapping[str, Heard]:
        return {one.address: one for one in self.wire.heard}

    def responders(self, address: str) -> tuple[Responder, ...] | None:
        """Who replies for an assigned address, sorted. None if nobody was asked.

        None as well where no host can be told from a node: no node is known, or whose a MAC is.
        """
        heard = self.assigned.get(address)
        if heard is None or not self.asked or not self.nodes or not self.macs.tellable(heard.macs):
            return None
        return self.behind(heard.macs)

    def behind(self, macs: Iterable[str]) -> tuple[Responder, ...]:
        """The hosts behind hardware addresses, sorted."""
        found = {
            Responder(node=node) if (node := self.node_of_mac.get(mac)) else Responder(mac=mac)
            for mac in macs
        }
        return tuple(sorted(found))

    @cached_property
    def losing(self) -> tuple[str, ...]:
        """The nodes' own addresses at which some tries were lost and others not: then the vantage loses them.

        Not those of a node on whose way much is lost while nothing is on the way to another: no vantage does that.
        """
        return tuple(
            one.address for one in self.wire.node_reach if one.partly and not self.lossy_way(one.address)
        )

    def lossy_way(self, address: str) -> str:
        """Another node's own address that is always reached, where too many tries at this node's are lost; else ""."""
        own = next((one for one in self.wire.node_reach if one.address == address), None)
        if own is None or not own.partly or own.lost < MOST_LOST:
            return ""
        return next(
            (
                one.address
                for one in self.wire.node_reach
                if one.node != own.node and one.replied and one.tries >= own.tries
                and not any(end.outcome is ProbeOutcome.TIMEOUT for end in one.ends)
                and same_family(one.address, address)
            ),
            "",
        )  # fmt: skip

    @cached_property
    def leaking(self) -> tuple[Reached, ...]:
        """The ports that serve and at which too many tries were lost, whatever loses them."""
        return tuple(one for one in self.wire.reached if _leaks(one))

    def unreached(self, service: str) -> tuple[Reached, ...]:
        """The tries that failed, or too many of which were lost. Silence over UDP proves nothing and is left out.

        A vantage that loses tries at nodes themselves says nothing by those that it loses at a port that serves.
        """
        return tuple(
            one
            for one in self.reached.get(service, ())
            if one.outcome.failed or (_leaks(one) and not self.losing)
        )


def _leaks(one: Reached) -> bool:
    """Whether too many tries at a port that serves were lost for it to be chance: one may be lost on a busy machine."""
    return one.protocol == "TCP" and one.partly and one.lost >= MOST_LOST
