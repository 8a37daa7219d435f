"""Addresses of pools that are held as they should not be, by whomever, and pools with none left."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes import Effect, having
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, KnownCauses, RootCause
from clusters.metallb import services, usage
from clusters.metallb.allocation import Outcome, predict_allocation
from clusters.metallb.ranges import Address, AddressError, parse_address
from clusters.metallb.services import FamilyPolicy, Service
from clusters.observation.snapshot import Json
from clusters.subject import Subject


def exhausted(facts: Facts) -> Iterator[RootCause]:
    """Pools that give addresses unasked and have none left. A pool of one address is full by its nature."""
    for pool in facts.pools:
        used = facts.usage[pool.name]
        for version in sorted(used.exhausted):
            family = used.families[version]
            if pool.auto_assign and family.usable > 1:
                yield RootCause(
                    cause=CauseId.POOL_EXHAUSTED,
                    subject=Subject.pool(pool.name),
                    summary=f"Pool {pool.name} has no free IPv{version} address.",
                    evidence=(f"{family.used} of {family.usable} IPv{version} addresses are taken",),
                    fields=facts.command_fields(pool=pool.name),
                )


def contradictions(facts: Facts) -> Iterator[RootCause]:
    """What services ask for that contradicts itself, on services that hold an address all the same."""
    for key, service in facts.addressed.items():
        problem = services.request(service).problem
        if problem:
            place = facts.command_fields(namespace=service.namespace, service=service.name)
            yield RootCause(
                cause=problem.named,
                subject=Subject.service(key),
                summary=problem.text,
                remedy=request_remedy(service, problem.named),
                fields=place,
            )


def request_remedy(service: Service, cause: CauseId) -> str:
    """What to do where it is the request that cannot be met by any pool: it is malformed, or asks for too much."""
    problem = services.request(service).problem
    if problem is None or problem.cause != cause:
        return ""
    if cause == CauseId.FAMILY_UNAVAILABLE:
        return "Ask for one IPv4 address, one IPv6 address, or one of each: MetalLB gives a service no second one."
    if cause == CauseId.REQUESTED_OUTSIDE_POOLS:
        return "Write each address alone, several with a comma between them: no prefix length, no range, no name."
    return ""


def prefers_in_vain(service: Service) -> bool:
    """Whether a service prefers both families where its cluster has one."""
    return service.family_policy is FamilyPolicy.PREFER and len(service.cluster_ips) == 1


def restless(facts: Facts) -> Iterator[RootCause]:
    """Services whose addresses MetalLB gives and takes without end, whether they have one at this moment or not."""
    for key, service in facts.owned.items():
        if not prefers_in_vain(service):
            continue
        found = predict_allocation(service, facts.world)
        if found.outcome is Outcome.UNSTABLE and found.reason:
            told = [f"event {event}" for event in facts.signals.of_services.get(key, ()) if event.count > 1]
            yield RootCause(
                cause=found.reason.named,
                subject=Subject.service(key),
                summary=found.reason.text,
                evidence=tuple(told[:3]),
                remedy="Set ipFamilyPolicy SingleStack on the service, or give its pool addresses of one family only.",
                fields=facts.command_fields(namespace=service.namespace, service=service.name),
            )


def wrongly_held(facts: Facts, known: KnownCauses) -> Iterator[tuple[str, Explanation]]:
    """Services that hold an address of no pool, or one that another holds without being allowed to share it."""
    if facts.snapshot.ip_address_pools.known:
        for key, service in facts.addressed.items():
            if any(facts.pool_of(each) is None for each in service.ingress):
                yield key, _outside(facts, service, known)
    for address, one, other, reason in usage.wrongly_shared(facts.world.held):
        text = f"Services {one.key} and {other.key} both have the address {address}. {reason.text}"
        root = RootCause(
            cause=CauseId.SHARING_REFUSED,
            subject=Subject.service(other.key),
            summary=text,
            reporter=CheckId.HEALTH_SERVICES_ADDRESSED,
            fields=facts.command_fields(namespace=other.namespace, service=other.name, address=str(address)),
        )
        yield other.key, _explained(other, _rival(known, one, other) or root, text)


def _outside(facts: Facts, service: Service, known: KnownCauses) -> Explanation:
    listed = ", ".join(str(each) for each in service.ingress if facts.pool_of(each) is None)
    text = f"Service {service.key} has the address {listed}, which is in no pool."
    elsewhere = _rival(known, service) or next(
        (root for cause in having(Effect.KEEPS_ADDRESS) for root in known.get(cause, ())), None
    )
    own = RootCause(
        cause=CauseId.POOL_MISSING,
        subject=Subject.service(service.key),
        summary=text,
        evidence=(f"its annotation names pool {service.annotation(services.ALLOCATED_FROM) or '(none)'}",),
        reporter=CheckId.HEALTH_SERVICES_ADDRESSED,
        fields=facts.command_fields(namespace=service.namespace, service=service.name, address=listed),
    )
    return _explained(service, elsewhere or own, text)


def _rival(known: KnownCauses, *found: Service) -> RootCause | None:
    """Another controller that works on one of the services."""
    subjects = {Subject.service(service.key) for service in found}
    return next((root for root in known.get(CauseId.RIVAL_CONTROLLER, ()) if root.subject in subjects), None)


def _explained(service: Service, root: RootCause, text: str) -> Explanation:
    return Explanation(root=root, subject=Subject.service(service.key), summary=text)


def taken_by_hand(facts: Facts) -> Iterator[RootCause]:
    """One root for each service that has an external address of a pool which MetalLB did not give to it."""
    for raw in (*facts.snapshot.external_ip_services.items, *facts.snapshot.services.items):
        key = f"{raw['metadata']['namespace']}/{raw['metadata']['name']}"
        service = facts.services.get(key)
        own = set(service.ingress) if service else set()
        taken = [each for each in _external(raw) if each not in own and facts.pool_of(each)]
        if taken:
            yield _taken_root(facts, key, taken)


def _external(raw: Json) -> Iterator[Address]:
    for text in raw["spec"].get("externalIPs") or ():
        try:
            yield parse_address(text)
        except AddressError:
            continue


def _taken_root(facts: Facts, key: str, taken: list[Address]) -> RootCause:
    namespace, _, name = key.partition("/")
    pools = {str(each): pool.name for each in taken if (pool := facts.pool_of(each))}
    listed = ", ".join(pools)
    held = [
        f"{address} is held by service {other}, whose traffic kube-proxy may send to {key} instead"
        for address in pools
        for other, service in facts.addressed.items()
        if other != key and address in {str(each) for each in service.ingress}
    ]
    return RootCause(
        cause=CauseId.EXTERNAL_ADDRESS_IN_POOL,
        subject=Subject.service(key),
        summary=f"Service {key} takes {listed} of pool {', '.join(sorted(set(pools.values())))} for itself in "
        "spec.externalIPs: MetalLB does not announce it for that, and may give it to another service.",
        evidence=(f"spec.externalIPs of service {key}: {listed}", *held),
        fields=facts.command_fields(namespace=namespace, service=name, pool=next(iter(pools.values()))),
    )
