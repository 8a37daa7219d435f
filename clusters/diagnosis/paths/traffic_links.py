"""The links from the vantage to the announcing node, to a backend and back, where nothing is known to break them."""

from __future__ import annotations

from clusters.checks import LinkReading
from clusters.checks.path_links import Link
from clusters.diagnosis import consumers
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding import Stretch
from clusters.diagnosis.forwarding.stretch import SEVERAL, ending
from clusters.diagnosis.paths.path_case import Case, Read, not_applicable, ok, unknown
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import Status

_BY_BGP = "the address is announced by BGP, and nobody has to reply to ARP for it"
_OTHERS = "the address is announced by something else than MetalLB"


def route(case: Case) -> LinkReading:
    """Whether the vantage has a way to the address."""
    place = case.facts.snapshot.wire.place
    found = case.facts.wire_index.routes.get(case.address)
    if found is None:
        return unknown(Link.ROUTE, "nobody looked from outside")
    if found.on_link:
        return ok(Link.ROUTE, f"vantage {place} is on the segment of {case.address}")
    if found.problem:
        return unknown(Link.ROUTE, f"vantage {place} has no route to {case.address}: {found.problem}")
    through = f"vantage {place} reaches {case.address} by gateway {found.gateway}"
    if any(one.outcome.replied for one in case.tries):
        return ok(Link.ROUTE, through)
    beyond = sorted(
        one.address
        for one in case.facts.snapshot.wire.reached
        if one.outcome is ProbeOutcome.ANSWERED
        and (way := case.facts.wire_index.routes.get(one.address))
        and way.gateway == found.gateway
    )
    if beyond:
        return ok(Link.ROUTE, through, f"by the same gateway {beyond[0]} is served")
    return unknown(Link.ROUTE, through, "nothing behind that gateway is known to be served")


def advertised(case: Case) -> LinkReading:
    """Whether somebody is meant to announce it."""
    pool = next((pool for each in case.service.ingress if (pool := case.facts.pool_of(each))), None)
    seen = case.facts.snapshot
    if pool is None:
        if seen.ip_address_pools.known:
            return unknown(Link.ADVERTISED, "no pool of MetalLB's holds the address")
        return unknown(Link.ADVERTISED, "the IPAddressPools were not read")
    if by := _announced_by(case.facts, pool.name):
        return ok(Link.ADVERTISED, by)
    if not (seen.l2_advertisements.known and seen.bgp_advertisements.known):
        return unknown(Link.ADVERTISED, "the advertisements were not read")
    return unknown(Link.ADVERTISED, f"no advertisement covers pool {pool.name}")


def _announced_by(facts: Facts, pool: str) -> str:
    """Who is meant to announce a pool; empty where nobody is known to."""
    if pool in facts.announced_by_others:
        return f"pool {pool}: {facts.announced_by_others[pool]}"
    covering = [each.name for each in facts.covering.get(pool, ())]
    if covering:
        return f"L2Advertisement {', '.join(covering)} covers pool {pool}"
    return f"a BGPAdvertisement covers pool {pool}" if pool in facts.bgp_only else ""


def announcer(case: Case) -> LinkReading:
    """Whether an announcer is eligible and elected."""
    if not case.layer2:
        return not_applicable(Link.ANNOUNCER, _not_by_layer2(case))
    if not case.facts.election_known:
        return unknown(Link.ANNOUNCER, "not all was read that decides who may announce")
    candidates = sorted(case.diagnosis.announcers.candidates(case.service))
    if not candidates:
        return unknown(Link.ANNOUNCER, "no node is known to be eligible")
    elected = case.diagnosis.announcers.elected(case.service)
    return ok(Link.ANNOUNCER, f"{', '.join(candidates)} may announce it, and the election names {elected}")


def answer(case: Case) -> LinkReading:
    """Whether exactly one host replies, and it is a node."""
    if not case.layer2:
        return not_applicable(Link.ANSWER, _not_by_layer2(case))
    hosts = case.facts.wire_index.responders(case.address)
    wire = case.facts.snapshot.wire
    if hosts is None:
        why = wire.control if wire.ok and not wire.control_ok else "nobody was asked on its segment"
        return unknown(Link.ANSWER, why)
    if len(hosts) == 1 and hosts[0].node:
        return ok(Link.ANSWER, f"{hosts[0].named} alone replies for {case.address}")
    return unknown(Link.ANSWER, f"{', '.join(map(str, hosts)) or 'nobody'} replies")


