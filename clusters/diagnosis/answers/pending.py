"""Section 2.1 of the runbook: why a service stays without an address."""

from __future__ import annotations

from clusters.checks.spec import ALLOCATION
from clusters.diagnosis.answer import Answer, Figure, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.subject import Subject


def free_address(diagnosis: Diagnosis) -> Answer:
    """Every pool that may serve new services has a free address."""
    usage = diagnosis.facts.usage
    full = [name for name, used in usage.items() if used.exhausted]
    by_nature = [
        name
        for name in full
        if not any(each.subject == Subject.pool(name) for each in diagnosis.known_causes)
    ]
    return Answer(
        needs=ALLOCATION,
        notes=tuple(
            f"pool {name} has no free address, as intended: it has one address, or assigns on request only"
            for name in by_nature
        ),
        missing=missing(
            ("the pools", diagnosis.snapshot.ip_address_pools), ("the services", diagnosis.snapshot.services)
        ),
        figures={f"free in {name}": Figure(value=used.free, unit="addresses") for name, used in usage.items()}
        if diagnosis.snapshot.services.ok
        else {},
    )


def requested_address(diagnosis: Diagnosis) -> Answer:
    """Every requested address lies in a pool that may serve the service."""
    return _asked(diagnosis)


def asked_consistently(diagnosis: Diagnosis) -> Answer:
    """Annotations, class, family and sharing keys do not contradict each other or the pools."""
    return _asked(diagnosis)


def _asked(diagnosis: Diagnosis) -> Answer:
    return Answer(
        needs=ALLOCATION,
        explanations=tuple(diagnosis.pending.values()),
        reported_only=True,
        missing=missing(
            ("the services", diagnosis.snapshot.services), ("the pools", diagnosis.snapshot.ip_address_pools)
        ),
    )
