"""MetalLB's BGP sessions, as its speakers and frr-k8s tell of them, and what a service behind them suffers.

Sources: the gauge `metallb_bgp_session_up` of speakers in native and FRR mode, by peer; and frr-k8s' BGPSessionStates,
by node and peer. A source that was not read denies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusters.cause_ids import CauseId
from clusters.checks import Candidate
from clusters.checks.causes import bgp_causes, forwarding_causes
from clusters.commands import command
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding.stretch import Stretch
from clusters.diagnosis.root_cause import KnownCauses, RootCause
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
        for sample in page.samples:
            if sample.name == "metallb_bgp_session_up":
                peer = sample.labels.get("peer", "")
                said = f"metallb_bgp_session_up of {peer} on node {node} is {sample.value:g}"
                yield Session(node, peer, sample.value == 1, said)
    for raw in facts.snapshot.bgp_session_states.items:
        status = raw.get("status") or {}
        node, peer, state = (status.get(name) or "" for name in ("node", "peer", "bgpStatus"))
        if node and peer and state:
            said = f"BGPSessionState of {peer} on node {node}: {state}"
            yield Session(node, peer, state == _ESTABLISHED, said)


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
