"""The links from a service's object to its address, where nothing is known to break them."""

from __future__ import annotations

from clusters.checks import LinkReading
from clusters.checks.path_links import Link
from clusters.diagnosis.paths.path_case import Case, Read, not_applicable, ok, unknown
from clusters.metallb import services
from clusters.metallb.allocation import Outcome, predict_allocation

_SERVED_BY_OTHERS = "another load balancer serves it"


def of_class(case: Case) -> LinkReading:
    """Whether the service is MetalLB's to serve."""
    service, lb_class = case.service, case.facts.components.lb_class
    foreign = services.foreign(service, lb_class)
    if foreign is None:
        asked = f"class {service.lb_class}" if service.lb_class else "no class"
        return ok(Link.CLASS, f"the service asks for {asked}, which is what the controller serves")
    if service.ingress or service.hostnames:
        held = ", ".join((*map(str, service.ingress), *service.hostnames))
        return not_applicable(Link.CLASS, f"{_SERVED_BY_OTHERS}: its status holds {held}")
    return not_applicable(Link.CLASS, foreign.text)


def controller(case: Case) -> LinkReading:
    """Whether exactly one controller decides."""
    pods = case.facts.components.controllers
    if not case.facts.snapshot.pods.known:
        return unknown(Link.CONTROLLER, "MetalLB's pods were not read")
    ready = [pod for pod in pods if pod.ready]
    if len(ready) == 1 and len(pods) == 1:
        return ok(Link.CONTROLLER, f"pod {ready[0].name} is the only controller, and ready")
    return unknown(Link.CONTROLLER, f"{len(ready)} of {len(pods)} controllers are ready")


def configuration(case: Case) -> LinkReading:
    """Whether MetalLB has accepted the configuration that is there."""
    seen = case.facts.snapshot
    proof = []
    if seen.dry_run.ok and seen.dry_run.accepted:
        proof.append("MetalLB's webhook accepts a pool that is only tried")
    states = [(raw.get("status") or {}).get("result") for raw in seen.configuration_states.items]
    if states and all(state == "Valid" for state in states):
        proof.append(f"{len(states)} ConfigurationStates are Valid")
    stale = {
        pod.name: case.facts.signals.value(pod.name, "metallb_k8s_client_config_stale_bool")
        for pod in case.facts.components.pods
    }
    if stale and all(value == 0 for value in stale.values()):
        proof.append("metallb_k8s_client_config_stale_bool is 0 on every pod")
    return (
        ok(Link.CONFIGURATION, *proof) if proof else unknown(Link.CONFIGURATION, "no source of it was read")
    )


def request(case: Case) -> LinkReading:
    """Whether what the service asks for is well formed, and known to this version."""
    if case.roots.get(Link.CLASS) or case.service.key not in case.facts.owned:
        return not_applicable(Link.REQUEST, "MetalLB does not read what it asks for")
    asked = services.request(case.service)
    if services.unread_annotations(case.service) or asked.problem:
        return unknown(Link.REQUEST, "MetalLB does not read all that it asks for")
    parts = [f"pool {asked.pool}"] if asked.pool else []
    parts += [f"address {each}" for each in asked.addresses]
    parts += [f"to share by the key {case.service.sharing_key}"] if case.service.sharing_key else []
    return ok(Link.REQUEST, f"it asks for {' and '.join(parts) or 'nothing in particular'}")


def pool(case: Case) -> LinkReading:
    """Whether a pool may serve it."""
    if case.service.key not in case.facts.owned:
        return not_applicable(Link.POOL, "it needs none of MetalLB's pools")
    if not case.facts.snapshot.ip_address_pools.known:
        return unknown(Link.POOL, "the IPAddressPools were not read")
    names = {pool.name for each in case.service.ingress if (pool := case.facts.pool_of(each))}
    if names:
        return ok(Link.POOL, f"pool {', '.join(sorted(names))} holds its address")
    found = predict_allocation(case.service, case.facts.world)
    if found.outcome in {Outcome.ASSIGNED, Outcome.KEPT} and found.pools:
        return ok(Link.POOL, f"by MetalLB's rules pool {', '.join(found.pools)} may serve it")
    return unknown(Link.POOL, found.reason.text if found.reason else "no pool is known to serve it")


def free(case: Case) -> LinkReading:
    """Whether an address is free, sharing included."""
    if case.service.key not in case.facts.owned:
        return not_applicable(Link.FREE, "it needs none of MetalLB's addresses")
    if case.service.ingress:
        return ok(Link.FREE, f"it holds {', '.join(map(str, case.service.ingress))}")
    if not (case.facts.snapshot.ip_address_pools.known and case.facts.snapshot.services.known):
        return unknown(Link.FREE, "the pools or the services that use them were not read")
    found = predict_allocation(case.service, case.facts.world)
    offers = [str(one) for offer in found.offers[:1] for one in offer.addresses]
    if offers:
        return ok(Link.FREE, f"{', '.join(offers)} of pool {found.pools[0]} is free for it")
    return unknown(Link.FREE, "no address is known to be free for it")


def written(case: Case) -> LinkReading:
    """Whether the status holds, written by MetalLB alone."""
    if not case.service.ingress:
        return unknown(Link.WRITTEN, "its status holds no address")
    fields = case.facts.raw_services[case.service.key]["metadata"].get("managedFields") or ()
    writers = sorted({entry["manager"] for entry in fields})
    if not writers:
        return unknown(Link.WRITTEN, "who wrote its status is not recorded")
    return ok(Link.WRITTEN, f"its status was written by {', '.join(writers)} alone")


def intended(case: Case) -> LinkReading:
    """Whether it is the address, and the pool, that is intended."""
    expected = case.facts.snapshot.expectations
    known = {
        address
        for each in expected.consumers
        if f"{each.namespace}/{each.name}" == case.service.key
        for address in each.known_by
    }
    if not case.service.ingress:
        return unknown(Link.INTENDED, "it holds no address")
    if known:
        return ok(Link.INTENDED, f"it holds {', '.join(sorted(known))}, by which people know it")
    name = next((pool.name for each in case.service.ingress if (pool := case.facts.pool_of(each))), "")
    if name in expected.pools:
        return ok(Link.INTENDED, f"the profile names pool {name}, and no address for this service")
    return not_applicable(Link.INTENDED, "the profile names neither an address for it nor its pool")


LINKS: dict[Link, Read] = {
    Link.CLASS: of_class,
    Link.CONTROLLER: controller,
    Link.CONFIGURATION: configuration,
    Link.REQUEST: request,
    Link.POOL: pool,
    Link.FREE: free,
    Link.WRITTEN: written,
    Link.INTENDED: intended,
}
