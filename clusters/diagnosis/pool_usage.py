"""Addresses that are held as they should not be, and pools that have none left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clusters.checks.causes import Effect, having
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, Root
from clusters.diagnosis.telling import fields
from clusters.metallb import services, usage
from clusters.metallb.allocation import Outcome, predict_allocation
from clusters.metallb.services import FamilyPolicy, Service


def exhausted(facts: Facts) -> Iterator[Root]:
    """Pools that give addresses unasked and have none left. A pool of one address is full by its nature."""
    for pool in facts.pools:
        used = facts.usage[pool.name]
        for version in sorted(used.exhausted):
            family = used.families[version]
            if pool.auto_assign and family.usable > 1:
                yield Root(
                    cause="pool-exhausted",
                    subject=f"pool {pool.name}",
                    summary=f"Pool {pool.name} has no free IPv{version} address.",
                    evidence=(f"{family.used} of {family.usable} IPv{version} addresses are taken",),
                    fields=fields(facts, pool=pool.name),
                )


def contradictions(facts: Facts) -> Iterator[Root]:
    """What services ask for that contradicts itself, on services that hold an address all the same."""
    for key, service in facts.addressed.items():
        problem = services.request(service).problem
        if problem:
            place = fields(facts, namespace=service.namespace, service=service.name)
            yield Root(cause=problem.cause, subject=f"service {key}", summary=problem.text, fields=place)


def restless(facts: Facts) -> Iterator[Root]:
    """Services whose addresses MetalLB gives and takes without end, whether they have one at this moment or not."""
    for key, service in facts.owned.items():
        if service.family_policy is not FamilyPolicy.PREFER or len(service.cluster_ips) != 1:
            continue
        found = predict_allocation(service, facts.world)
        if found.outcome is Outcome.UNSTABLE and found.reason:
            told = [f"event {event}" for event in facts.saying.of_services.get(key, ()) if event.count > 1]
            yield Root(
                cause=found.reason.cause,
                subject=f"service {key}",
                summary=found.reason.text,
                evidence=tuple(told[:3]),
                remedy="Set ipFamilyPolicy SingleStack on the service, or give its pool addresses of one family only.",
                fields=fields(facts, namespace=service.namespace, service=service.name),
            )


def strays(facts: Facts, ground: Mapping[str, tuple[Root, ...]]) -> Iterator[tuple[str, Explanation]]:
    """Services that hold an address of no pool, or one that another holds without being allowed to share it."""
    if facts.snapshot.ip_address_pools.known:
        for key, service in facts.addressed.items():
            if any(facts.pool_of(each) is None for each in service.ingress):
                yield key, _outside(facts, service, ground)
    for address, one, other, reason in usage.wrongly_shared(facts.world.held):
        text = f"Services {one.key} and {other.key} both hold {address}. {reason.text}"
        root = Root(
            cause="sharing-refused",
            subject=f"service {other.key}",
            summary=text,
            home="health.services-addressed",
            fields=fields(facts, namespace=other.namespace, service=other.name, address=str(address)),
        )
        yield other.key, _explained(other, _rival(ground, one, other) or root, text)


def _outside(facts: Facts, service: Service, ground: Mapping[str, tuple[Root, ...]]) -> Explanation:
    listed = ", ".join(str(each) for each in service.ingress if facts.pool_of(each) is None)
    text = f"Service {service.key} holds {listed}, which no pool holds."
    known = _rival(ground, service) or next(
        (root for cause in having(Effect.KEEPS_ADDRESS) for root in ground.get(cause, ())), None
    )
    own = Root(
        cause="pool-missing",
        subject=f"service {service.key}",
        summary=text,
        evidence=(f"it says it came from pool {service.annotation(services.ALLOCATED_FROM) or '(none)'}",),
        home="health.services-addressed",
        fields=fields(facts, namespace=service.namespace, service=service.name, address=listed),
    )
    return _explained(service, known or own, text)


def _rival(ground: Mapping[str, tuple[Root, ...]], *found: Service) -> Root | None:
    """Another controller that works on one of the services."""
    subjects = {f"service {service.key}" for service in found}
    return next((root for root in ground.get("rival-controller", ()) if root.subject in subjects), None)


def _explained(service: Service, root: Root, text: str) -> Explanation:
    return Explanation(root=root, subject=f"service {service.key}", summary=text)
