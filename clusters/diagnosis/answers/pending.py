"""Section 2.1 of the runbook: why a service stays without an address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.checks.spec import ALLOCATION
from clusters.diagnosis.answer import Answer, Figure, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.metallb import services
from clusters.subject import Subject

#: From these shares of a pool's addresses on, that it fills up is noted.
_EARLY = (0.75, 0.85, 0.95)


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
        notes=(
            *(
                f"pool {name} has no free address, as intended: it has one address, or assigns on request only"
                for name in by_nature
            ),
            *(_early(diagnosis) if diagnosis.snapshot.services.ok else ()),
        ),
        missing=missing(
            ("the pools", diagnosis.snapshot.ip_address_pools), ("the services", diagnosis.snapshot.services)
        ),
        figures={f"free in {name}": Figure(value=used.free, unit="addresses") for name, used in usage.items()}
        if diagnosis.snapshot.services.ok
        else {},
    )


def _early(diagnosis: Diagnosis) -> Iterator[str]:
    """A sentence on each pool that will soon be full, family by family: the last address is found too late."""
    for name, used in diagnosis.facts.usage.items():
        for version, family in sorted(used.families.items()):
            free = family.usable - family.used
            share = family.used / family.usable if family.usable else 0.0
            if (
                free > 0
                and family.usable > 1
                and (over := max((at for at in _EARLY if share >= at), default=0.0))
            ):
                addresses = f"IPv{version} address{'' if free == 1 else 'es'}"
                yield (
                    f"pool {name} is more than {over:.0%} taken: {free} of {family.usable} {addresses} left; widen it "
                    "before services wait"
                )


def requested_address(diagnosis: Diagnosis) -> Answer:
    """Every requested address lies in a pool that may serve the service.

    A service that holds another address than it asks for is noted: MetalLB takes that one away when it comes to it.
    """
    return replace(_asked(diagnosis), notes=tuple(_held_instead(diagnosis)))


def _held_instead(diagnosis: Diagnosis) -> Iterator[str]:
    for key, service in diagnosis.facts.addressed.items():
        asked = services.request(service).addresses
        if asked and not set(service.ingress) & set(asked):
            yield (
                f"service {key} holds {', '.join(map(str, service.ingress))} and asks for "
                f"{', '.join(map(str, asked))}: MetalLB has not come to it yet, or cannot"
            )


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
