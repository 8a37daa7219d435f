"""Section 2.2 of the runbook: an address is assigned, and traffic does not arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from clusters.cause_ids import CauseId
from clusters.checks.causes import Effect, get, having
from clusters.checks.path_links import Link
from clusters.checks.spec import ELECTION
from clusters.diagnosis import announcer_sources, bgp_sessions
from clusters.diagnosis.answer import Answer, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.root_cause import Explanation
from clusters.diagnosis.workloads import expected
from clusters.metallb import versions
from clusters.metallb.pools import needed_versions
from clusters.metallb.versions import Feature
from clusters.observation.snapshot import PodMetrics


def speakers_placed(diagnosis: Diagnosis) -> Answer:
    """A ready speaker runs wherever one is expected, and each address has a node that may announce it."""
    seen, facts = diagnosis.snapshot, diagnosis.facts
    wanted = expected(facts)
    absent = {name for name in wanted if _absent(diagnosis, name)}
    shown = [
        Explanation(root=root, subject=root.subject, summary=root.summary)
        for cause in having(Effect.STOPS_SPEAKER)
        for root in diagnosis.known.get(cause, ())
        if root.subject.kind != "node" or root.subject.name in absent
    ]
    unannounced = [
        each for each in diagnosis.unannounced.values() if get(each.root.cause).link is not Link.BACKEND
    ]
    alone = [
        f"only node {next(iter(nodes))} can announce service {key}"
        for key, service in facts.layer2.items()
        if len(nodes := diagnosis.announcers.candidates(service)) == 1 and len(facts.nodes) > 1
    ]
    return Answer(
        needs=("services", "ip_address_pools", "endpoint_slices"),
        explanations=(*shown, *unannounced),
        notes=tuple(alone[:10]),
        missing=missing(
            ("the nodes", seen.nodes),
            ("MetalLB's pods", seen.pods),
            ("its DaemonSet", seen.daemon_sets),
            ("the advertisements", seen.l2_advertisements),
        )
        + tuple(_nobody_selected(diagnosis)),
    )


def _nobody_selected(diagnosis: Diagnosis) -> Iterator[str]:
    """Why no node is expected to announce, where the profile has a selector: then nothing was asked."""
    text = diagnosis.snapshot.expectations.announcer_selector
    if text and diagnosis.facts.announcer_selector is None:
        yield f"The profile's selector {text!r} for announcers cannot be read, so no node is expected to announce."
    elif text and diagnosis.snapshot.nodes.known and not expected(diagnosis.facts):
        yield (
            f"The profile's selector {text!r} for announcers fits no node, so no node is expected to announce: see "
            "kubectl get nodes --show-labels."
        )


def _absent(diagnosis: Diagnosis, node: str) -> bool:
    """Whether a node has no ready speaker; one that could not be read may be there."""
    pod = diagnosis.facts.components.speakers.get(node)
    return not pod.ready if pod else diagnosis.snapshot.pods.known


def l2_segment(diagnosis: Diagnosis) -> Answer:
    """Each address is in a subnet of its nodes, and the vantage sees its announcer there."""
    routes = diagnosis.facts.wire_index.routes
    # An address of a family that its service has not is on no segment that counts: pending.annotations tells of it.
    addresses = [
        str(each)
        for service in diagnosis.facts.layer2.values()
        for each in service.ingress
        if each.version in needed_versions(service)
    ]
    away = [each for each in addresses if (route := routes.get(each)) and not route.on_link]
    told = any(get(root.cause).link is Link.ROUTE for root in diagnosis.root_causes)
    unseen = [f"{', '.join(away[:5])} is not on a segment of the vantage."] if away and not told else []
    return Answer(missing=(*_unheard(diagnosis), *unseen), needs=("endpoint_slices", "l2_advertisements"))


def backends_healthy(diagnosis: Diagnosis) -> Answer:
    """Every service has a healthy endpoint, on an announcing node where traffic stays local."""
    seen = diagnosis.snapshot
    explanations = {
        key: explained
        for found in (diagnosis.unannounced, diagnosis.unreached)
        for key, explained in found.items()
        if get(explained.root.cause).link is Link.BACKEND or _endless(diagnosis, key)
    }
    return Answer(
        needs=ELECTION,
        explanations=tuple(explanations.values()),
        missing=missing(("the services", seen.services), ("their endpoints", seen.endpoint_slices)),
    )


def _endless(diagnosis: Diagnosis, key: str) -> bool:
    """Whether a service has no endpoint that may serve; one may stand in a slice that was not read."""
    known = diagnosis.snapshot.endpoint_slices.known
    return known and not any(each.servable for each in diagnosis.facts.endpoints.get(key, ()))


def single_announcer(diagnosis: Diagnosis) -> Answer:
    """Exactly one host answers ARP for each address, and it is a node."""
    wire_index = diagnosis.facts.wire_index
    addresses = sum(len(service.ingress) for service in diagnosis.facts.layer2.values())
    asked = f"{len(wire_index.assigned)} of {addresses} addresses were asked for on the wire"
    unseen = (
        () if len(wire_index.assigned) or not addresses else ("No address is on a segment of the vantage.",)
    )
    return Answer(
        needs=("kube_proxy_config", *ELECTION),
        explanations=tuple(diagnosis.wrongly_answered.values()),
        notes=(asked,),
        missing=(*_unheard(diagnosis), *unseen, *_only_one(diagnosis)),
    )


def owner_agreed(diagnosis: Diagnosis) -> Answer:
    """The election, ServiceL2Status, metric and wire name the same node."""
    seen = diagnosis.snapshot
    gate = versions.supports(diagnosis.facts.components.version, Feature.SERVICE_L2_STATUS)
    notes = [] if gate else [gate.reason]
    notes += announcer_sources.left_over(diagnosis.facts, diagnosis.disputed)
    notes += missing(("the ServiceL2Statuses", seen.service_l2_statuses))
    notes += _unread(seen.metrics)
    return Answer(
        needs=("service_l2_statuses", *ELECTION),
        explanations=tuple(diagnosis.disagreeing.values()),
        notes=tuple(notes),
        missing=tuple(_unheard(diagnosis)),
    )


def _unread(pages: Iterable[PodMetrics]) -> Iterator[str]:
    """Why pods' metrics were not read, each reason once."""
    reasons: dict[str, list[str]] = {}
    for page in pages:
        if not page.ok:
            reasons.setdefault(page.detail, []).append(page.pod)
    for detail, pods in reasons.items():
        whose = (
            f"pod {pods[0]}: its metrics were" if len(pods) == 1 else f"{len(pods)} pods: their metrics were"
        )
        yield f"{whose} not read: {detail}"


