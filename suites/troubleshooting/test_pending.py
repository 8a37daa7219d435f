"""Section 2.1 of the runbook: a LoadBalancer service is stuck in Pending."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.diagnosis.answers import pending
from suites.plugin import OBSERVE, check
from suites.plugin.run_fixtures import Observed

_POOL = "kubectl -n {metallb_namespace} get ipaddresspool {pool} -o yaml"
_SERVICE = "kubectl -n {namespace} describe svc {service}"
_LOG = "kubectl -n {metallb_namespace} logs {controller} --tail=200"


@check(
    "pending.free-address",
    runbook="2.1",
    level=OBSERVE,
    commands=(_POOL, _SERVICE),
)
def test_every_pool_has_a_free_address(observed: Observed) -> None:
    """Every pool that may serve new services has a free address.

    A pool of one address, and one that gives addresses on request only, may be full.
    """
    observed.expect(pending.free_address)


@check(
    "pending.requested-address",
    runbook="2.1",
    level=OBSERVE,
    causes=(CauseId.POOL_RESTRICTED,),
    commands=(_SERVICE, _POOL),
)
def test_every_requested_address_can_be_had(observed: Observed) -> None:
    """Every requested address (field or annotation) lies in an active pool that may serve that service.

    It fails for services that wait; one that holds another address than it asks for is noted.
    """
    observed.expect(pending.requested_address)


@check(
    "pending.annotations",
    runbook="2.1",
    level=OBSERVE,
    causes=(CauseId.REQUESTED_OUTSIDE_POOLS, CauseId.POOL_MISSING),
    commands=(_SERVICE, _POOL, _LOG),
)  # fmt: skip
def test_services_do_not_contradict_their_pools(observed: Observed) -> None:
    """Annotations, class, family and sharing keys do not contradict each other, the pool or the overlay."""
    observed.expect(pending.asked_consistently)
