"""Whose a hardware address is: what one observation knows of it, from every source that tells, and how sure that is.

A hardware address is a node's if one of the node's own addresses was answered by it, or the profile says so. Where the
addresses of services are on a network on which nodes have no address that Kubernetes knows (a card of its own), two
more sources tell: the speaker whose count of answers moved while the vantage asked, and the node that a ServiceL2Status
names. A second card of a node answers for whatever that node answers for.
One that answers for several nodes is nobody's: a bridge or a router stands between, and from there nobody can be told
from another. And one that is no known node's is a host outside of the cluster only where all nodes are known there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from clusters.metallb.install import component_of
from clusters.metallb.ranges import AddressError, parse_address
from clusters.observation.field_types import Purpose
from clusters.observation.snapshot import Heard, Json, Snapshot


@dataclass(frozen=True, kw_only=True)
class NodeMacs:
    """What is known of hardware addresses.

    `nodes` maps one to its node, and `proofs` says by what. `shared` are those that several nodes answer with.
    `strange` are those that are proved to be of no node, of those that answered for a service's address.
    """

    nodes: Mapping[str, str] = field(default_factory=dict)
    proofs: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strange: frozenset[str] = frozenset()

    def tellable(self, macs: Iterable[str]) -> bool:
        """Whether it is known of each of these whose it is, or that it is no node's."""
        return all(mac in self.nodes or mac in self.strange for mac in macs)


def learn(snapshot: Snapshot) -> NodeMacs:
    """What one observation knows of hardware addresses."""
    return _Learning(snapshot).result()


def unclear(snapshot: Snapshot) -> bool:
    """Whether speakers' counts of answers would tell more: somebody answers who is not known yet."""
    known = learn(snapshot)
    return not all(
        known.tellable(heard.macs) for heard in snapshot.wire.heard if heard.purpose is Purpose.ASSIGNED
    )


def own_addresses(node: Json) -> Iterator[str]:
    """Every IP address of Node.status."""
    for entry in (node.get("status") or {}).get("addresses") or ():
        try:
            yield str(parse_address(entry["address"]))
        except AddressError:
            continue  # a host name


