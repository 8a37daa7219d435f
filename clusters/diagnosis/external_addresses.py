"""Addresses of MetalLB's pools that services take for themselves (spec.externalIPs), of which MetalLB does not know."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb.ranges import Address, AddressError, parse_address
from clusters.observation.snapshot import Json
from clusters.subject import Subject


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """One root for each service that has an external address of a pool which MetalLB did not give to it."""
    for raw in (*facts.snapshot.external_ip_services.items, *facts.snapshot.services.items):
        key = f"{raw['metadata']['namespace']}/{raw['metadata']['name']}"
        service = facts.services.get(key)
        own = set(service.ingress) if service else set()
        taken = [each for each in _external(raw) if each not in own and facts.pool_of(each)]
        if taken:
            yield _root(facts, key, taken)


def _external(raw: Json) -> Iterator[Address]:
    for text in raw["spec"].get("externalIPs") or ():
        try:
            yield parse_address(text)
        except AddressError:
            continue


def _root(facts: Facts, key: str, taken: list[Address]) -> RootCause:
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