def bgp_session(diagnosis: Diagnosis) -> Answer:
    """Every BGP session is established."""
    seen = diagnosis.snapshot
    if seen.bgp_peers.known and not seen.bgp_peers.items:
        return Answer(unsupported="MetalLB has no BGPPeer: nothing is announced by BGP.")
    told = tuple(dict.fromkeys(one.said for one in bgp_sessions.sessions(diagnosis.facts)))
    unread = (
        () if told else ("No source tells of a BGP session: neither metrics nor BGPSessionStates were read.",)
    )
    return Answer(notes=told[:10], missing=(*missing(("the BGPPeers", seen.bgp_peers)), *unread))


def no_squatter(diagnosis: Diagnosis) -> Answer:
    """Nobody answers for a free address of a pool."""
    wire = diagnosis.snapshot.wire
    asked = Counter(heard.pool for heard in diagnosis.facts.wire_index.free)
    shares = [
        f"pool {share.pool}: {asked[share.pool]} of {share.free} free addresses were asked for"
        for share in wire.shares
    ]
    by_bgp = diagnosis.facts.bgp_only
    shares += [
        f"pool {name} is announced by BGP alone: no address of it is asked for" for name in sorted(by_bgp)
    ]
    away = [share.pool for share in wire.shares if share.asked and share.pool not in {*asked, *by_bgp}]
    unseen = [f"Pool {pool} is not on a segment of the vantage." for pool in away] if wire.ok else []
    elsewhere = [
        Explanation(root=root, subject=root.subject, summary=root.summary)
        for root in announcer_sources.unexpected_responders(diagnosis.facts, diagnosis.known)
        if root.cause != CauseId.FOREIGN_RESPONDER
    ]
    return Answer(
        explanations=tuple(elsewhere),
        notes=tuple(shares),
        missing=(*_unheard(diagnosis), *unseen),
    )


def _only_one(diagnosis: Diagnosis) -> Iterator[str]:
    """Why a second host that answers would go unseen, if it would."""
    wire = diagnosis.snapshot.wire
    if wire.ok and wire.by_kernel and wire.heard:
        yield (
            f"Vantage {wire.place} may not use raw sockets: its kernel knows only one host for an address, so a second "
            "host that answers would go unseen. Run as root or with CAP_NET_RAW."
        )


def _unheard(diagnosis: Diagnosis) -> Iterator[str]:
    """Why the wire says nothing, if it does not; and whose addresses they are has to be known too."""
    wire = diagnosis.snapshot.wire
    yield from missing(
        ("what answers from outside", wire),
        ("the services", diagnosis.snapshot.services),
        ("the pools", diagnosis.snapshot.ip_address_pools),
        ("the nodes", diagnosis.snapshot.nodes),
    )
    if wire.ok and not wire.control_ok:
        yield f"The vantage cannot be trusted to hear answers: {wire.control}."
