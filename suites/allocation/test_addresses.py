"""A service gets an address: of the right pool, the one it asks for, or none with a reason."""

from __future__ import annotations

from clusters import budgets
from clusters.cause_ids import CauseId
from clusters.diagnosis.symptoms import Symptom
from clusters.metallb import ranges
from suites.causes import PENDING
from suites.plugin import BEYOND, CREATE, Record, check
from suites.scenes import scene_permissions
from suites.scenes.free_addresses import Addresses
from suites.scenes.own_services import Services, expect, expect_refused, timed

_PENDING = (
    "kubectl -n {namespace} describe svc {service}",
    "kubectl -n {metallb_namespace} get ipaddresspools -o yaml",
    "kubectl -n {metallb_namespace} logs {controller} --tail=200",
)


@check(
    "allocation.automatic",
    runbook=BEYOND,
    level=CREATE,
    causes=PENDING,
    commands=_PENDING,
    uses=scene_permissions.SERVICES,
    measured=True,
)
def test_a_new_service_gets_an_address_of_the_expected_pool(
    services: Services, addresses: Addresses, record: Record
) -> None:
    """A new service gets an address of the expected pool within budget."""
    expected = addresses.expected_pools(services.namespace)

    with timed(record, "address assigned after", budget=budgets.ASSIGNED):
        service = services.create("automatic")
        address = service.assigned()

    holders = {pool.name for pool in addresses.pools() if ranges.parse_address(address) in pool}
    text = f"{address} is of {sorted(holders) or 'no pool'}; expected was one of {sorted(expected)}"
    expect(holders & expected, service.broken_promise(Symptom.WRONG_ADDRESS, text, address=address))


@check(
    "allocation.requested",
    runbook=BEYOND,
    level=CREATE,
    causes=PENDING,
    commands=_PENDING,
    uses=scene_permissions.SERVICES,
    measured=True,
)
def test_a_service_gets_the_address_it_asks_for(
    services: Services, addresses: Addresses, record: Record
) -> None:
    """A service that asks for a free address gets that one, by the annotation and by spec.loadBalancerIP."""
    wanted = addresses.free()

    with timed(record, "address assigned after", budget=budgets.ASSIGNED):
        service = services.create("requested", address=wanted)
        address = service.assigned()

    text = f"it asked for {wanted} and got {address}"
    expect(address == wanted, service.broken_promise(Symptom.WRONG_ADDRESS, text, address=address))
    services.delete(service)

    by_field = services.create("by-field", loadBalancerIP=wanted)
    address = by_field.assigned()

    text = f"it asked for {wanted} by spec.loadBalancerIP and got {address}"
    expect(address == wanted, by_field.broken_promise(Symptom.WRONG_ADDRESS, text, address=address))


@check(
    "allocation.conflict",
    runbook=BEYOND,
    level=CREATE,
    causes=(*PENDING, CauseId.DUPLICATE_ANNOUNCER),
    commands=_PENDING,
    uses=scene_permissions.SERVICES,
)
def test_a_service_that_asks_for_a_taken_or_foreign_address_waits_with_a_reason(
    services: Services, addresses: Addresses, record: Record
) -> None:
    """A service that asks for a taken or foreign address stays pending with an event that says why.

    A taken one is asked for by the annotation and by spec.loadBalancerIP, in the family that pools have.
    """
    holder = services.create("holder")
    held = holder.assigned()

    greedy = services.create("greedy", address=held)
    by_field = services.create("greedy-by-field", loadBalancerIP=held)
    foreign = services.create("foreign", address=addresses.foreign())

    taken = {f"asking for the taken {held}": greedy, f"asking for {held} by spec.loadBalancerIP": by_field}
    expect_refused(record, {**taken, "asking for an address of no pool": foreign})
    holder.keeps(held)
