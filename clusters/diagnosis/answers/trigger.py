"""The runbook's trigger conditions: services without an address, addresses that do not answer, the edge."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.checks.spec import ALLOCATION, ELECTION
from clusters.diagnosis import consumers
from clusters.diagnosis.answer import Answer, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.observation.field_types import ProbeOutcome

_SHOWN = 5


def pending_services(diagnosis: Diagnosis) -> Answer:
    """No service of MetalLB's waits for longer than its budget."""
    seen = diagnosis.snapshot
    waiting = [key for key, service in diagnosis.facts.owned.items() if not service.ingress]
    return Answer(
        needs=ALLOCATION,
        explanations=tuple(diagnosis.pending.values()),
        notes=tuple(
            f"service {key} waits, and not yet longer than its budget"
            for key in waiting
            if key not in diagnosis.pending
        ),
        missing=missing(("the services", seen.services), ("the pools", seen.ip_address_pools)),
    )


def unreachable_address(diagnosis: Diagnosis) -> Answer:
    """Every assigned address answers on its service's ports."""
    wire = diagnosis.snapshot.wire
    silent = [
        f"{each.address}:{each.port} of {each.service}"
        for each in wire.reached
        if each.outcome is ProbeOutcome.SILENT
    ]
    notes = [f"silence over UDP, which proves nothing: {each}" for each in silent]
    doors = sum(len(service.ports) * len(service.ingress) for service in diagnosis.facts.addressed.values())
    if wire.ok and doors > len(wire.reached):
        notes.append(f"{len(wire.reached)} of {doors} service ports were tried")
    return Answer(
        needs=ELECTION,
        explanations=tuple(diagnosis.unreached.values()),
        notes=tuple(notes),
        missing=(
            *missing(("the services", diagnosis.snapshot.services), ("what answers from outside", wire)),
            *_kept_out(diagnosis),
            *_losing(diagnosis),
        ),
    )


def _kept_out(diagnosis: Diagnosis) -> Iterator[str]:
    """A network of which nothing gives a sign may be one that the vantage is not let into, or one that is not there."""
    if found := diagnosis.kept_out:
        yield (
            f"Nothing of the network of {', '.join(found[:_SHOWN])} gives a sign at vantage "
            f"{diagnosis.snapshot.wire.place}: it may be kept out of it (vantage-not-on-segment), or no node may be in "
            "it (wrong-segment). Name a vantage in the profile that may enter it."
        )


def _losing(diagnosis: Diagnosis) -> Iterator[str]:
    """What is lost at ports says nothing where as much is lost at nodes themselves: a busy machine, or a lossy link."""
    wire = diagnosis.facts.wire_index
    if wire.leaking and wire.losing:
        ports = ", ".join(f"{one.address}:{one.port}" for one in wire.leaking[:_SHOWN])
        yield (
            f"Some tries at {ports} were lost, and some at nodes' own addresses ({', '.join(wire.losing[:_SHOWN])}) "
            f"too: vantage {diagnosis.snapshot.wire.place} loses connections by itself. Run again when it is less busy."
        )


def edge_address(diagnosis: Diagnosis) -> Answer:
    """Every consumer of the profile holds its address and serves there."""
    seen = diagnosis.snapshot
    unnamed = tuple(consumers.unnamed(diagnosis.facts))[:_SHOWN]
    if not seen.expectations.consumers:
        found = "".join(f" {each[:1].upper()}{each[1:]}." for each in unnamed)
        return Answer(unsupported=f"The profile names no consumers.{found}")
    return Answer(
        needs=("ip_address_pools", "endpoint_slices", "l2_advertisements"),
        explanations=tuple(diagnosis.consumers.values()),
        notes=(*consumers.notes(diagnosis.facts), *unnamed),
        missing=missing(("the services", seen.services), ("what answers from outside", seen.wire)),
    )
