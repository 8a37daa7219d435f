"""Whether what serves on an address's segment serves through a router as well, where users often are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.diagnosis.answer import Answer, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.root_cause import RootCause
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import Reached, Status
from clusters.subject import CLUSTER, Subject

_SHOWN = 10
#: As the speaker writes it: announcing from node "node1" with protocol "layer2".
_NODE = re.compile(r'announcing from node "([^"]+)"')


def routed(diagnosis: Diagnosis) -> Answer:
    """What is reached on the addresses' segment is reached through a router as well."""
    near, far = diagnosis.snapshot.wire, diagnosis.snapshot.routed
    if far.status is Status.NOT_ASKED:
        return Answer(unsupported=f"{far.detail or 'nobody looked through a router'}.")
    # A client reaches an address for a while after the last answer for it: its kernel still knows whom it asked.
    replying = diagnosis.facts.wire_index.responders
    served = {
        _door(one)
        for one in near.reached
        if one.outcome is ProbeOutcome.ANSWERED and replying(one.address) != ()
    }
    away = {route.address for route in far.routes if not route.on_link}
    compared = [one for one in far.reached if _door(one) in served and one.address in away]
    lost = [one for one in compared if one.outcome.failed]
    beside = sorted({one.address for one in far.reached} - away)
    unseen = [f"Vantage {far.place} is on the segment of {', '.join(beside[:3])} itself."] if beside else []
    return Answer(
        root_causes=tuple(_roots(diagnosis, lost, compared)),
        notes=(f"{len(compared)} ports that answer at {near.place} were tried from {far.place}",),
        missing=(
            *missing(("what answers from outside", near), ("what answers through a router", far)),
            *(unseen if far.ok else ()),
        ),
    )


def _door(one: Reached) -> tuple[str, str, int, str]:
    return one.service, one.address, one.port, one.protocol


def _roots(diagnosis: Diagnosis, lost: list[Reached], compared: list[Reached]) -> Iterator[RootCause]:
    """A root for each service that is not reached; one for the cluster where it is every one of several."""
    services: dict[str, list[Reached]] = {}
    for one in lost:
        services.setdefault(one.service, []).append(one)
    if len(services) > 1 and len(lost) == len(compared):
        yield _root(diagnosis, CLUSTER, "No address is", but="on their segment all answer", tries=lost)
        return
    for key, tries in services.items():
        what = f"{tries[0].address} is not"
        found = _root(diagnosis, Subject.service(key), what, but="on its segment it answers", tries=tries)
        served = {one.address for one in compared} - {one.address for one in lost}
        moved = _moved(diagnosis, key)
        yield _stale(found, moved, min(served)) if moved and served else found


def _moved(diagnosis: Diagnosis, key: str) -> tuple[str, ...]:
    """The nodes that a service's address moved between by MetalLB's events, the last two; empty where it did not."""
    events = diagnosis.facts.signals.of_services.get(key, ())  # newest first
    named = [
        match[1]
        for event in events
        if event.reason == "nodeAssigned" and (match := _NODE.search(event.message))
    ]
    nodes = list(dict.fromkeys(named))
    return (nodes[1], nodes[0]) if len(nodes) > 1 else ()


def _stale(found: RootCause, moved: tuple[str, ...], served: str) -> RootCause:
    """The same trouble, of an address that moved while others behind the router are served."""
    former, now = moved
    return replace(
        found,
        cause=CauseId.ROUTER_NEIGHBOUR_STALE,
        summary=f"{found.summary} It moved from node {former} to {now}, and the router still sends to the former.",
        evidence=(*found.evidence, f"events nodeAssigned name {former} and, later, {now}"),
        ruled_out=(f"the way through the router as such: {served} is served behind it",),
    )


def _root(diagnosis: Diagnosis, subject: Subject, what: str, *, but: str, tries: list[Reached]) -> RootCause:
    place = diagnosis.snapshot.routed.place
    service = Subject.service(tries[0].service)
    return RootCause(
        cause=CauseId.NOT_ROUTED,
        subject=subject,
        summary=f"{what} reached through a router, from {place}; {but}.",
        evidence=tuple(
            f"{place}: {one.protocol} {one.address}:{one.port}: {one.detail or one.outcome}"
            for one in tries[:_SHOWN]
        ),
        fields=diagnosis.facts.command_fields(
            namespace=service.namespace, service=service.name, address=tries[0].address
        ),
    )
