"""All that is wrong in one Snapshot, each fault once: root causes first, then what services suffer from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property

from clusters import budgets, wait
from clusters.cause_ids import CauseId
from clusters.diagnosis import (
    announcer_sources,
    bgp_sessions,
    configuration_faults,
    consumers,
    kube_proxy,
    memberlist,
    metallb_permissions,
    pool_ranges,
    pool_usage,
    rivals,
    service_ports,
    unread_lists,
    workloads,
)
from clusters.diagnosis.announcer_election import Announcers
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.missing_address import MissingAddress
from clusters.diagnosis.responders import Responders
from clusters.diagnosis.root_cause import Explanation, KnownCauses, RootCause
from clusters.metallb import services
from clusters.metallb.services import Port, Service
from clusters.observation.snapshot import Reached, Snapshot
from clusters.subject import Subject
from clusters.wait import NotWithinBudget

#: Where the known causes are looked for, in the order in which they are reported.
_DETECTORS: tuple[Callable[[Facts], Iterable[RootCause]], ...] = (
    workloads.nodes,
    workloads.controller,
    workloads.classes,
    workloads.speakers,
    workloads.expected_announcers,
    memberlist.root_causes,
    metallb_permissions.root_causes,
    metallb_permissions.writes_refused,
    metallb_permissions.unprivileged,
    configuration_faults.root_causes,
    pool_usage.taken_by_hand,
    configuration_faults.interfaces_missing,
    pool_ranges.root_causes,
    pool_ranges.not_intended,
    pool_usage.exhausted,
    pool_usage.contradictions,
    pool_usage.restless,
    rivals.root_causes,
    service_ports.root_causes,
    kube_proxy.root_causes,
    bgp_sessions.root_causes,
)


class Diagnosis:
    """What is wrong in one Snapshot. Everything is found out when it is first asked for, and once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.facts = Facts(snapshot)

    @cached_property
    def known_causes(self) -> tuple[RootCause, ...]:
        """The causes that are found without looking at a single service's trouble."""
        detected = (root for detect in _DETECTORS for root in detect(self.facts))
        found = {root.key: root for root in detected if not self.holds_back(root)}
        cut = {root.subject for root in found.values() if root.cause == CauseId.API_UNREACHABLE}
        # A node that cannot reach the API server is NotReady for that reason: one fault, told once.
        return tuple(
            root for root in found.values() if root.cause != CauseId.NODE_NOT_READY or root.subject not in cut
        )

    @cached_property
    def known(self) -> KnownCauses:
        """The same by cause."""
        found: dict[CauseId, list[RootCause]] = {}
        for root in self.known_causes:
            found.setdefault(root.cause, []).append(root)
        return {cause: tuple(roots) for cause, roots in found.items()}

    @property
    def refused(self) -> bool:
        """Whether MetalLB refuses its configuration as a whole, by its own rules or by its own word."""
        by_rule = (root.cause for root in configuration_faults.refused(self.facts))
        return CauseId.CONFIG_REJECTED in self.known or any(True for _ in by_rule)

    @cached_property
    def announcers(self) -> Announcers:
        """Who may announce what."""
        return Announcers(self.facts, self.known)

    @cached_property
    def responders(self) -> Responders:
        """What the wire showed, explained."""
        return Responders(self.facts, self.known, self.announcers)

    @cached_property
    def waiting(self) -> tuple[Service, ...]:
        """The services without an address that should have one by now: MetalLB's, or meant for it by their looks."""
        budget = self.facts.budget("assigned", 10.0)
        meant = (
            each for each in self.facts.services.values() if each.key in self.facts.owned or self._meant(each)
        )
        # One with a host name in its status is served, by another load balancer: MetalLB writes addresses only.
        unserved = (each for each in meant if not each.ingress and not each.hostnames)
        return tuple(each for each in unserved if self.facts.age(each.key) > budget)

    def _meant(self, service: Service) -> bool:
        """Whether a service that is not MetalLB's was meant to be: by its annotations or the name of its class."""
        if service.lb_class is None:
            return True  # MetalLB serves only a class here, and nobody else gave it an address
        own = any(
            name.startswith((services.PREFIX, services.DEPRECATED_PREFIX)) for name in service.annotations
        )
        return own or "metallb" in service.lb_class

    @cached_property
    def restless(self) -> Mapping[str, RootCause]:
        """The services whose addresses MetalLB gives and takes without end.

        What is seen of one is a moment's: whatever it suffers, it suffers from that.
        """
        return {
            root.subject.key: root
            for root in self.known.get(CauseId.FAMILY_UNAVAILABLE, ())
            if root.subject.kind == "service"
            and pool_usage.prefers_in_vain(self.facts.services[root.subject.key])
        }

    def _settled(self, found: Mapping[str, Explanation]) -> Mapping[str, Explanation]:
        """The same, where of restless services that is told which keeps them so."""
        return {
            key: Explanation(root=root, subject=root.subject, summary=root.summary)
            if (root := self.restless.get(key))
            else explained
            for key, explained in found.items()
        }

    @cached_property
    def pending(self) -> Mapping[str, Explanation]:
        """Why each waiting service waits."""
        explains = MissingAddress(self.facts, self.known)
        return self._settled({service.key: explains.explain(service) for service in self.waiting})

    @cached_property
    def unannounced(self) -> Mapping[str, Explanation]:
        """Why nobody may announce a service that holds an address."""
        found = {key: self.announcers.explain(service) for key, service in self.facts.layer2.items()}
        return self._settled({key: explained for key, explained in found.items() if explained})

    @cached_property
    def wrongly_answered(self) -> Mapping[str, Explanation]:
        """Why not exactly one node answers for a service's address, as heard on the wire."""
        if not self.facts.wire_index.asked:
            return {}
        found = {key: self.responders.wrong_responder(service) for key, service in self.facts.layer2.items()}
        return self._settled({key: explained for key, explained in found.items() if explained})

    @cached_property
    def unreached(self) -> Mapping[str, Explanation]:
        """Why a service's ports are not reached from the vantage."""
        found = {}
        for key, service in self.facts.addressed.items():
            tries, dead = self._lost(key)
            if tries and (explained := self.responders.unreached(service, tries)):
                found[key] = explained
            elif dead:
                found[key] = Explanation(root=dead, subject=dead.subject, summary=dead.summary)
        return self._settled(found)

    def _lost(self, key: str) -> tuple[tuple[Reached, ...], RootCause | None]:
        """A service's ports in trouble, and why others are of which the API server alone says that nothing is there."""
        tries = self.facts.wire_index.unreached(key)
        dead = {each.port for each in service_ports.without_endpoint(self.facts, key)} if tries else set()
        rest = tuple(one for one in tries if Port(one.protocol, one.port) not in dead)
        roots = self.known.get(CauseId.TARGET_PORT_MISSING, ()) if len(rest) < len(tries) else ()
        root = next((each for each in roots if each.subject == Subject.service(key)), None)
        return (rest if root else tries), root

    @cached_property
    def kept_out(self) -> tuple[str, ...]:
        """The addresses in a network that the vantage may be kept out of: nothing is known of their traffic."""
        found = {
            key: self.facts.wire_index.unreached(key)
            for key in self.facts.layer2
            if key not in self.unreached
        }
        return tuple(dict.fromkeys(one.address for tries in found.values() for one in tries))

    @cached_property
    def consumers(self) -> Mapping[str, Explanation]:
        """What is wrong with the profile's consumers."""
        rivals = self.known.get(CauseId.RIVAL_CONTROLLER, ())
        found = consumers.explain(
            self.facts,
            pending=self.pending,
            unreached=self.unreached,
            rivals=rivals,
            announcers=self.announcers,
        )
        return dict(found)

    @cached_property
    def outside_intended_pool(self) -> Mapping[str, Explanation]:
        """Services that hold an address which they should not hold."""
        return self._settled(dict(pool_usage.wrongly_held(self.facts, self.known)))

    @cached_property
    def cut_off(self) -> Explanation | None:
        """Why the webhook is not reached, where that is the trouble of the nodes that the controllers run on."""
        for webhook in self.known.get(CauseId.WEBHOOK_UNREACHABLE, ()):
            roots = [explained.root for explained in self.unreached.values()]
            return configuration_faults.behind_nodes(self.facts, webhook, roots)
        return None

    @cached_property
    def disputed(self) -> Mapping[str, announcer_sources.AnnouncerSources]:
        """What the sources say of the services on whose announcer they do not agree."""
        return dict(announcer_sources.disputed(self.facts, self.announcers))

    @cached_property
    def disagreeing(self) -> Mapping[str, Explanation]:
        """Services whose announcer the sources do not agree on, where exactly one answers."""
        found = announcer_sources.disagreements(self.facts, self.disputed, self.known)
        return {
            key: each
            for key, each in found
            if key not in self.wrongly_answered and key not in self.unannounced and key not in self.restless
        }

    @cached_property
    def root_causes(self) -> tuple[RootCause, ...]:
        """Every root cause, the known ones first, each once."""
        found = {
            root.key: root
            for root in self.known_causes
            if not (root.cause == CauseId.WEBHOOK_UNREACHABLE and self.cut_off)
        }
        for root in announcer_sources.unexpected_responders(self.facts, self.known):
            found.setdefault(root.key, root)
        for explanations in self._of_services:
            for explained in explanations.values():
                found.setdefault(explained.root.key, explained.root)
        return tuple(root for root in found.values() if not self.holds_back(root))

    @cached_property
    def reported(self) -> Mapping[str, tuple[RootCause, ...]]:
        """The root causes by the check that reports them."""
        found: dict[str, list[RootCause]] = {}
        for root in self.root_causes:
            found.setdefault(root.reported_by, []).append(root)
        return {check: tuple(roots) for check, roots in found.items()}

    def holds_back(self, root: RootCause) -> bool:
        """Whether a root cannot be told, as what it rests on was not all read."""
        return unread_lists.held_back(root, self._unknown)

    @cached_property
    def _unknown(self) -> frozenset[str]:
        return unread_lists.not_read(self.snapshot)

    def explanations(self, key: str) -> tuple[Explanation, ...]:
        """All that is known to be wrong with one service, for each of the ways in which it is in trouble."""
        found = (each.get(key) for each in self._of_services)
        return tuple(each for each in found if each and not self.holds_back(each.root))

    @cached_property
    def troubled(self) -> frozenset[str]:
        """The services with which anything is wrong."""
        named = {root.subject.key for root in self.known_causes if root.subject.kind == "service"}
        return frozenset(
            (named & self.facts.services.keys())
            | {key for each in self._of_services for key in each if self.explanations(key)}
        )

    @property
    def _of_services(self) -> tuple[Mapping[str, Explanation], ...]:
        return (*self._suffered, self.consumers, self.outside_intended_pool, self.disagreeing)

    @property
    def _suffered(self) -> tuple[Mapping[str, Explanation], ...]:
        return self.pending, self.unannounced, self.wrongly_answered, self.unreached

    @cached_property
    def affected(self) -> Mapping[tuple[str, str], tuple[str, ...]]:
        """The services that suffer from each root, by the root's key."""
        found: dict[tuple[str, str], dict[str, None]] = {}
        for explanations in self._suffered:
            for key, explained in explanations.items():
                found.setdefault(explained.root.key, {})[key] = None
        return {root: tuple(keys) for root, keys in found.items()}


def observed(look: Callable[[], Snapshot]) -> Diagnosis:
    """The diagnosis of one look, or of the last of several where the sources named different announcers before.

    While a speaker starts or ends, the ServiceL2Status of two nodes may stand side by side, or one that is over: a
    moment is not taken for a state. The wire is asked again for that reason where it is asked
    (clusters/observation/wire.py); what MetalLB says of itself is, here.
    Looks for as long as the budget `handed_over` allows; whatever the last look shows is told. Raises what `look`
    raises.
    """
    looks: list[Diagnosis] = []

    def again() -> bool:
        looks[:] = [Diagnosis(look())]
        return not looks[0].disagreeing

    # What is so to the end of the budget is no moment, and the diagnosis says what it is.
    with suppress(NotWithinBudget):
        wait.until("the sources agree", read=again, accept=bool, budget=budgets.get(budgets.HANDED_OVER))
    return looks[0]
