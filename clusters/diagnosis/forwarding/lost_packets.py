"""Why nothing, or not everything, comes back from an address that the right node replies for.

A cause is named only where its own link is proved broken. Where none is, one of the two neutral causes is named, with
what was ruled out and the candidates that are left, each with the command that decides it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.checks import Candidate
from clusters.checks.causes import Effect, forwarding_causes, having
from clusters.commands import command
from clusters.diagnosis import kube_proxy
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding.stretch import SEVERAL, Stretch, ending, same_family
from clusters.diagnosis.root_cause import KnownCauses, RootCause
from clusters.diagnosis.wire_index import MOST_LOST, Responder
from clusters.metallb.ranges import within
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import Reached
from clusters.subject import Subject

#: A lost share fits that of some endpoints within so many standard deviations.
_DEVIATIONS = 2.5
_PROXY_PODS = (
    "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy --field-selector spec.nodeName={node}"
)
_POLICIES = "kubectl -n {namespace} get networkpolicies -o yaml"
_BACKENDS = "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service} -o wide"
#: How a node says that it knows no way on.
_NO_WAY = frozenset({"network-unreachable", "host-unreachable"})
#: How tries end that were refused or cut off by whoever was reached.
_TURNED_AWAY = frozenset({ProbeOutcome.REFUSED, ProbeOutcome.BROKEN})


class Forwarding:
    """Explains what is lost behind an address. `known` are the causes known so far."""

    def __init__(self, facts: Facts, known: KnownCauses) -> None:
        self.facts, self.known = facts, known
        self._mute: dict[str, RootCause | None] = {}

    def root(self, stretch: Stretch, *others: Candidate) -> RootCause:
        """The first of these causes that is proved, else a neutral one, with candidates from before that stretch."""
        finders: tuple[Callable[[Stretch], RootCause | None], ...] = (
            self._source, self._dead_node, self._node, self._prohibited, self._wayless, self._policy, self._refused,
            self._proxy, self._partly,
        )  # fmt: skip
        found = next((root for find in finders if (root := find(stretch))), None)
        return found or self._neutral(stretch, others)

    def _source(self, stretch: Stretch) -> RootCause | None:
        """What comes from outside a service's loadBalancerSourceRanges is dropped, as it is meant to be."""
        spec = self.facts.raw_services[stretch.service.key].get("spec", {})
        allowed, source = spec.get("loadBalancerSourceRanges") or (), stretch.source
        if not allowed or not stretch.silent or within(source, allowed):
            return None
        client = f"the vantage, {source}, is" if source else "the vantage may be"
        return self._root(
            CauseId.SOURCE_NOT_ALLOWED,
            stretch,
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
            fields=self.facts.command_fields(node=node, address=self._vantage_at(own[0].address)),
        )

    def _vantage_at(self, address: str) -> str:
        """The vantage's own address where it reaches another one: what the way back leads to."""
        return getattr(self.facts.wire_index.routes.get(address), "source", "")

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
                found = self._root(
                    CauseId.NODE_DOES_NOT_FORWARD,
                    stretch,
                    f"Node {stretch.node} refuses to forward: its packet filter says so.",
                    f"{end.count} tries were refused by ICMP, administratively prohibited{by}",
                )
                return replace(found, subject=Subject.node(stretch.node))
        return None

    def _wayless(self, stretch: Stretch) -> RootCause | None:
        """An ICMP message of the announcing node's that it knows no way to an endpoint."""
        names = {stretch.address: stretch.node}
        for one in stretch.lost:
            for end in (*one.ends, *one.refusals):
                sender = names.get(end.sent_by) or self._node_of(end.sent_by)
                if end.icmp in _NO_WAY and sender == stretch.node != "":
                    found = self._root(
                        CauseId.BACKEND_PATH_BROKEN,
                        stretch,
                        f"Node {stretch.node} has no way to an endpoint of {stretch.service.key}, by its own word.",
                        f"{end.count} tries were refused by ICMP, {end.icmp}, by {end.sent_by}",
                        *(
                            f"endpoint {self._endpoint(stretch, node)} is on node {node}"
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
        return self._root(
            CauseId.POLICY_DENIES,
            stretch,
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
        return self._root(
            CauseId.BACKEND_REFUSES,
            stretch,
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
        found = self._root(
            CauseId.KUBE_PROXY_STALE,
            stretch,
            f"kube-proxy on node {stretch.node} does not work, so that node passes nothing on to {stretch.address}.",
            *proof,
        )
        return replace(found, subject=Subject.node(stretch.node))

    def _partly(self, stretch: Stretch) -> RootCause | None:
        """Some tries are served and others lost, perhaps those to the endpoints of some nodes."""
        one = stretch.partly
        if one is None:
            return None
        share = f"{one.lost} of {one.tries} tries at {one.protocol} {one.address}:{one.port} are lost"
        if limited := self._limited(stretch, one, share):
            return limited
        fitting = self._losing(stretch, one)
        if not fitting or not stretch.node:
            return self._leaking(stretch, share)
        for each in fitting:
            if len(each) == 1 and (root := self._forwards_nothing(each[0])):
                return root
        nodes = tuple(sorted({name for each in fitting for name in each}))
        if not _sticks(one) or not self._reached_whole(stretch):
            return self._leaking(stretch, share, nodes)
        every = sum(stretch.endpoints.values())
        behind = sum(stretch.endpoints[node] for node in fitting[0])
        among = " or ".join(", ".join(each) for each in fitting)
        whose = f"node {among}" if len(fitting[0]) < 2 else f"the other nodes ({among})"
        found = self._root(
            CauseId.BACKEND_PATH_BROKEN,
            stretch,
            f"{share}, as many as go from node {stretch.node} to the endpoints on {whose}.",
            f"{behind} of {every} endpoints are on {among}, {100 * behind // every} % of them, or "
            f"{100 * behind * behind // (every * every)} % where a lost packet is sent again to any endpoint; "
            f"{100 * one.lost // one.tries} % of the tries were lost",
            f"{one.again} of the lost tries were made again from their source ports, which that node hands on to the "
            "same endpoints, and all were lost again",
            *(f"endpoint {self._endpoint(stretch, node)} is on node {node}" for node in nodes),
        )
        return replace(
            found,
            # Of nodes with equally many endpoints nobody outside can tell which one it is.
            subject=Subject.node(nodes[0] if len(nodes) == 1 else stretch.node),
        )

    def _limited(self, stretch: Stretch, one: Reached, share: str) -> RootCause | None:
        """What is lost while tries follow one another fast, and in between more slowly is not, is lost to a limit."""
        slow = one.again + one.slower
        if (
            one.burst_lost < MOST_LOST
            or one.again_lost
            or one.slower_lost
            or (1 - one.lost / one.tries) ** slow >= _CHANCE
        ):
            return None
        return self._root(
            CauseId.CONNECTIONS_LIMITED,
            stretch,
            f"{share} while they follow one another fast, and none of {slow} at ten a second or fewer: something "
            "limits how many connections a second may begin.",
            f"made as fast again after that, {one.burst_lost} of {one.burst} tries were lost",
        )

    def _reached_whole(self, stretch: Stretch) -> bool:
        """Whether the announcing node itself loses no try: what drops some connections before it would show there."""
        reach = stretch.reach
        return bool(
            reach and reach.replied and not any(end.outcome is ProbeOutcome.TIMEOUT for end in reach.ends)
        )

    def _forwards_nothing(self, node: str) -> RootCause | None:
        """Why a node passes nothing on at all, where that is proved by what it announces itself."""
        if node not in self._mute:
            self._mute[node] = None
            wire = self.facts.wire_index
            for address in wire.announced_alone.get(node, ()):
                service = self.facts.services.get(
                    next((one.service for one in wire.of_address.get(address, ())), "")
                )
                lost = wire.unreached(service.key) if service else ()
                if service is None or not lost or any(one.replied for one in lost):
                    continue
                own = Stretch(self.facts, service, lost, node)
                if own.located or own.prohibitions:
                    self._mute[node] = self.root(own)
                    break
        return self._mute[node]

    def _losing(self, stretch: Stretch, one: Reached) -> list[tuple[str, ...]]:
        """The other nodes whose endpoints have the lost share: those that fit best, each of several that fit alike."""
        others = sorted(set(stretch.endpoints) - {stretch.node, ""})
        sets = [(name,) for name in others] + ([tuple(others)] if len(others) > 1 else [])
        every = sum(stretch.endpoints.values())
        fits = []
        for nodes in sets:
            off = _off(one, sum(stretch.endpoints[name] for name in nodes) / every)
            if off <= _DEVIATIONS and not any(self._serves_from(stretch, name) for name in nodes):
                fits.append((off, nodes))
        return [nodes for off, nodes in fits if off == min(fits)[0]]

    def _serves_from(self, stretch: Stretch, name: str) -> bool:
        """Whether another service of the same announcer loses nothing although that node has endpoints of it."""
        for key, tries in self.facts.wire_index.reached.items():
            service = self.facts.services.get(key)
            if key == stretch.service.key or service is None or service.local_policy:
                continue
            found = [each.node for each in self.facts.endpoints.get(key, ()) if each.servable]
            whole = [
                one
                for one in tries
                if one.outcome == ProbeOutcome.ANSWERED and not one.lost and one.tries >= SEVERAL
                and self.facts.wire_index.responders(one.address) == (Responder(node=stretch.node),)
            ]  # fmt: skip
            # That so many tries all went elsewhere by chance is to be unlikely.
            if whole and found and (1 - found.count(name) / len(found)) ** whole[0].tries < _CHANCE:
                return True
        return False

    def _endpoint(self, stretch: Stretch, node: str) -> str:
        found = self.facts.endpoints.get(stretch.service.key, ())
        return next((each.addresses[0] for each in found if each.node == node and each.addresses), "")

    def _leaking(self, stretch: Stretch, share: str, fitting: tuple[str, ...] = ()) -> RootCause:
        """Some are lost, and nothing proves where; `fitting` are the nodes whose endpoints have such a share."""
        as_many = f", about as many as go to the endpoints on {', '.join(fitting)}" if fitting else ""
        root = self._root(
            CauseId.BACKEND_NOT_REACHED,
            stretch,
            f"{share}{as_many}; which endpoints they went to is not proved.",
        )
        candidates = tuple(
            Candidate(
                cause=CauseId.BACKEND_PATH_BROKEN,
                command=command(forwarding_causes.TO_ENDPOINT, address=self._endpoint(stretch, node)),
            )
            for node in (*fitting, *sorted(set(stretch.endpoints) - {"", *fitting}))
        )
        one = stretch.partly
        if one is None or not _sticks(one):
            candidates += (
                Candidate(cause=CauseId.CONNECTIONS_LIMITED, command=command(forwarding_causes.LIMITS)),
            )
        candidates += (
            Candidate(cause=CauseId.BACKEND_REFUSES, command=command(_BACKENDS, **self._place(stretch))),
        )
        return self._open(
            root, stretch, candidates, f"on node {stretch.node or 'that announces the address'}"
        )

    def _neutral(self, stretch: Stretch, others: tuple[Candidate, ...]) -> RootCause:
        """Nothing comes back, and nothing that was read proves why."""
        where = f"node {stretch.node}" if stretch.node else "the node that announces it"
        said = "Nothing comes back from"
        summary = f"{said} {stretch.address}, which {where} replies for."
        located = stretch.located
        if located:
            summary = f"{said} {stretch.address}: {where} is reached and passes nothing on."
        elif not self.facts.wire_index.responders(stretch.address):
            summary = f"{said} {stretch.address}."
        root = self._root(CauseId.ADDRESS_NOT_FORWARDED, stretch, summary, *located)
        if located:
            root = replace(root, subject=Subject.node(stretch.node))
        return self._open(
            root, stretch, (*others, *self._candidates(stretch)), f"on {where}", proved=bool(located)
        )

    def _candidates(self, stretch: Stretch) -> Iterator[Candidate]:
        """What may keep everything from coming back, the likeliest first; what is ruled out is left out."""
        place = self._place(stretch)
        if not stretch.served_beside:
            for looked in (forwarding_causes.FORWARDS, forwarding_causes.FILTERS):
                yield Candidate(cause=CauseId.NODE_DOES_NOT_FORWARD, command=command(looked))
        if not any(True for _ in kube_proxy.healthy(self.facts, stretch.node)) or stretch.served_beside:
            yield Candidate(cause=CauseId.KUBE_PROXY_STALE, command=command(_PROXY_PODS, **place))
        if not stretch.located and not (self.facts.snapshot.network_policies.ok and stretch.source):
            yield Candidate(cause=CauseId.POLICY_DENIES, command=command(_POLICIES, **place))
        if stretch.endpoints and stretch.node not in stretch.endpoints:
            endpoint = self._endpoint(stretch, min(stretch.endpoints))
            yield Candidate(
                cause=CauseId.BACKEND_PATH_BROKEN,
                command=command(forwarding_causes.TO_ENDPOINT, address=endpoint),
            )
        elif not stretch.located:
            yield Candidate(cause=CauseId.BACKEND_REFUSES, command=command(_BACKENDS, **place))
        if stretch.source and not stretch.located:
            yield Candidate(
                cause=CauseId.NOT_ROUTED, command=command(forwarding_causes.WAY_BACK, address=stretch.source)
            )

    def _open(
        self,
        root: RootCause,
        stretch: Stretch,
        candidates: tuple[Candidate, ...],
        where: str,
        *,
        proved: bool = True,
    ) -> RootCause:
        """A neutral root with what is left to be decided."""
        named = list(dict.fromkeys(each.cause for each in candidates))
        return replace(
            root,
            candidates=candidates,
            proved=proved,
            ruled_out=tuple(stretch.ruled_out()),
            remedy=f"Decide between {', '.join(named)} by the commands below, in this order; those that look at a node "
            f"are to be typed {where}.",
        )

    def _root(self, cause: CauseId, stretch: Stretch, summary: str, *proof: str) -> RootCause:
        return RootCause(
            cause=cause,
            subject=Subject.service(stretch.service.key),
            summary=summary,
            evidence=(*stretch.told, *proof),
            fields=self._place(stretch) | {"address": stretch.address, "port": str(stretch.lost[0].port)},
        )

    def _place(self, stretch: Stretch) -> dict[str, str]:
        return self.facts.command_fields(
            namespace=stretch.service.namespace,
            service=stretch.service.name,
            node=stretch.node,
        )


_CHANCE = 0.02


def _sticks(one: Reached) -> bool:
    """Whether what was lost is lost again from the same source ports, and not by chance."""
    return (
        1 < one.again == one.again_lost
        and one.slower_lost < one.slower
        and (one.lost / one.tries) ** one.again < _CHANCE
    )


def _off(one: Reached, share: float) -> float:
    """By how many standard deviations the lost tries miss those that go to a share of the endpoints.

    A first packet that is lost on the announcing node itself leaves no trace there: sent again after a second, within
    the time of a try, it may be sent to another endpoint, and the try is lost only where both met that share.
    """
    return min(
        abs(one.lost - one.tries * lost) / (math.sqrt(one.tries * lost * (1 - lost)) or 0.5)
        for lost in (share, share * share)
    )