def afar(case: Case) -> LinkReading:
    """Whether it holds behind a router as well."""
    far = case.facts.snapshot.routed
    if far.status is Status.NOT_ASKED:
        return not_applicable(Link.AFAR, "the profile names no vantage behind a router")
    tries = [one for one in far.reached if one.service == case.service.key and one.address == case.address]
    if not tries:
        return unknown(Link.AFAR, far.detail or f"it was not tried from {far.place}")
    if any(one.outcome is ProbeOutcome.ANSWERED for one in tries):
        return ok(Link.AFAR, f"it is served at {far.place}, behind a router")
    return unknown(Link.AFAR, f"from {far.place}: {tries[0].detail or tries[0].outcome}")


def _not_by_layer2(case: Case) -> str:
    pool = next((pool.name for each in case.service.ingress if (pool := case.facts.pool_of(each))), "")
    return _BY_BGP if pool in case.facts.bgp_only else _OTHERS


def node(case: Case) -> LinkReading:
    """Whether frames from the vantage reach that node at all."""
    if _replied(case):
        return ok(Link.NODE, _came_back(case))
    reach = _stretch(case).reach if case.tries else None
    if reach is None:
        return unknown(Link.NODE, "nothing came back, and the node's own address was not tried")
    where = f"port {reach.port} of node {reach.node}'s own address {reach.address}"
    if reach.replied:
        return ok(Link.NODE, f"{where} is reached")
    return unknown(Link.NODE, f"{where} is silent too: {ending(reach)}")


def forward(case: Case) -> LinkReading:
    """Whether the node takes the packet and hands it on."""
    if _replied(case):
        return ok(Link.FORWARD, _came_back(case))
    beside = _stretch(case).served_beside if case.tries else ""
    if beside:
        return ok(Link.FORWARD, f"{beside}, which node {case.announcer} announces too, is served")
    return unknown(Link.FORWARD, "nothing came back")


def backend_path(case: Case) -> LinkReading:
    """Whether every endpoint gets its share."""
    whole = [one for one in case.tries if one.tries >= SEVERAL and not one.lost]
    if case.tries and len(whole) == len(case.tries):
        told = ", ".join(f"{one.tries} at {one.protocol} port {one.port}" for one in whole)
        return ok(Link.BACKEND_PATH, f"no try was lost, of {told}")
    if not case.tries:
        return unknown(Link.BACKEND_PATH, "no port was tried")
    if any(one.tries < SEVERAL for one in case.tries):
        return unknown(Link.BACKEND_PATH, "one try reaches one endpoint")
    return unknown(
        Link.BACKEND_PATH, *(f"{one.protocol} port {one.port}: {ending(one)}" for one in case.tries)
    )


def backend(case: Case) -> LinkReading:
    """Whether what answers keeps its promise."""
    served = [f"{one.protocol} port {one.port}" for one in case.tries if one.outcome is ProbeOutcome.ANSWERED]
    if case.tries and len(served) == len(case.tries):
        return ok(Link.BACKEND, f"{', '.join(served)} answers")
    return unknown(Link.BACKEND, "not every port is known to answer")


def returning(case: Case) -> LinkReading:
    """Whether answers come back whole."""
    if whole := consumers.large_answer(case.facts, case.service, case.address):
        return ok(Link.RETURN, f"{whole.size} bytes came back from {consumers.url(whole)}")
    small = (
        "small answers come back, and no large one was asked for" if _replied(case) else "nothing came back"
    )
    return unknown(Link.RETURN, small)


def _stretch(case: Case) -> Stretch:
    """The stretch behind the announcing node, whether anything of it is in trouble or not."""
    return Stretch(case.facts, case.service, case.tries, case.announcer)


def _came_back(case: Case) -> str:
    return f"something came back from {case.address}"


def _replied(case: Case) -> bool:
    return any(one.replied for one in case.tries)


LINKS: dict[Link, Read] = {
    Link.ROUTE: route,
    Link.ADVERTISED: advertised,
    Link.ANNOUNCER: announcer,
    Link.ANSWER: answer,
    Link.NODE: node,
    Link.FORWARD: forward,
    Link.BACKEND_PATH: backend_path,
    Link.BACKEND: backend,
    Link.RETURN: returning,
    Link.AFAR: afar,
}
