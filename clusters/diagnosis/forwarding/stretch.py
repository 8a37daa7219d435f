"""What was seen of the stretch from the announcing node to the backends of one service, and what that rules out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from clusters.cause_ids import CauseId
from clusters.diagnosis import kube_proxy
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding import policies
from clusters.diagnosis.root_cause import RootCause
from clusters.diagnosis.wire_index import same_family
from clusters.metallb.nodes import Endpoint
from clusters.metallb.services import Service
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import NodePortReach, NodeReach, Reached, Tries, TryEnd
from clusters.subject import Subject

#: So many tries that were all alike say something of more than the one endpoint that one of them meets.
SEVERAL = 3


@dataclass(frozen=True)
class Stretch:
    """The tries at one service's ports that failed, from the node that replies for its address on.

    `node` is that node, empty where nobody knows it.
    """

    facts: Facts
    service: Service
    lost: tuple[Reached, ...]
    node: str

    @property
    def address(self) -> str:
        """The first address of which a port is in trouble."""
        return self.lost[0].address

    @cached_property
    def told(self) -> tuple[str, ...]:
        """How the tries ended, a line for each port."""
        return tuple(f"{one.protocol} {one.address}:{one.port}: {ending(one)}" for one in self.lost)

    @property
    def source(self) -> str:
        """The address that the vantage comes from; empty where it is not known."""
        return self.facts.wire_index.source_to(self.address)

    @property
    def partly(self) -> Reached | None:
        """A port of which some tries were served and others lost."""
        return next((one for one in self.lost if one.partly), None)

    @property
    def silent(self) -> bool:
        """Whether nothing at all came back from any port in trouble, but for what others say by ICMP."""
        return not any(one.replied for one in self.lost)

    @cached_property
    def endpoints(self) -> Mapping[str, int]:
        """How many endpoints that may serve the announcing node can choose among, by their node."""
        found = (each for each in self._of_family if each.servable)
        counted = Counter(each.node or "" for each in found)
        if self.service.local_policy:
            return {self.node: counted[self.node]} if counted[self.node] else {}
        return counted

    @cached_property
    def reach(self) -> NodeReach | None:
        """The tries at the announcing node's own address of the same family, the ones that replied first.

        The other family has ways of its own: what comes back by it says nothing of this one.
        """
        found = [
            one
            for one in self.facts.snapshot.wire.node_reach
            if one.node == self.node
            and same_family(one.address, self.address)
            and self.facts.wire_index.astray(one.address) is None
        ]
        return next((one for one in found if one.replied), found[0] if found else None)

    @cached_property
    def node_ports(self) -> tuple[NodePortReach, ...]:
        """The tries at NodePorts of this service; with policy Local only those of nodes with an endpoint."""
        local = {each.node for each in self.facts.endpoints.get(self.service.key, ()) if each.servable}
        return tuple(
            one
            for one in self.facts.snapshot.wire.node_ports
            if one.service == self.service.key and (not self.service.local_policy or one.node in local)
        )

    @cached_property
    def served_beside(self) -> str:
        """Another address that the same node announces and that is served; empty where there is none."""
        for address in self._beside:
            tries = self.facts.wire_index.of_address.get(address, ())
            if any(one.outcome == ProbeOutcome.ANSWERED for one in tries):
                return address
        return ""

    @cached_property
    def prohibitions(self) -> tuple[TryEnd, ...]:
        """How tries at what this node announces were refused by ICMP, administratively prohibited."""
        if not self.node or self.served_beside or self.partly:
            beside: tuple[Tries, ...] = ()
        else:
            index = self.facts.wire_index.of_address
            beside = tuple(one for address in self.silent_beside for one in index.get(address, ()))
            beside += tuple(one for one in self.facts.snapshot.wire.node_ports if one.node == self.node)
        return tuple(
            end
            for one in (*self.lost, *beside)
            for end in one.ends
            if end.icmp == "admin-prohibited" and self.node
        )

    @cached_property
    def silent_beside(self) -> tuple[str, ...]:
        """Other addresses that the same node announces and at which nothing is served."""
        found = []
        for address in self._beside:
            tries = [
                one for one in self.facts.wire_index.of_address.get(address, ()) if one.protocol == "TCP"
            ]
            if tries and not any(one.replied for one in tries):
                found.append(address)
        return tuple(found)

    @cached_property
    def _beside(self) -> tuple[str, ...]:
        own = {str(each) for each in self.service.ingress}
        alone = self.facts.wire_index.announced_alone.get(self.node, ())
        return tuple(address for address in alone if address not in own)

    @cached_property
    def located(self) -> tuple[str, ...]:
        """Proof that it is the announcing node that passes nothing on; empty where that is not proved."""
        if self.partly or not (self.reach and self.reach.replied) or self.served_beside:
            return ()
        own = [one for one in self.node_ports if one.node == self.node and not one.replied]
        others = [
            one for one in self.node_ports if one.node != self.node and one.outcome == ProbeOutcome.ANSWERED
        ]
        proof = []
        if own and others:
            proof.append(
                f"NodePort {own[0].node_port} of the service is silent on node {self.node} and served on node "
                f"{others[0].node}"
            )
        elsewhere = self._served_elsewhere
        if self.silent_beside and elsewhere:
            proof.append(
                f"nothing is served at {', '.join(self.silent_beside[:3])} either, which node {self.node} announces "
                f"too, and {elsewhere} of another node is served"
            )
        return (self._reached, *proof) if proof else ()

    @property
    def _served_elsewhere(self) -> str:
        served = self.facts.wire_index.served_by.items()
        return next((address for node, address in served if node != self.node), "")

    @property
    def _reached(self) -> str:
        assert self.reach is not None  # asked before
        return f"node {self.node} itself is reached, at port {self.reach.port} of {self.reach.address}"

    def ruled_out(self) -> Iterator[str]:
        """What was looked at and is not the cause, as sentences."""
        if self.reach and self.reach.replied:
            yield self._reached
        if self.served_beside:
            yield f"node {self.node} forwards in general: {self.served_beside}, which it announces too, is served"
        yield from kube_proxy.healthy(self.facts, self.node)
        if self.facts.snapshot.network_policies.ok and self.service.selector and not self.denying:
            yield "no NetworkPolicy that was read keeps these packets from the service's pods"

    @cached_property
    def denying(self) -> tuple[str, ...]:
        """The NetworkPolicies that admit neither the vantage nor the announcing node to the service's pods."""
        seen = self.facts.snapshot
        if not (seen.network_policies.ok and self.service.selector and self.source):
            return ()
        node = self.facts.nodes.get(self.node)
        of_node = [str(each) for each in node.addresses] if node and not self.service.local_policy else []
        if not self.service.local_policy and not of_node:
            return ()
        found = [
            raw
            for raw in seen.network_policies.items
            if raw["metadata"]["namespace"] == self.service.namespace
        ]
        return policies.denying(
            found,
            labels=self.service.selector,
            sources=(self.source, *of_node),
            ports=self._target_ports,
        )

    @property
    def _target_ports(self) -> frozenset[int]:
        """The ports of the pods that stand behind the ports in trouble."""
        troubled = {one.port for one in self.lost}
        entries = self.facts.raw_services[self.service.key]["spec"].get("ports") or ()
        names = {each.get("name") or "" for each in entries if each["port"] in troubled}
        return frozenset(
            port["port"]
            for raw in self.facts.slices.get(self.service.key, ())
            for port in raw.get("ports") or ()
            if port.get("port") and (port.get("name") or "") in names
        )

    @property
    def place(self) -> dict[str, str]:
        """What commands about the stretch name: the service and the announcing node."""
        return self.facts.command_fields(
            namespace=self.service.namespace, service=self.service.name, node=self.node
        )

    def endpoint(self, node: str) -> str:
        """The address of an endpoint of the service on a node, of the family in trouble; empty where there is none."""
        return next(iter(self.every_endpoint(node)), "")

    def every_endpoint(self, node: str) -> tuple[str, ...]:
        """The addresses of all of them: one that is lost beside others that are not is no way to that node."""
        return tuple(each.addresses[0] for each in self._of_family if each.node == node and each.servable)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of all endpoints that the announcing node can choose among."""
        return tuple(address for node in self.endpoints for address in self.every_endpoint(node))

    @property
    def door(self) -> str:
        """The port of the service's pods behind the first port in trouble; empty where it is not known."""
        return next((str(port) for port in sorted(self._target_ports)), "")

    @cached_property
    def _of_family(self) -> tuple[Endpoint, ...]:
        """The service's endpoints of the family in trouble: a service of both has each pod twice."""
        return tuple(
            each
            for each in self.facts.endpoints.get(self.service.key, ())
            if each.addresses and same_family(each.addresses[0], self.address)
        )

    def root(self, cause: CauseId, summary: str, *proof: str) -> RootCause:
        """A cause behind what is lost here, reported of the service, with how the tries ended as its evidence."""
        return RootCause(
            cause=cause,
            subject=Subject.service(self.service.key),
            summary=summary,
            evidence=(*self.told, *proof),
            fields=self.place | {"address": self.address, "port": str(self.lost[0].port)},
        )


def ending(one: Tries) -> str:
    """How tries at one port ended, in words."""
    said = one.detail or one.outcome
    if one.tries > 1:
        return f"{one.lost} of {one.tries} tries lost" + (
            f" ({said})" if said != ProbeOutcome.ANSWERED else ""
        )
    return said
