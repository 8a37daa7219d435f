"""Section 6 of the runbook: consumers that a rollback leaves behind."""

from __future__ import annotations

from clusters.diagnosis.answers import rollback
from suites.causes import PENDING
from suites.plugin import OBSERVE, check
from suites.plugin.observation_fixtures import Observed


@check(
    "rollback.stale-consumers",
    runbook="6",
    level=OBSERVE,
    causes=("requested-outside-pools", "pool-missing", *PENDING),
    commands=("kubectl -n {namespace} describe svc {service}",),
)  # fmt: skip
def test_no_consumer_asks_for_a_lost_address(observed: Observed) -> None:
    """No consumer keeps asking for an address that the active pools no longer hold."""
    observed.expect(rollback.stale_consumers)
