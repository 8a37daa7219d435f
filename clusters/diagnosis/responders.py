"""Why ARP for an assigned address is answered by nobody, by several or by the wrong host; or why it is not served.

Everything here starts from the ARP replies that were captured and goes down until one cause holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.checks.causes import Effect, having
from clusters.diagnosis import announcer_sources, bgp_sessions, metallb_permissions
from clusters.diagnosis.announcer_election import Announcers
from clusters.diagnosis.announcer_sources import Claim
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding import Forwarding, Stretch
from clusters.diagnosis.kube_proxy import settings, strict_arp_off
from clusters.diagnosis.root_cause import Explanation, KnownCauses, RootCause
from clusters.diagnosis.wire_index import Responder, outside
from clusters.metallb.ranges import parse_address
from clusters.metallb.services import Service
from clusters.observation.field_types import ProbeOutcome, Purpose
from clusters.observation.snapshot import Reached
from clusters.subject import Subject

#: What two answers may come from where the speakers' own metrics were not read.
_UNDECIDED = (
    "the memberlist cluster of the speakers may be split, the address may be configured on a node by hand, or "
    "kube-proxy may answer on every node (strict ARP off), and the speakers' own metrics were not read"
)
_DECIDE = (
    "Look on node {node} with `ip -brief address` for an interface that holds {address}: kube-ipvs0 means kube-proxy "
    "without strict ARP, any other that somebody configured it. If none holds it, the speaker announces it: compare "
    "the NodeJoin and NodeLeave lines of the speakers' logs. MetalLB's metrics show it too, where they may be read."
)

#: A reply that names a node's MAC need not be that node's: switches and access points reply for hosts, and from memory.
_HELD = (
    "Look on node {node} with `ip -brief address` for an interface that holds {address}, and remove it there. If none "
    "holds it, something between replies in that node's name from memory (ARP suppression of a switch, access point or "
    "fabric): capture there with `tcpdump -n -e arp and host {address}`, and where no reply leaves it, clear the "
    "ARP table of what is between."
)

#: What to do where the vantage's own routes or rules keep it from sending to a network that it is on.
_OWN_ROUTE = (
    "Type `ip route get {address}` on the vantage, and remove the route or rule that it shows (`ip rule`, `ip route "
    "show table all`), or name another vantage; nothing is said about MetalLB."
)

_SILENT = CauseId.NOBODY_ANSWERS
#: How tries end of which something came back.
_CAME_BACK = frozenset({ProbeOutcome.ANSWERED, ProbeOutcome.REFUSED})


class Responders:
    """Explains what the wire showed. `known` are the causes known so far."""

    def __init__(self, facts: Facts, known: KnownCauses, announcers: Announcers) -> None:
        self.facts, self.known, self.announcers = facts, known, announcers
        self.forwarding = Forwarding(facts, known)

    def wrong_responder(self, service: Service) -> Explanation | None:
        """Why not exactly one node answers for the service, by the first of its addresses that shows it."""
        for address in map(str, service.ingress):
            replying = self.facts.wire_index.responders(address)
            if replying is None:
                continue
            if not replying:
                return self.silent(service, address)
            if len(replying) > 1 or outside(replying):
                return self.doubled(service, address, replying)
            if proxies := self.facts.wire_index.proxies(address):
                root = announcer_sources.answered_for_others(self.facts, address, proxies)
                return self._explanation(service, root, root.summary)
        return None

    def replying(self, service: Service, address: str) -> str:
        """The one node that replies for an address, else the elected one; empty where neither is known."""
        replying = self.facts.wire_index.responders(address) or ()
        nodes = [each.node for each in replying if each.node]
        return nodes[0] if len(nodes) == 1 else self.announcers.elected(service) or ""

    def silent(self, service: Service, address: str) -> Explanation:
        """Why there is no ARP reply for an address."""
        if explained := self.announcers.explain(service):
            return explained
        owner = self.announcers.elected(service) or ""
        candidates = ", ".join(sorted(self.announcers.candidates(service)))
        # Without an owner it was not read who may announce: then nothing of that is ruled out.
        ruled_out = (
            f"it is advertised, and {candidates} may announce it",
            f"the election names {owner}",
            "it has a ready endpoint",
        )
        root = (
            next(self._silencing(owner), None)
            or self._unheard(owner)
            or RootCause(
                cause=_SILENT,
                subject=Subject.service(service.key),
                summary=f"No ARP reply for {address}"
                + (f"; node {owner} should announce it." if owner else "."),
                evidence=tuple(self._claims(address)),
                fields=self._fields(service, node=owner, address=address),
            )
        )
        text = root.summary if root.cause == _SILENT else f"No ARP reply for {address}: {root.summary}"
        return self._explanation(service, root, text, *(ruled_out if owner else ()))

    def _unheard(self, owner: str) -> RootCause | None:
        """Whether the elected node's own addresses are not replied for either, and another node's are."""
        heard = [one for one in self.facts.snapshot.wire.heard if one.purpose is Purpose.NODE]
        node = self.facts.nodes.get(owner)
        own = [one for one in heard if node and one.address in map(str, node.addresses)]
        others = [one for one in heard if one.macs]
        if not own or not others or any(one.macs for one in own):
            return None
        return RootCause(
            cause=CauseId.NODE_NOT_REACHED,
            subject=Subject.node(owner),
            summary=f"Node {owner} replies neither for its own address {own[0].address} nor for what it announces; "
            f"another node replies for {others[0].address}.",
            evidence=tuple(f"ARP for {one.address}, an address of node {owner}: no reply" for one in own),
            fields=self.facts.command_fields(
                node=owner, address=self.facts.wire_index.source_to(own[0].address)
            ),
        )

    def _silencing(self, owner: str) -> Iterator[RootCause]:
        for cause in having(Effect.LOSES_NODE):
            yield from (root for root in self.known.get(cause, ()) if root.subject == Subject.node(owner))
        for cause in (CauseId.SPEAKER_UNPRIVILEGED, CauseId.ADVERTISEMENT_INTERFACE_MISSING):
            yield from (root for root in self.known.get(cause, ()) if owner in root.nodes)
        yield from metallb_permissions.refused_to(self.facts, self.known, "speaker")
        for cause in having(Effect.SILENCES):
            yield from self.known.get(cause, ())[:1]

    def doubled(self, service: Service, address: str, replying: tuple[Responder, ...]) -> Explanation:
        """Why several hosts, or one outside the cluster, reply for an address."""
        strangers, nodes = outside(replying), tuple(each.node for each in replying if each.node)
        heard = f"ARP for {address} is answered by {' and '.join(each.named for each in replying)}"
        if strangers:
            root = RootCause(
                cause=CauseId.FOREIGN_RESPONDER,
                subject=Subject.service(service.key),
                summary=f"A host outside the cluster answers ARP for {address}: {', '.join(map(str, strangers))}.",
                evidence=(heard,),
                fields=self._fields(service, address=address, pool=self._pool(service)),
            )
        else:
            root = (
                self._splitting(nodes)
                or self._kernel(service, address, nodes)
                or self._duplicate(service, address, nodes)
            )
        return self._explanation(service, root, f"{heard}. {root.summary}", *self._claims(address))

    def _splitting(self, owners: tuple[str, ...]) -> RootCause | None:
        for cause in having(Effect.SPLITS):
            for root in self.known.get(cause, ()):
                if root.subject.kind == "cluster" or root.subject.is_node_of(owners):
                    return root
        return None

    def _kernel(self, service: Service, address: str, owners: tuple[str, ...]) -> RootCause | None:
        """Nodes whose speakers deny the address, and which answer all the same: their kernels hold it.

        A ServiceL2Status denies nothing, as only one speaker writes it however many announce; and neither does a
        speaker whose metrics were not read. kube-proxy is the same on every node: where one of them is silent, it
        is not what answers on the others.
        """
        denying = [
            owner
            for owner in owners
            if announcer_sources.claim_of(self.facts, owner, address) is Claim.DENIED
        ]
        mode, strict = settings(self.facts)
        told = (f"of the nodes that answer ARP for {address}, {', '.join(denying)} do not announce it",)
        if not set(self.facts.wire_index.node_of_mac.values()) <= set(owners):
            return self._by_hand(service, address, denying) if denying else None
        if mode == "ipvs" and strict is False:
            configured = "kube-proxy runs in mode ipvs, and ipvs.strictARP is false"
            return strict_arp_off(self.facts, configured, *(told if denying else ()))
        return (
            strict_arp_off(self.facts, *told, f"kube-proxy's mode is {mode or 'its default'}")
            if denying
            else None
        )

    def _by_hand(self, service: Service, address: str, nodes: list[str]) -> RootCause:
        """Some nodes hold the address themselves, and others do not."""
        return RootCause(
            cause=CauseId.DUPLICATE_ANNOUNCER,
            subject=Subject.service(service.key),
            summary=f"Node {', '.join(nodes)} answers ARP for {address}, which its speaker does not announce.",
            evidence=tuple(self._claims(address)),
            ruled_out=("kube-proxy, which is the same on every node: not every node answers",),
            remedy=_HELD.format(node=nodes[0], address=address),
            fields=self._fields(service, address=address, node=nodes[0]),
        )

    def _duplicate(self, service: Service, address: str, owners: tuple[str, ...]) -> RootCause:
        elected = self.announcers.elected(service) or ""
        wrong = next((owner for owner in owners if owner != elected), owners[0])
        open_question = bool(announcer_sources.unread_claims(self.facts, owners, address))
        return RootCause(
            cause=CauseId.DUPLICATE_ANNOUNCER,
            subject=Subject.service(service.key),
            summary=f"Nodes {', '.join(owners)} all answer ARP for {address}; the election names {elected or 'none'}."
            + (f" The cause cannot be determined: {_UNDECIDED}." if open_question else ""),
            evidence=tuple(self._claims(address)),
            remedy=_DECIDE.format(node=wrong, address=address) if open_question else "",
            fields=self._fields(service, address=address, node=wrong),
        )

    def unreached(self, service: Service, tries: tuple[Reached, ...]) -> Explanation | None:
        """Why a service's ports are not reached from the vantage; None where nothing says that they should be."""
        layer2 = service.key in self.facts.layer2
        if layer2 and (explained := self.announcers.explain(service) or self.wrong_responder(service)):
            return explained
        stretch = Stretch(self.facts, service, tries, self.replying(service, tries[0].address))
        route = self.facts.wire_index.routes.get(stretch.address)
        hosts = self.facts.wire_index.responders(stretch.address)
        nowhere = bool(route and route.problem) or all(
            each.outcome is ProbeOutcome.UNREACHABLE for each in tries
        )
        by_bgp = self._by_bgp(service)
        if astray := self._astray(service, stretch):
            return self._explanation(service, astray, f"{stretch.told[0]}. {astray.summary}")
        if by_bgp and (found := self._of_bgp(stretch, nowhere=nowhere)):
            root = found
        elif hosts is None and route and nowhere and not by_bgp and (route.problem or not route.on_link):
            root = self.off_segment(service, stretch.address, *stretch.told)
        elif not by_bgp and self.kept_out(service, tries):
            return None
        else:
            root = self.forwarding.root(
                stretch, *(bgp_sessions.candidates(self.facts, stretch) if by_bgp else ())
            )
        ruled_out = [f"node {stretch.node} may announce it and is elected"] if stretch.node and layer2 else []
        ruled_out.append("it has a ready endpoint")
        if hosts:
            ruled_out.append(
                f"{', '.join(each.named for each in hosts)} alone answers ARP for {stretch.address}"
            )
        return self._explanation(service, root, f"{stretch.told[0]}. {root.summary}", *ruled_out)

    def _astray(self, service: Service, stretch: Stretch) -> RootCause | None:
        """Whether the vantage itself sends to another host than the one that replies."""
        address, wire = stretch.address, self.facts.wire_index
        if wire.never_asked(address) and not any(
            end.outcome in _CAME_BACK for one in stretch.lost for end in one.ends
        ):
            return self._kept(service, stretch)
        entry = wire.astray(address)
        if entry is None:
            return None
        hosts = wire.responders(address) or ()
        holder = wire.behind((entry.mac,))[0]
        replies = (
            f"{' and '.join(each.named for each in hosts)} replies for it"
            if hosts
            else "no node has that MAC"
        )
        made = "an entry made by hand" if entry.state == "permanent" else f"an entry in state {entry.state}"
        place = self.facts.snapshot.wire.place
        return RootCause(
            cause=CauseId.VANTAGE_NEIGHBOUR_WRONG,
            subject=Subject.service(service.key),
            summary=f"Vantage {place} sends what is for {address} to {holder.named}, and {replies}.",
            evidence=(f"in its neighbour table {address} has {entry.mac}, {made}", *stretch.told),
            fields=self._fields(service, address=address),
        )

    def _kept(self, service: Service, stretch: Stretch) -> RootCause:
        """The vantage's kernel dropped what was to be sent before it came to ask who has the address."""
        address, place = stretch.address, self.facts.snapshot.wire.place
        return RootCause(
            cause=CauseId.VANTAGE_DROPS_PACKETS,
            subject=Subject.service(service.key),
            summary=f"Vantage {place} has sent nothing to {address}: a filter of its own drops it.",
            evidence=(
                f"after the tries its neighbour table has no entry for {address}, which it is on a segment with",
                *stretch.told,
            ),
            fields=self._fields(service, address=address),
        )

    def _by_bgp(self, service: Service) -> bool:
        pool = self.facts.pool_of(service.ingress[0])
        return pool is not None and pool.name in self.facts.bgp_only

    def _of_bgp(self, stretch: Stretch, *, nowhere: bool) -> RootCause | None:
        route = self.facts.wire_index.routes.get(stretch.address)
        said = (route.problem if route else "") or stretch.lost[0].detail or stretch.lost[0].outcome
        return bgp_sessions.unreached(self.facts, self.known, stretch, refused=said if nowhere else "")

    def kept_out(self, service: Service, tries: tuple[Reached, ...]) -> bool:
        """Whether the vantage may be kept out of the address's network as a whole, which nothing contradicts.

        The address is behind a gateway, and of its pool's addresses none gives a sign: that is how a network looks that
        the vantage may not enter, as well as one that is not there.
        """
        route = self.facts.wire_index.routes.get(tries[0].address)
        pool = self.facts.pool_of(service.ingress[0])
        if route is None or route.on_link or route.problem or pool is None:
            return False
        of_pool = [
            one
            for address, found in self.facts.wire_index.of_address.items()
            if parse_address(address) in pool
            for one in found
        ]
        return not any(one.replied or one.outcome is ProbeOutcome.UNREACHABLE for one in of_pool)

    def off_segment(self, service: Service, address: str, *told: str) -> RootCause:
        """The address is not where the vantage is: on another network than the nodes, or the vantage is elsewhere."""
        version = parse_address(address).version
        routes = {
            str(each): self.facts.wire_index.routes.get(str(each))
            for node in self.facts.nodes.values()
            for each in node.addresses
            if each.version == version
        }
        on_link = [each for each, route in routes.items() if route and route.on_link]
        pool, inside = self._pool(service), self.facts.wire_index.own_network(address)
        if on_link and not inside and len(on_link) == len(routes):
            return RootCause(
                cause=CauseId.WRONG_SEGMENT,
                subject=Subject.pool(pool) if pool else Subject.service(service.key),
                summary=f"{address} is outside every node's subnet, so no speaker can announce it by ARP.",
                evidence=(f"on a segment of the vantage: {', '.join(sorted(on_link)[:4])}", *told),
                fields=self._fields(service, address=address, pool=pool),
            )
        route = self.facts.wire_index.routes.get(address)
        place = self.facts.snapshot.wire.place
        if inside:
            summary = (
                f"Vantage {place} is on {inside}, and by its own routes it does not send to {address} there."
            )
            said = (route.problem if route else "") or "its kernel sends by another way"
            told = (f"{address} is in {inside}, which the vantage has an address in", said, *told)
        else:
            summary = f"Vantage {place} has no route to {address}."
        return RootCause(
            cause=CauseId.VANTAGE_NOT_ON_SEGMENT,
            subject=Subject.service(service.key),
            summary=summary,
            evidence=told,
            remedy=_OWN_ROUTE.format(address=address) if inside else "",
            fields=self._fields(service, address=address),
        )

    def _claims(self, address: str) -> Iterator[str]:
        """Who says that he announces an address."""
        yield announcer_sources.describe_claims(self.facts, address)

    def _pool(self, service: Service) -> str:
        pool = self.facts.pool_of(service.ingress[0])
        return pool.name if pool else ""

    def _explanation(self, service: Service, root: RootCause, text: str, *ruled_out: str) -> Explanation:
        return Explanation(
            root=root,
            subject=Subject.service(service.key),
            summary=text,
            ruled_out=ruled_out,
            # A service of both families may be in trouble at its second address alone.
            fields=self._fields(service, address=root.fields.get("address") or str(service.ingress[0])),
        )

    def _fields(self, service: Service, **more: str) -> dict[str, str]:
        return self.facts.command_fields(namespace=service.namespace, service=service.name, **more)
