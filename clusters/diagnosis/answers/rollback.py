"""Section 6 of the runbook: services that keep asking for an address that no pool holds any more."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.checks.spec import ALLOCATION
from clusters.diagnosis.answer import Answer, missing
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.root_cause import Explanation
from clusters.metallb import services


def stale_consumers(diagnosis: Diagnosis) -> Answer:
    """No service keeps asking for an address that no pool holds any more."""
    seen = diagnosis.snapshot
    stale = [
        each for each in diagnosis.pending.values() if each.root.cause == CauseId.REQUESTED_OUTSIDE_POOLS
    ]
    return Answer(
        needs=ALLOCATION,
        explanations=(*stale, *_clinging(diagnosis)),
        missing=missing(("the services", seen.services), ("the pools", seen.ip_address_pools)),
    )


def _clinging(diagnosis: Diagnosis) -> Iterator[Explanation]:
    """Services that hold, and ask for, an address which no pool holds."""
    for key, explained in diagnosis.outside_intended_pool.items():
        asked = services.request(diagnosis.facts.services[key]).addresses
        if any(diagnosis.facts.pool_of(each) is None for each in asked):
            yield explained
