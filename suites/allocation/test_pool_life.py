"""A pool fills up, and gets back what is freed; two services may hold one address if both say so."""

from __future__ import annotations

from functools import partial

from clusters import budgets
from clusters.diagnosis.symptoms import Symptom
from clusters.workloads.builders import SHARING_KEY
from suites.causes import CONTROLLER, NOT_ANSWERED, PENDING, REWRITTEN, SPLIT
from suites.plugin import BEYOND, CREATE, Record, check
from suites.scenes import scene_permissions
from suites.scenes.announced import Announced, Wire
from suites.scenes.free_addresses import Addresses, OwnPools
from suites.scenes.own_services import Services, expect, expect_refused, timed

_COMMANDS = (
    "kubectl -n {namespace} describe svc {service}",
    "kubectl -n {metallb_namespace} get ipaddresspool {pool} -o yaml",
)


@check(
    "allocation.exhausted",
    runbook=BEYOND,
    level=CREATE,
    causes=PENDING,
    commands=_COMMANDS,
    uses=(*scene_permissions.SERVICES, *scene_permissions.OWN_POOLS),
    measured=True,
)
def test_a_service_waits_for_a_full_pool_and_gets_the_freed_address(
    services: Services, own_pools: OwnPools, record: Record
) -> None:
    """With the pool full, a new service waits with an event and gets an address as soon as one is freed."""
    pool = own_pools.create(size=1)
    holder = services.create("holder", pool=pool.name)
    held = holder.assigned()

    waiting = services.create("waiting", pool=pool.name)
    record.note(f"the pool is full: {waiting.refusal()}")
    waiting.stays_without_address()
    with timed(record, "freed address assigned after", budget=budgets.ASSIGNED):
        services.delete(holder)
        found = waiting.assigned()

    text = f"{held} was freed, {found} was assigned"
    expect(found == held, waiting.broken_promise(Symptom.WRONG_ADDRESS, text, address=found))


@check(
    "allocation.released",
    runbook=BEYOND,
    level=CREATE,
    needs={"wire"},
    causes=(*CONTROLLER, *SPLIT, *REWRITTEN, *NOT_ANSWERED),
    commands=_COMMANDS,
    uses=scene_permissions.SERVICES,
    measured=True,
)
def test_a_deleted_services_address_is_free_and_silent(
    services: Services, addresses: Addresses, wire: Wire, record: Record
) -> None:
    """A deleted service's address is free again and no longer answers."""
    service = services.create("released", address=addresses.free())
    announced = Announced(service, service.assigned(), wire)
    announced.announcer()

    with timed(record, "silent after", budget=budgets.WITHDRAWN):
        services.delete(service)
        announced.silent()

    again = services.create("again", address=announced.address)
    text = (
        f"{announced.address} was freed by {service.name}, and {again.name} that asks for it did not get it"
    )
    expect(again.assigned() == announced.address, again.broken_promise(Symptom.WRONG_ADDRESS, text))


@check(
    "allocation.shared",
    runbook=BEYOND,
    level=CREATE,
    causes=PENDING,
    commands=_COMMANDS,
    uses=scene_permissions.SERVICES,
)
def test_services_with_one_sharing_key_hold_one_address(
    services: Services, addresses: Addresses, record: Record
) -> None:
    """Two services with one sharing key hold one address; unlike ones are refused.

    Unlike are another key, a port that is taken, and externalTrafficPolicy Local beside Cluster. The two share one
    family: of a dual-stack service's two addresses nothing is shared here.
    """
    wanted, blue, green = addresses.free(), {SHARING_KEY: "blue"}, {SHARING_KEY: "green"}
    first = services.create("first", address=wanted, annotations=blue, ports=services.port(80))
    first.assigned()

    second = services.create("second", address=wanted, annotations=blue, ports=services.port(8080))
    text = f"it shares {wanted} by its key, and did not get it"
    expect(second.assigned() == wanted, second.broken_promise(Symptom.WRONG_ADDRESS, text))

    asking = partial(services.create, address=wanted)
    unlike = asking("unlike", annotations=green, ports=services.port(9090))
    same = asking("same-port", annotations=blue, ports=services.port(80))
    other = asking("other-policy", annotations=blue, ports=services.port(9091), externalTrafficPolicy="Local")
    expect_refused(
        record, {"another key": unlike, "a port that is taken": same, "Local beside Cluster": other}
    )
    first.keeps(wanted)
