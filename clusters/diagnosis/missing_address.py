"""Why a service has no address: the one cause that holds, and what was ruled out on the way to it.

In the order in which MetalLB itself would stumble: whose service it is, whether the controller works and
has a configuration, what the service asks for, what the pools may give. What MetalLB's own rules would do is
asked of `clusters.metallb`; the service's events are proof, never the ground of a decision.
"""

from __future__ import annotations

import math
from typing import Literal

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes import Effect, having
from clusters.diagnosis import metallb_permissions, pool_usage
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, KnownCauses, RootCause
from clusters.diagnosis.signals import lasting
from clusters.metallb import services
from clusters.metallb.allocation import Allocation, Outcome, predict_allocation
from clusters.metallb.reasons import Reason
from clusters.metallb.services import Service
from clusters.subject import CLUSTER, Subject

_EVIDENCE = 3
#: Events by which MetalLB gives an address, and those by which it says that a service has none.
_GIVEN = "IPAllocated"
_WITHOUT = frozenset(
    {"AllocationFailed", "LoadBalancerFailed", "ClearAssignment", "InternalError", "not enough clusterips"}
)


class MissingAddress:
    """Explains services without an address. `known` are the causes known so far."""

    def __init__(self, facts: Facts, known: KnownCauses) -> None:
        self.facts, self.known = facts, known
        self._alike: dict[object, Allocation] = {}

    def explain(self, service: Service) -> Explanation:
        """Why `service`, which is MetalLB's, waits."""
        for explained in (
            self._mismatch(service),
            self._controller(service),
            self._refused(service),
            self._rules(service),
            self._rival(service),
            self._unwritten(service),
        ):
            if explained:
                return explained
        return self._idle(service)

    def _mismatch(self, service: Service) -> Explanation | None:
        reason = services.foreign(service, self.facts.components.lb_class)
        if reason is None:
            return None
        parts = [
            root for root in self.known.get(CauseId.CLASS_MISMATCH, ()) if root.subject.kind != "service"
        ]
        if parts:  # controller and speakers do not serve the same services, which is not this service's fault
            return self._explanation(service, parts[0], reason.text)
        root = RootCause(
            cause=CauseId.CLASS_MISMATCH,
            subject=Subject.service(service.key),
            summary=reason.text,
            evidence=(f"spec.loadBalancerClass of the service: {service.lb_class or '(unset)'}",
                      f"--lb-class of the controller: {self.facts.components.lb_class or '(unset)'}"),
            fields=self._fields(service),
        )  # fmt: skip
        return self._explanation(service, root, reason.text)

    def _controller(self, service: Service) -> Explanation | None:
        """The controller does not work, so no service is served."""
        if any(pod.ready for pod in self.facts.components.controllers):
            if bound := self.known.get(CauseId.CONTROLLER_CPU_BOUND):
                return self._explanation(service, bound[0], "The controller is too slow to serve it.")
            if idle := self.known.get(CauseId.CONTROLLER_DOWN):
                return self._explanation(service, idle[0], idle[0].summary)
            refused = metallb_permissions.refused_to(self.facts, self.known, "controller")
            return self._explanation(service, refused[0], refused[0].summary) if refused else None
        found = self._first(
            having(Effect.STOPS_CONTROLLER),
            service,
            "The controller is not working, so the service is not served.",
        )
        if found or not self.facts.components.controllers:
            return found
        pod = self.facts.components.controllers[0]
        root = RootCause(
            cause=CauseId.CONTROLLER_DOWN,
            subject=self.facts.components.workload("controller"),
            summary=f"The controller's pod {pod.name} is not ready yet.",
            fields=self._fields(service),
        )
        return self._explanation(service, root, "The controller is still starting.")

    def _refused(self, service: Service) -> Explanation | None:
        """MetalLB refuses the configuration as a whole and works on with what it had, maybe nothing."""
        return self._first(
            having(Effect.REFUSES_CONFIGURATION),
            service,
            "MetalLB rejected its configuration, so it serves no pools.",
        )

    def _first(self, causes: tuple[CauseId, ...], service: Service, summary: str) -> Explanation | None:
        found = next((self.known[cause][0] for cause in causes if self.known.get(cause)), None)
        return self._explanation(service, found, f"{summary} {found.summary}") if found else None

    def _rules(self, service: Service) -> Explanation | None:
        """What MetalLB's allocation would do with the service as it stands."""
        found = self._allocation(service)
        refused = found.outcome in {Outcome.REFUSED, Outcome.UNSTABLE}
        if not refused or found.reason is None or not found.reason.cause:
            return None
        reason = found.reason
        subject = reason.subject or Subject.service(service.key)
        reporter: CheckId | Literal[""] = ""
        if reason.cause == CauseId.POOL_MISSING and self.facts.pools:
            reporter = CheckId.PENDING_ANNOTATIONS
        elif reason.cause == CauseId.POOL_RESTRICTED and services.request(service).addresses:
            reporter = CheckId.PENDING_REQUESTED_ADDRESS
        elif reason.cause == CauseId.POOL_MISSING:
            subject = CLUSTER
        pool = subject.name if subject.kind == "pool" else ""
        root = RootCause(
            cause=reason.named,
            subject=subject,
            summary=reason.text,
            evidence=(*self._usage(pool), *self._leaving(service, reason)),
            remedy=pool_usage.request_remedy(service, reason.named) or self._leaving_remedy(service, reason),
            reporter=reporter,
            fields=self._fields(service, pool=pool),
        )
        ruled_out = [each.text for each in found.considered if each.text != reason.text]
        return self._explanation(service, root, reason.text, *ruled_out)

    def _allocation(self, service: Service) -> Allocation:
        """As MetalLB would decide; services that ask for nothing special are alike and decided once."""
        plain = not service.annotations.keys() & _OWN and not service.load_balancer_ip and not service.ingress
        if not plain:
            return predict_allocation(service, self.facts.world)
        kept = any(pool.allocation for pool in self.facts.pools)
        labels = (service.namespace, tuple(sorted(service.labels.items()))) if kept else ()
        key = (service.family, service.family_policy, service.ipv6_first, len(service.cluster_ips), labels)
        if key not in self._alike:
            self._alike[key] = predict_allocation(service, self.facts.world)
        return self._alike[key]

    def _leaving(self, service: Service, reason: Reason) -> tuple[str, ...]:
        """Of the address that the service asks for: a holder that is being deleted, and what still keeps it."""
        if reason.cause not in {CauseId.REQUESTED_TAKEN, CauseId.SHARING_REFUSED}:
            return ()
        found = []
        for address in services.request(service).addresses:
            for holder in self.facts.world.held.get(address, ()):
                about = self.facts.raw_services[holder.key]["metadata"]
                if since := about.get("deletionTimestamp"):
                    kept = ", ".join(about.get("finalizers") or ()) or "nothing that is recorded"
                    found.append(
                        f"service {holder.key} is being deleted since {since}; what keeps it: {kept}"
                    )
        return tuple(found)

    def _leaving_remedy(self, service: Service, reason: Reason) -> str:
        if not self._leaving(service, reason):
            return ""
        return (
            "The service that holds the address is being deleted, and a finalizer keeps it: have its owner finish, "
            "or take the finalizer away."
        )

    def _usage(self, pool: str) -> tuple[str, ...]:
        used = self.facts.usage.get(pool)
        if used is None:
            return ()
        return tuple(
            f"pool {pool}: {each.used} of {each.usable} IPv{version} addresses are taken"
            for version, each in used.families.items()
        )

    def _rival(self, service: Service) -> Explanation | None:
        rivals = self.known.get(CauseId.RIVAL_CONTROLLER, ())
        return self._explanation(service, rivals[0], rivals[0].summary) if rivals else None

    def _unwritten(self, service: Service) -> Explanation | None:
        refused = self.known.get(CauseId.STATUS_WRITE_REFUSED, ())
        return self._explanation(service, refused[0], refused[0].summary) if refused else None

    def _idle(self, service: Service) -> Explanation:
        """Nothing stands in the way, and still the controller has not served it: then it does not work."""
        offer = self._allocation(service)
        root = RootCause(
            cause=CauseId.CONTROLLER_DOWN,
            subject=self.facts.components.workload("controller"),
            summary="The controller is ready, but it assigns no address although one is free for the service.",
            rests_on=("services", "ip_address_pools", "namespaces", "nodes", "pods", "deployments"),
            evidence=tuple(f"{', '.join(map(str, each.addresses))} of pool {each.pool} is free for it"
                           for each in offer.offers[:1]),
            fields=self._fields(service),
        )  # fmt: skip
        return self._explanation(service, root, root.summary)

    def _explanation(self, service: Service, root: RootCause, text: str, *ruled_out: str) -> Explanation:
        said = [str(event) for event in self.facts.signals.of_services.get(service.key, ()) if event.warning]
        waits = ""
        if service.key in self.facts.raw_services and not service.ingress:
            waits = f"{self._since(service)}: "
        return Explanation(
            root=root,
            subject=Subject.service(service.key),
            summary=f"{waits}{text}" if waits else text,
            evidence=tuple(said[:_EVIDENCE]),
            ruled_out=ruled_out,
            fields=self._fields(service),
        )

    def _since(self, service: Service) -> str:
        """For how long it has no address, by the events that say so; else how old it is, which says less.

        It may have had one until somebody edited it, or been of another type.
        """
        events = self.facts.signals.of_services.get(service.key, ())
        given = min((each.age for each in events if each.reason == _GIVEN), default=math.inf)
        without = [
            each.begun
            if each.begun <= given
            else each.age  # alike ones are counted as one from before as well
            for each in events
            if each.reason in _WITHOUT and each.age <= given
        ]
        if without:
            return f"has been waiting for an address for {lasting(max(without))}"
        return f"has no address, {lasting(self.facts.age(service.key))} after it was made"

    def _fields(self, service: Service, **more: str) -> dict[str, str]:
        asked = services.request(service).addresses
        address = str(asked[0]) if asked else ""
        return self.facts.command_fields(
            namespace=service.namespace, service=service.name, **({"address": address} | more)
        )


_OWN = frozenset(
    prefix + name
    for prefix in (services.PREFIX, services.DEPRECATED_PREFIX)
    for name in (services.ADDRESS_POOL, services.LOAD_BALANCER_IPS, services.ALLOW_SHARED_IP)
)
