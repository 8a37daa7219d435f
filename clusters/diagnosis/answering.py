"""Why an assigned address is not answered for as it should be: by nobody, by several, by the wrong one; or not served.

Everything here starts from what the wire said and goes down until one cause holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clusters.checks.causes import Effect, having
from clusters.diagnosis import ownership, permissions
from clusters.diagnosis.announcing import Announcing
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.proxying import settings, strict_arp_off
from clusters.diagnosis.roots import Explanation, Root
from clusters.diagnosis.telling import fields
from clusters.metallb.ranges import within
from clusters.metallb.services import Service
from clusters.observation.snapshot import Reached


class Answering:
    """Explains what the wire showed. `ground` are the roots known so far, by cause."""

    def __init__(self, facts: Facts, ground: Mapping[str, tuple[Root, ...]], announcing: Announcing) -> None:
        self.facts, self.ground, self.announcing = facts, ground, announcing

    def odd(self, service: Service) -> Explanation | None:
        """Why not exactly one node answers for the service, by the first of its addresses that shows it."""
        for address in map(str, service.ingress):
            owners = self.facts.hearing.owners(address)
            if owners is None:
                continue
            if not owners:
                return self.silent(service, address)
            if len(owners) > 1 or owners[0].startswith("?"):
                return self.doubled(service, address, owners)
        return None

    def silent(self, service: Service, address: str) -> Explanation:
        """Why nobody answers for an address."""
        if explained := self.announcing.explain(service):
            return explained
        owner = self.announcing.owner(service) or ""
        candidates = ", ".join(sorted(self.announcing.candidates(service)))
        ruled_out = (
            f"it is advertised, and {candidates} may announce it",
            f"the election names {owner}",
            "it has a ready endpoint",
        )
        root = next(self._silencing(owner), None) or Root(
            cause="nobody-answers",
            subject=f"service {service.key}",
            summary=f"Nobody answers for {address}, although node {owner} should.",
            evidence=tuple(self._claims(address)),
            fields=self._fields(service, node=owner, address=address),
        )
        return self._told(service, root, f"Nobody answers for {address}: {root.summary}", *ruled_out)

    def _silencing(self, owner: str) -> Iterator[Root]:
        for cause in having(Effect.LOSES_NODE):
            yield from (root for root in self.ground.get(cause, ()) if root.subject == f"node {owner}")
        for root in self.ground.get("advertisement-interface-missing", ()):
            if f"node {owner}" in root.evidence[0]:
                yield root
        yield from permissions.lacking(self.facts, self.ground, "speaker")
        for cause in having(Effect.SILENCES):
            yield from self.ground.get(cause, ())[:1]

    def doubled(self, service: Service, address: str, owners: tuple[str, ...]) -> Explanation:
        """Why several machines, or one that is no node, answer for an address."""
        strangers = [owner.removeprefix("?") for owner in owners if owner.startswith("?")]
        heard = f"{', '.join(each.removeprefix('?') for each in owners)} answer for {address}"
        if strangers:
            root = Root(
                cause="foreign-responder",
                subject=f"service {service.key}",
                summary=f"A machine that is no node answers for {address}: {', '.join(strangers)}.",
                evidence=(heard,),
                fields=self._fields(service, address=address, pool=self._pool(service)),
            )
        else:
            root = (
                self._splitting(owners)
                or self._kernel(service, address, owners)
                or self._duplicate(service, address, owners)
            )
        return self._told(service, root, f"{heard}. {root.summary}", *self._claims(address))

    def _splitting(self, owners: tuple[str, ...]) -> Root | None:
        for cause in having(Effect.SPLITS):
            for root in self.ground.get(cause, ()):
                if root.subject == "cluster" or root.subject.removeprefix("node ") in owners:
                    return root
        return None

    def _kernel(self, service: Service, address: str, owners: tuple[str, ...]) -> Root | None:
        """Nodes whose speakers do not claim the address, and which answer all the same: their kernels hold it."""
        claimed = self.facts.saying.announced.get(address, frozenset())
        read = all(self._metrics_read(owner) for owner in owners)
        if not read and self.facts.stated and not ownership.status_sticks(self.facts):
            claimed, read = self.facts.stated.get(service.key, frozenset()), True
        mode, strict = settings(self.facts)
        unclaimed = [owner for owner in owners if owner not in claimed]
        told = f"of the nodes that answer for {address}, {', '.join(unclaimed)} do not announce it"
        if mode == "ipvs" and strict is False:
            return strict_arp_off(
                self.facts, "kube-proxy runs in mode ipvs, and ipvs.strictARP is false", told
            )
        if claimed and unclaimed and read:
            return strict_arp_off(self.facts, told, f"kube-proxy's mode is {mode or 'its default'}")
        if not claimed and set(owners) == set(self.facts.nodes) and len(owners) > 2:
            return strict_arp_off(self.facts, f"every node answers for {address}")
        return None

    def _metrics_read(self, node: str) -> bool:
        pod = self.facts.components.speakers.get(node)
        page = self.facts.saying.metrics.get(pod.name) if pod else None
        return pod is None or bool(page and page.ok)

    def _duplicate(self, service: Service, address: str, owners: tuple[str, ...]) -> Root:
        elected = self.announcing.owner(service) or ""
        wrong = next((owner for owner in owners if owner != elected), owners[0])
        return Root(
            cause="duplicate-announcer",
            subject=f"service {service.key}",
            summary=f"Nodes {', '.join(owners)} all answer for {address}; the election names {elected or 'none'}.",
            evidence=tuple(self._claims(address)),
            fields=self._fields(service, address=address, node=wrong),
        )

    def unreached(self, service: Service, tries: tuple[Reached, ...]) -> Explanation:
        """Why a service's ports are not reached from the vantage."""
        if explained := self.announcing.explain(service) or self.odd(service):
            return explained
        address = tries[0].address
        route = self.facts.hearing.routes.get(address)
        asked = self.facts.hearing.owners(address) is not None
        told = tuple(
            f"{each.protocol} {each.address}:{each.port}: {each.detail or each.outcome}" for each in tries
        )
        if not asked and route and (route.problem or all(each.outcome == "unreachable" for each in tries)):
            root = self.off_segment(service, address, *told)
        else:
            root = self._dead_node(service) or self._not_served(service, tries, told)
        owner = self.announcing.owner(service)
        ruled_out: tuple[str, ...] = (
            f"node {owner} may announce it and is elected",
            "it has a ready endpoint",
        )
        if asked:
            ruled_out += (
                f"{', '.join(self.facts.hearing.owners(address) or ())} alone answers for {address}",
            )
        return self._told(service, root, f"{told[0]}. {root.summary}", *ruled_out)

    def _not_served(self, service: Service, tries: tuple[Reached, ...], told: tuple[str, ...]) -> Root:
        """The workload says no, or nobody says anything: then the announcing node does not pass packets on.

        That may be meant: kube-proxy drops what comes from outside a service's loadBalancerSourceRanges.
        """
        spoken = any(each.outcome in {"refused", "broken", "answered"} for each in tries)
        owner = self.announcing.owner(service) or ""
        allowed = self.facts.raw_services[service.key].get("spec", {}).get("loadBalancerSourceRanges") or ()
        source = getattr(self.facts.hearing.routes.get(tries[0].address), "source", "")
        if allowed and not spoken and not within(source, allowed):
            client = f"vantage {source}" if source else "the vantage perhaps"
            return Root(
                cause="source-not-allowed",
                subject=f"service {service.key}",
                summary=f"{tries[0].address} serves clients of {', '.join(allowed)} only, and {client} is none.",
                evidence=told,
                fields=self._fields(service, address=tries[0].address, node=owner),
            )
        text = (
            "but the service behind it refuses"
            if spoken
            else f"but node {owner} passes nothing on to the service"
        )
        return Root(
            cause="backend-refuses" if spoken else "kube-proxy-stale",
            subject=f"service {service.key}",
            summary=f"{tries[0].address} is answered for, {text}.",
            evidence=told,
            fields=self._fields(service, address=tries[0].address, node=owner),
        )

    def _dead_node(self, service: Service) -> Root | None:
        """An endpoint that counts as ready is on a node that is not."""
        nodes = {each.node for each in self.facts.endpoints.get(service.key, ()) if each.servable}
        for cause in having(Effect.LOSES_NODE):
            for root in self.ground.get(cause, ()):
                if root.subject.removeprefix("node ") in nodes:
                    return root
        return None

    def off_segment(self, service: Service, address: str, *told: str) -> Root:
        """The address is not where the vantage is: on another network than the nodes, or the vantage is elsewhere."""
        on_link = [
            str(each)
            for node in self.facts.nodes.values()
            for each in node.addresses
            if (route := self.facts.hearing.routes.get(str(each))) and route.on_link
        ]
        pool = self._pool(service)
        if on_link:
            return Root(
                cause="wrong-segment",
                subject=f"pool {pool}" if pool else f"service {service.key}",
                summary=f"{address} is on no network of the nodes: the vantage shares one with them, not with it.",
                evidence=(f"on a segment of the vantage: {', '.join(sorted(on_link)[:4])}", *told),
                fields=self._fields(service, address=address, pool=pool),
            )
        return Root(
            cause="vantage-not-on-segment",
            subject=f"service {service.key}",
            summary=f"From vantage {self.facts.snapshot.wire.place} there is no way to {address}.",
            evidence=told,
            fields=self._fields(service, address=address),
        )

    def _claims(self, address: str) -> Iterator[str]:
        """Who says that he announces an address."""
        nodes = sorted(self.facts.saying.announced.get(address, ()))
        yield f"metallb_speaker_announced for {address}: {', '.join(nodes) or 'on no node'}"

    def _pool(self, service: Service) -> str:
        pool = self.facts.pool_of(service.ingress[0])
        return pool.name if pool else ""

    def _told(self, service: Service, root: Root, text: str, *ruled_out: str) -> Explanation:
        return Explanation(
            root=root,
            subject=f"service {service.key}",
            summary=text,
            ruled_out=ruled_out,
            fields=self._fields(service, address=str(service.ingress[0])),
        )

    def _fields(self, service: Service, **more: str) -> dict[str, str]:
        return fields(self.facts, namespace=service.namespace, service=service.name, **more)