class _Learning:
    """One observation's hardware addresses, source by source, the strongest first."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.heard = snapshot.wire.heard
        self.node_of = {
            address: raw["metadata"]["name"] for raw in snapshot.nodes.items for address in own_addresses(raw)
        }
        #: The networks of the vantage: its own address on each, by the address that was asked for there.
        self.network = {route.address: route.source for route in snapshot.wire.routes if route.on_link}
        self.found: dict[str, dict[str, str]] = {}

    def result(self) -> NodeMacs:
        """All sources together."""
        for mac, node in self._listed():
            self._note(mac, node, f"the profile says that it is node {node}'s")
        for heard in self._of(Purpose.NODE):
            for mac in heard.macs:
                if own := self.node_of.get(heard.address):
                    self._note(mac, own, f"it answers for {heard.address}, an address of node {own}")
        sure = frozenset(self.found)
        self._by_counts(sure)
        self._by_statuses(frozenset(self.found))
        self._by_company()
        return NodeMacs(
            nodes={mac: next(iter(nodes)) for mac, nodes in self.found.items() if len(nodes) == 1},
            proofs={mac: next(iter(nodes.values())) for mac, nodes in self.found.items() if len(nodes) == 1},
            shared={mac: tuple(sorted(nodes)) for mac, nodes in self.found.items() if len(nodes) > 1},
            strange=frozenset(self._strange()),
        )

    def _note(self, mac: str, node: str, proof: str) -> None:
        self.found.setdefault(mac.lower(), {}).setdefault(node, proof)

    def _of(self, purpose: Purpose) -> Iterator[Heard]:
        return (heard for heard in self.heard if heard.purpose is purpose)

    def _listed(self) -> Iterator[tuple[str, str]]:
        for node, macs in self.snapshot.expectations.macs.items():
            for mac in macs:
                yield mac, node

    def _by_counts(self, sure: frozenset[str]) -> None:
        """The one speaker that has answered meanwhile, where one host that is not known has answered."""
        nodes: dict[str, str] = {
            raw["metadata"]["name"]: raw["spec"].get("nodeName") or "" for raw in self.snapshot.pods.items
        }
        moved: dict[str, set[str]] = {}
        for count in self.snapshot.answer_counts.counts:
            if count.moved and (node := nodes.get(count.pod)):
                moved.setdefault(count.address, set()).add(node)
        for heard in self._of(Purpose.ASSIGNED):
            nodes_left = moved.get(heard.address, set()) - self._nodes_of(heard.macs)
            left = [mac for mac in heard.macs if mac not in sure]
            if len(left) == 1 and len(nodes_left) == 1:
                announcing = next(iter(nodes_left))
                self._note(
                    left[0],
                    announcing,
                    f"the speaker on {announcing} counted the answers for {heard.address}",
                )

    def _by_statuses(self, known: frozenset[str]) -> None:
        """The node that ServiceL2Status names, for the one host that answers on a network where no node is known."""
        announcing = self._announcing()
        named = self._named_networks(known)
        for heard in self._of(Purpose.ASSIGNED):
            nodes = announcing.get(heard.address, set())
            if len(heard.macs) != 1 or len(nodes) != 1 or heard.macs[0] in known:
                continue
            if self.network.get(heard.address) not in named:
                (node,) = nodes
                self._note(
                    heard.macs[0], node, f"ServiceL2Status names {node} as the announcer of {heard.address}"
                )

    def _by_company(self) -> None:
        """A second card: it answers for all the addresses, more than one, that one node answers for, and no others."""
        free = {mac for heard in self._of(Purpose.FREE) for mac in heard.macs}
        answered: dict[str, set[str]] = {}
        beside: dict[str, list[set[str]]] = {}
        for heard in self._of(Purpose.ASSIGNED):
            nodes = self._nodes_of(heard.macs)
            for node in nodes:
                answered.setdefault(node, set()).add(heard.address)
            for mac in heard.macs:
                if mac not in self.found:
                    beside.setdefault(mac, []).append(nodes)
        for mac, companies in beside.items():
            node, *others = set().union(*companies) or {""}
            if mac in free or others or len(companies) < 2 or len(answered.get(node, ())) != len(companies):
                continue
            if all(companies):
                self._note(
                    mac, node, f"it answers for all addresses that node {node} answers for, and no others"
                )

    def _announcing(self) -> dict[str, set[str]]:
        """The nodes that ServiceL2Statuses name, by the address of their service."""
        services = {
            (raw["metadata"]["namespace"], raw["metadata"]["name"]): raw
            for raw in self.snapshot.services.items
        }
        found: dict[str, set[str]] = {}
        for raw in self.snapshot.service_l2_statuses.items:
            status = raw.get("status") or {}
            service = services.get((status.get("serviceNamespace"), status.get("serviceName")))
            ingress = ((service or {}).get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
            for entry in ingress:
                if entry.get("ip") and status.get("node"):
                    found.setdefault(entry["ip"], set()).add(status["node"])
        return found

    def _nodes_of(self, macs: Iterable[str]) -> set[str]:
        return {node for mac in macs for node in self.found.get(mac, ())}

    def _named_networks(self, known: frozenset[str]) -> set[str]:
        """The networks of the vantage on which a node is known by a hardware address of its own."""
        return {
            self.network[heard.address]
            for heard in self.heard
            if heard.address in self.network and any(mac in known for mac in heard.macs)
        }

    def _strange(self) -> Iterator[str]:
        """Those of no node: on their network every node that could announce replies for its own address, or is listed.

        One that does not may be there all the same: a kernel that takes the vantage's address for a wrong one
        (rp_filter) replies to nothing, and the speaker beside it does.
        """
        replied = {heard.address for heard in self._of(Purpose.NODE) if heard.macs}
        listed = {node for _, node in self._listed()}
        complete: dict[str, bool] = {}
        for heard in self._of(Purpose.ASSIGNED):
            network = self.network.get(heard.address, "")
            if network not in complete:
                there = {
                    node
                    for address, node in self.node_of.items()
                    if self.network.get(address) == network and address in replied
                }
                complete[network] = self._announcing_nodes() <= there | listed
            if complete[network]:
                yield from (mac for mac in heard.macs if mac not in self.found)

    def _announcing_nodes(self) -> set[str]:
        """The nodes that have a speaker; all nodes where the pods were not read."""
        if not self.snapshot.pods.known:
            return {raw["metadata"]["name"] for raw in self.snapshot.nodes.items}
        placed = {
            raw["spec"].get("nodeName") or ""
            for raw in self.snapshot.pods.items
            if component_of(raw) == "speaker"
        }
        return placed - {""}
