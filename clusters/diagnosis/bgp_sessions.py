"""MetalLB's BGP sessions, as its speakers and frr-k8s tell of them, and what a service behind them suffers.

Sources: the gauge `metallb_bgp_session_up` of speakers in native and FRR mode, by peer; and frr-k8s' BGPSessionStates,
by node and peer. A source that was not read denies nothing.

Until 0.16.0 a speaker in native mode counted a session under two names: when it began it set the gauge of the bare
address to 0, for good, and only that of address and port followed the session (internal/bgp/native/native.go).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clusters.cause_ids import CauseId
from clusters.checks import Candidate
from clusters.checks.causes import bgp_causes, forwarding_causes
from clusters.commands import command
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding.stretch import Stretch
from clusters.diagnosis.root_cause import KnownCauses, RootCause
from clusters.objects import Object, spec_of
from clusters.subject import Subject

_ESTABLISHED = "Established"
#: A speaker that only just started has not had the time for its sessions: their connect timer is 10 s and more.
_YOUNG = 30.0


@dataclass(frozen=True, order=True)
class Session:
    """One session of one node. `said` is how its source puts it."""

    node: str
    peer: str
    up: bool
    said: str


def sessions(facts: Facts) -> Iterator[Session]:
    """Every session that something tells of, those of speakers that only just started left out."""
    for node, pod in facts.components.speakers.items():
        page = facts.signals.metrics.get(pod.name)
        if page is None or not page.ok or (pod.started or 0) < _YOUNG:
            continue
        gauges = {
            sample.labels.get("peer", ""): sample.value
            for sample in page.samples
            if sample.name == "metallb_bgp_session_up"
        }
        for peer, value in gauges.items():
            if not _left_standing(peer, gauges, facts):
                said = f"metallb_bgp_session_up of {peer} on node {node} is {value:g}"
                yield Session(node, peer, value == 1, said)
    for raw in facts.snapshot.bgp_session_states.items:
        status = raw.get("status") or {}
        node, peer, state = (status.get(name) or "" for name in ("node", "peer", "bgpStatus"))
        if node and peer and state:
            said = f"BGPSessionState of {peer} on node {node}: {state}"
            yield Session(node, peer, state == _ESTABLISHED, said)


def _left_standing(peer: str, gauges: Iterable[str], facts: Facts) -> bool:
    """Whether the gauge of this peer is the bare address's, which no session moves, or that of a peer that is gone."""
    beside = re.compile(re.escape(peer) + r":\d+")
    if any(beside.fullmatch(other) for other in gauges):
        return True
    peers = facts.snapshot.bgp_peers
    try:
        ipaddress.ip_address(peer)
    except ValueError:
        return False  # it has its port, or is the name of an interface
    return peers.known and bool(peers.items) and not any(_has_address(each, peer) for each in peers.items)


def _has_address(raw: Object, peer: str) -> bool:
    """Whether a BGPPeer is, or may be, the one with this address, which may have a port behind it (`fd00::1:179`)."""
    address = spec_of(raw).get("peerAddress") or ""
    try:
        written = str(ipaddress.ip_address(address))
    except ValueError:
        return True  # reached by an interface, or written as nobody can read: what it is called is not known
    return peer == written or peer.startswith(f"{written}:")


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """One root for each peer with which a session is down, or for the node of which all are, where others' are up."""
    if not facts.snapshot.bgp_peers.items and not facts.snapshot.bgp_session_states.items:
        return
    every = sorted(set(sessions(facts)))
    down = [one for one in every if not one.up]
    for node in sorted({one.node for one in down}):
        own = [one for one in every if one.node == node]
        if not any(one.up for one in own) and any(one.up for one in every):
            yield _root(facts, Subject.node(node), f"Node {node} has no BGP session", own)
            down = [one for one in down if one.node != node]
    for peer in sorted({one.peer for one in down}):
        found = [one for one in down if one.peer == peer]
        nodes = ", ".join(one.node for one in found)
        yield _root(
            facts, Subject("peer", peer), f"The BGP session with {peer} is down on node {nodes}", found
        )


def _root(facts: Facts, subject: Subject, what: str, found: list[Session]) -> RootCause:
    return RootCause(
        cause=CauseId.BGP_SESSION_DOWN,
        subject=subject,
        summary=f"{what}: nothing that MetalLB announces arrives there.",
        evidence=tuple(one.said for one in found[:6]),
        fields=facts.command_fields(node=subject.name if subject.kind == "node" else ""),
    )


def unreached(facts: Facts, known: KnownCauses, stretch: Stretch, *, refused: str) -> RootCause | None:
    """Why a service that is announced by BGP alone is not reached; None where its sessions and ways are well.

    `refused` is how the way to it ends where somebody on it says that there is none.
    """
    pool = facts.pool_of(stretch.service.ingress[0])
    for root in known.get(CauseId.POOL_NOT_ADVERTISED, ()):
        if pool is not None and root.subject == Subject.pool(pool.name):
            return root  # no router is told of it at all
    every = set(sessions(facts))
    if every and not any(one.up for one in every) and (down := known.get(CauseId.BGP_SESSION_DOWN, ())):
        return down[0]
    up = sorted(one.said for one in every if one.up)
    if not up or not refused:
        return None
    place = _place(facts, stretch)
    return RootCause(
        cause=CauseId.BGP_ROUTE_MISSING,
        subject=Subject.service(stretch.service.key),
        summary=f"A BGP session is up, and from the vantage there is no route to {stretch.address}: {refused}.",
        evidence=(*stretch.told, *up[:3]),
        fields=place | {"address": stretch.address},
    )


def candidates(facts: Facts, stretch: Stretch) -> Iterator[Candidate]:
    """What may keep an address that BGP announces from being reached, besides the node that it leads to."""
    if not any(one.up for one in sessions(facts)):
        yield Candidate(
            cause=CauseId.BGP_SESSION_DOWN, command=command(bgp_causes.SESSIONS, **facts.command_fields())
        )
    yield Candidate(
        cause=CauseId.BGP_ROUTE_MISSING, command=command(forwarding_causes.WAY_BACK, address=stretch.address)
    )


def _place(facts: Facts, stretch: Stretch) -> dict[str, str]:
    return facts.command_fields(namespace=stretch.service.namespace, service=stretch.service.name)
