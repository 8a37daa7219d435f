"""Why nothing, or not everything, comes back from an address that the right node replies for.

A cause is named only where its own link is proved broken. Where none is, one of the two neutral causes is named
(`undecided`). Of what is lost in part `partial_loss` says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.checks import Candidate
from clusters.checks.causes import Effect, having
from clusters.diagnosis import kube_proxy
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding import undecided
from clusters.diagnosis.forwarding.partial_loss import PartialLoss
from clusters.diagnosis.forwarding.stretch import SEVERAL, Stretch, ending
from clusters.diagnosis.root_cause import KnownCauses, RootCause
from clusters.diagnosis.wire_index import same_family
from clusters.metallb.ranges import within
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import Reached
from clusters.subject import Subject

#: How a node says that it knows no way on.
_NO_WAY = frozenset({"network-unreachable", "host-unreachable"})
#: How tries end that were refused or cut off by whoever was reached.
_TURNED_AWAY = frozenset({ProbeOutcome.REFUSED, ProbeOutcome.BROKEN})


class Forwarding:
    """Explains what is lost behind an address. `known` are the causes known so far."""

    def __init__(self, facts: Facts, known: KnownCauses) -> None:
        self.facts, self.known = facts, known
        self._partial_loss = PartialLoss(facts, self.root)

    def root(self, stretch: Stretch, *others: Candidate) -> RootCause:
        """The first of these causes that is proved, else a neutral one, with candidates from before that stretch."""
        finders: tuple[Callable[[Stretch], RootCause | None], ...] = (
            self._source, self._dead_node, self._node, self._prohibited, self._wayless, self._policy, self._refused,
            self._proxy, self._partial_loss.root,
        )  # fmt: skip
        found = next((root for find in finders if (root := find(stretch))), None)
        return found or undecided.nothing_comes_back(stretch, others)

    def _source(self, stretch: Stretch) -> RootCause | None:
        """What comes from outside a service's loadBalancerSourceRanges is dropped, as it is meant to be."""
        spec = self.facts.raw_services[stretch.service.key].get("spec", {})
        allowed, source = spec.get("loadBalancerSourceRanges") or (), stretch.source
        if not allowed or not stretch.silent or within(source, allowed):
            return None
        client = f"the vantage, {source}, is" if source else "the vantage may be"
        return stretch.root(
            CauseId.SOURCE_NOT_ALLOWED,
            f"{stretch.address} serves clients of {', '.join(allowed)} only, and {client} none of them.",
        )

    def _dead_node(self, stretch: Stretch) -> RootCause | None:
        """Endpoints that count as ready are on a node that is not; other nodes' endpoints would have been met."""
        nodes = stretch.endpoints.keys()
        for cause in having(Effect.LOSES_NODE):
            for root in self.known.get(cause, ()):
                only = not nodes - {root.subject.name} or any(one.tries < SEVERAL for one in stretch.lost)
                if root.subject.is_node_of(nodes) and (only or stretch.partly):
                    return root
        return None

    def _node(self, stretch: Stretch) -> RootCause | None:
        """Nothing at all comes back from the announcing node, at its own address either, and it does from others."""
        beside = [one for one in stretch.node_ports if one.node == stretch.node and one.replied]
        if not stretch.silent or not stretch.node or stretch.served_beside or beside:
            return None
        health = self.facts.snapshot.wire.proxy_health
        if any(one.replied for one in health if one.node == stretch.node):
            return None
        return self.unreached_node(stretch.node, stretch.address, *stretch.told)

    def unreached_node(self, node: str, announced: str, *told: str) -> RootCause | None:
        """The node at whose own addresses nothing comes back, where something does from another node; else None.

        Of the family of the address `announced` alone: the other one has ways of its own.
        """
        wire = self.facts.wire_index
        tried = [
            one
            for one in self.facts.snapshot.wire.node_reach
            if same_family(one.address, announced) and wire.astray(one.address) is None
        ]
        own = [one for one in tried if one.node == node]
        other = next((one for one in tried if one.node != node and one.replied), None)
        if not own or other is None or any(one.replied or one.prohibited for one in own):
            return None
        return RootCause(
            cause=CauseId.NODE_NOT_REACHED,
            subject=Subject.node(node),
            summary=f"Nothing comes back from node {node}, neither from its own address {own[0].address} nor from what "
            f"it announces; node {other.node} is reached.",
            evidence=(
                *(f"port {one.port} of its {one.kind} {one.address}: {ending(one)}" for one in own),
                f"port {other.port} of node {other.node}'s {other.address}: {ending(other)}",
                *told,
            ),
            fields=self.facts.command_fields(node=node, address=wire.source_to(own[0].address)),
        )

    def _prohibited(self, stretch: Stretch) -> RootCause | None:
        """An ICMP prohibition by the node that replies for the address is a filter's own word.

        It comes from the service's address itself where the node has translated that already (seen with nftables). As
        a kernel sends few of them, one at any address or NodePort of the node that serves nothing speaks for all.
        """
        route = self.facts.wire_index.routes.get(stretch.address)
        near = bool(route and route.on_link)
        for end in stretch.prohibitions:
            translated = end.sent_by in {stretch.address, *stretch.silent_beside}
            sender = self._node_of(end.sent_by) or (stretch.node if near or translated else "")
            if sender == stretch.node:
                by = f" by {end.sent_by}" if end.sent_by else ""
                found = stretch.root(
                    CauseId.NODE_DOES_NOT_FORWARD,
                    f"Node {stretch.node} refuses to forward: its packet filter says so.",
                    f"{end.count} tries were refused by ICMP, administratively prohibited{by}",
                )
                return replace(found, subject=Subject.node(stretch.node))
        return None

    def _wayless(self, stretch: Stretch) -> RootCause | None:
        """An ICMP message of the announcing node's that it knows no way to an endpoint.

        A host that is not there may be the service's address itself, where kube-proxy has not translated it and the
        node looks for it on its own segment: that the packet was for an endpoint is known where others are served.
        A message in the name of the service's address is no proof against the announcing node: that node translates
        those of every host behind it too, such as a node whose pod is gone (seen with iptables and nftables).
        """
        for one in stretch.lost:
            proof = _NO_WAY if one.partly else _NO_WAY - {"host-unreachable"}
            for end in (*one.ends, *one.refusals):
                if end.icmp in proof and self._node_of(end.sent_by) == stretch.node != "":
                    found = stretch.root(
                        CauseId.BACKEND_PATH_BROKEN,
                        f"Node {stretch.node} has no way to an endpoint of {stretch.service.key}, by its own word.",
                        f"{end.count} tries were refused by ICMP, {end.icmp}, by {end.sent_by}",
                        *(
                            f"endpoint {stretch.endpoint(node)} is on node {node}"
                            for node in sorted(set(stretch.endpoints) - {"", stretch.node})
                        ),
                    )
                    return replace(found, subject=Subject.node(stretch.node))
        return None

    def _node_of(self, address: str) -> str:
        return next(
            (name for name, node in self.facts.nodes.items() if address in map(str, node.addresses)), ""
        )

    def _policy(self, stretch: Stretch) -> RootCause | None:
        """Policies drop silently: what refuses has been reached."""
        if not stretch.silent or not stretch.denying:
            return None
        service, names = stretch.service, ", ".join(stretch.denying)
        client = stretch.source if service.local_policy else f"{stretch.source} or node {stretch.node}"
        return stretch.root(
            CauseId.POLICY_DENIES,
            f"NetworkPolicy {names} in namespace {service.namespace} selects the pods of service {service.key} and "
            f"admits none of {client}.",
        )

    def _refused(self, stretch: Stretch) -> RootCause | None:
        """The workload says no."""
        spoken = [one for one in stretch.lost if self._says_no(one)]
        if not spoken:
            return None
        one = spoken[0]
        part = f"refuses {one.lost} of {one.tries} tries" if one.partly else "refuses connections"
        hosts = self.facts.wire_index.responders(one.address)
        reached = (
            f"ARP for {one.address} is answered by {hosts[0].named}" if hosts else f"{one.address} is reached"
        )
        return stretch.root(
            CauseId.BACKEND_REFUSES,
            f"{reached}, but the service behind it {part}.",
        )

    @staticmethod
    def _says_no(one: Reached) -> bool:
        """Whether most of what was lost at a port was refused or cut off by whoever was reached."""
        if not one.partly:
            return one.outcome in _TURNED_AWAY
        said = sum(end.count for end in one.ends if end.outcome in _TURNED_AWAY)
        return 2 * said > one.lost

    def _proxy(self, stretch: Stretch) -> RootCause | None:
        """kube-proxy is blamed only with proof against kube-proxy itself."""
        proof = kube_proxy.failing(self.facts, stretch.node) if stretch.silent and stretch.node else ()
        if not proof:
            return None
        found = stretch.root(
            CauseId.KUBE_PROXY_STALE,
            f"kube-proxy on node {stretch.node} does not work, so that node passes nothing on to {stretch.address}.",
            *proof,
        )
        return replace(found, subject=Subject.node(stretch.node))
