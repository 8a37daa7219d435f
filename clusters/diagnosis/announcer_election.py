"""Who may announce each service, and why nobody may: MetalLB's election, asked once for many services alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clusters.cause_ids import CauseId
from clusters.checks.causes import Effect, having
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, KnownCauses, RootCause
from clusters.metallb import election, services
from clusters.metallb.advertisements import Advertisement
from clusters.metallb.election import Ballot, Prediction
from clusters.metallb.nodes import Endpoint
from clusters.metallb.reasons import Reason
from clusters.metallb.services import Service
from clusters.subject import CLUSTER, Subject

_SERVING = (Endpoint(addresses=(), node=None, servable=True),)


@dataclass(frozen=True, kw_only=True)
class Electorate:
    """The nodes that may announce all services of one pool and one set of advertisements."""

    candidates: frozenset[str]
    prediction: Prediction
    ballot: Ballot


class Announcers:
    """The elections of one Snapshot. `known` are the causes known so far."""

    def __init__(self, facts: Facts, known: KnownCauses) -> None:
        self.facts, self.known = facts, known
        self._fields: dict[tuple[str, ...], Electorate] = {}
        self._field_of: dict[str, Electorate | Reason] = {}
        self._candidates: dict[str, frozenset[str]] = {}
        self._owners: dict[str, str | None] = {}

    def candidates(self, service: Service) -> frozenset[str]:
        """The nodes of which one announces the service, given its endpoints."""
        if service.key not in self._candidates:
            self._candidates[service.key] = self._able(service)
        return self._candidates[service.key]

    def _able(self, service: Service) -> frozenset[str]:
        endpoints = self.facts.endpoints.get(service.key, ())
        if self._ignored(service) or election.no_endpoint(service, endpoints):
            return frozenset()
        field = self._field(service)
        if isinstance(field, Reason):
            return frozenset()
        if not service.local_policy:
            return field.candidates
        return field.candidates & {each.node for each in endpoints if each.servable and each.node}

    def elected(self, service: Service) -> str | None:
        """The node that announces the service by MetalLB's election, None where nobody may."""
        if service.key not in self._owners:
            self._owners[service.key] = self._elect(service)
        return self._owners[service.key]

    def _elect(self, service: Service) -> str | None:
        candidates = self.candidates(service)
        if not candidates:
            return None
        field = self._field(service)
        assert isinstance(field, Electorate)  # there are candidates
        chosen = field.prediction.advertisements
        if any(each.preferences for each in chosen):
            # Preferences come before the hash; the order among the candidates is then the prediction's own.
            endpoints = self.facts.endpoints.get(service.key, ())
            return election.predict_announcer(service, endpoints, self.facts.scene).owner
        ballot = field.ballot if len(candidates) == len(field.candidates) else Ballot(candidates)
        return ballot.first(service.ingress[0])

    def _field(self, service: Service) -> Electorate | Reason:
        """The field of candidates for a service, endpoints and policy apart; or why it is not advertised."""
        if service.key not in self._field_of:
            self._field_of[service.key] = self._entered(service)
        return self._field_of[service.key]

    def _entered(self, service: Service) -> Electorate | Reason:
        chosen = self._chosen(service)
        if isinstance(chosen, Reason):
            return chosen
        key = tuple(each.name for each in chosen)
        if key not in self._fields:
            probe = replace(service, local_policy=False)
            found = election.predict_announcer(probe, _SERVING, self.facts.scene)
            names = frozenset(found.candidates)
            self._fields[key] = Electorate(candidates=names, prediction=found, ballot=Ballot(names))
        return self._fields[key]

    def _chosen(self, service: Service) -> tuple[Advertisement, ...] | Reason:
        pools = {pool.name: pool for each in service.ingress if (pool := self.facts.pool_of(each))}
        covering = self.facts.covering.get(next(iter(pools), ""), ())
        if len(pools) != 1 or not covering or any(each.service_selectors for each in covering):
            return election.advertised_by(service, self.facts.scene)
        return covering

    def explain(self, service: Service) -> Explanation | None:
        """Why nobody may announce the service; None where somebody may, or where that cannot be known."""
        if not self.facts.election_known or self.candidates(service):
            return None
        if ignored := self.of_another_class(service):
            return ignored
        endpoints = self.facts.endpoints.get(service.key, ())
        found = election.predict_announcer(service, endpoints, self.facts.scene)
        reason = found.reason or Reason("", "")
        excluded = [f"{each.text}" for each in found.excluded.values() if each.cause != reason.cause]
        root = self._root(service, found, reason)
        return Explanation(
            root=root,
            subject=Subject.service(service.key),
            summary=reason.text or root.summary,
            evidence=tuple(
                f"endpoint {', '.join(each.addresses)} on {each.node}: "
                f"{'ready' if each.servable else 'not ready'}"
                for each in endpoints[:3]
            ),
            ruled_out=tuple(excluded[:6]),
            fields=self._commands(service),
        )  # fmt: skip

    def _ignored(self, service: Service) -> str:
        """The same as a sentence; "" where they do not."""
        speaking = self.facts.components.speaking
        if speaking is None or services.foreign(service, speaking.lb_class) is None:
            return ""
        return (
            f"Service {service.key} asks for {services.asked_class(service)}, and the speakers announce "
            f"{services.served_by(speaking.lb_class)}."
        )

    def of_another_class(self, service: Service) -> Explanation | None:
        """Why the speakers leave a service alone that holds an address; None where they do not."""
        why = self._ignored(service)
        if not why:
            return None
        subject = self.facts.components.workload("speaker")
        known = [
            root for root in self.known.get(CauseId.CLASS_MISMATCH, ()) if root.subject.kind != "service"
        ]
        own = RootCause(
            cause=CauseId.CLASS_MISMATCH, subject=subject, summary=why, fields=self._commands(service)
        )
        root = next(iter(known), own)
        return Explanation(
            root=root,
            subject=Subject.service(service.key),
            summary=why,
            fields=self._commands(service),
        )

    def _root(self, service: Service, found: Prediction, reason: Reason) -> RootCause:
        """The root behind a reason: the node's or the speaker's own trouble where the reason only shows it."""
        nodes = [
            name for name, each in found.excluded.items() if each.cause == CauseId.SPEAKER_MISSING_ON_NODE
        ]
        if service.local_policy:
            endpoints = self.facts.endpoints.get(service.key, ())
            nodes = [name for name in nodes if name in {each.node for each in endpoints if each.servable}]
        match reason.cause:
            case CauseId.SPEAKER_MISSING_ON_NODE | CauseId.LOCAL_POLICY_NO_ENDPOINT_ON_ANNOUNCER if nodes:
                known = self._known(having(Effect.STOPS_SPEAKER), nodes)
            case CauseId.NODE_NETWORK_UNAVAILABLE:
                known = self._known((reason.named, *having(Effect.LOSES_NODE)), list(found.excluded))
            case CauseId.ENDPOINTS_UNREADY:
                known = self._lost_endpoints(service)
            case CauseId.POOL_NOT_ADVERTISED | CauseId.ADVERTISEMENT_SELECTS_NOTHING:
                known = self._advertisement(reason)
            case _:
                known = None
        return known or self._own(service, found, reason)

    def _known(self, causes: tuple[CauseId, ...], nodes: list[str]) -> RootCause | None:
        """The first known root of these causes on one of the nodes, or in the component as a whole."""
        for cause in causes:
            for root in self.known.get(cause, ()):
                if root.subject.kind != "node" or root.subject.name in nodes:
                    return root
        return None

    def _lost_endpoints(self, service: Service) -> RootCause | None:
        """All endpoints are on nodes in trouble: then the nodes are the matter."""
        nodes = {each.node for each in self.facts.endpoints.get(service.key, ())}
        lost = [
            name for name in nodes if name and name in self.facts.nodes and not self.facts.nodes[name].ready
        ]
        if not lost or len(lost) != len(nodes):
            return None
        return self._known(having(Effect.LOSES_NODE), sorted(lost))

    def _advertisement(self, reason: Reason) -> RootCause | None:
        """An advertisement that is broken by itself, rather than just not meant for this service."""
        broken = (*self.known.get(CauseId.ADVERTISEMENT_UNKNOWN_POOL, ()), *self.known.get(reason.named, ()))
        if not broken and reason.cause == CauseId.POOL_NOT_ADVERTISED:
            # That a pool is bare is not told where an advertisement misses it by its labels.
            broken = self.known.get(CauseId.ADVERTISEMENT_SELECTS_NOTHING, ())
        exact = [root for root in broken if root.subject == reason.subject]
        return next(iter(exact or broken), None)

    def _own(self, service: Service, found: Prediction, reason: Reason) -> RootCause:
        cause = reason.cause or CauseId.NOBODY_ANSWERS
        nodes = sorted(name for name, each in found.excluded.items() if each.cause == cause)
        subject = reason.subject or Subject.service(service.key)
        if cause in {CauseId.NODE_EXCLUDED, CauseId.SPEAKER_MISSING_ON_NODE} and nodes:
            subject = Subject.node(nodes[0]) if len(nodes) == 1 else CLUSTER
        pool = self.facts.pool_of(service.ingress[0]) if service.ingress else None
        return RootCause(
            cause=cause,
            subject=subject,
            summary=reason.text or f"No node is eligible to announce service {service.key}.",
            evidence=tuple(found.excluded[name].text for name in nodes[:4]),
            fields=self._commands(service, node=nodes[0] if nodes else "", pool=pool.name if pool else ""),
        )

    def _commands(self, service: Service, **more: str) -> dict[str, str]:
        address = str(service.ingress[0]) if service.ingress else ""
        return self.facts.command_fields(
            namespace=service.namespace, service=service.name, address=address, **more
        )
