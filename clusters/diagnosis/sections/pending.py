"""Section 2.1 of the runbook: why a service stays without an address."""

from __future__ import annotations

from clusters.diagnosis.answer import Answer, Figure, missing, told
from clusters.diagnosis.diagnosis import Diagnosis


def free_address(diagnosis: Diagnosis) -> Answer:
    """Every pool that may serve new services has a free address."""
    usage = diagnosis.facts.usage
    full = [name for name, used in usage.items() if used.exhausted]
    by_nature = [
        name for name in full if not any(each.subject == f"pool {name}" for each in diagnosis.grounds)
    ]
    return Answer(
        findings=told("pending.free-address", diagnosis),
        notes=tuple(
            f"pool {name} has nothing left and need not: one address, or given on request only"
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
    return _asked(diagnosis, "pending.requested-address")


def asked_consistently(diagnosis: Diagnosis) -> Answer:
    """Annotations, class, family and sharing keys do not contradict each other or the pools."""
    return _asked(diagnosis, "pending.annotations")


def _asked(diagnosis: Diagnosis, check: str) -> Answer:
    own = [explained for explained in diagnosis.pending.values() if explained.root.at == check]
    return Answer(
        findings=told(check, diagnosis, own),
        missing=missing(
            ("the services", diagnosis.snapshot.services), ("the pools", diagnosis.snapshot.ip_address_pools)
        ),
    )


ANSWERS = {
    "pending.free-address": free_address,
    "pending.requested-address": requested_address,
    "pending.annotations": asked_consistently,
}
