"""An address is announced by one node, made known to the segment, and silent when it has no reason left."""

from __future__ import annotations

from clusters import budgets
from clusters.commands import ARPING
from clusters.diagnosis.symptoms import Symptom
from clusters.vantage import failover
from suites.causes import UNSERVED
from suites.plugin import BEYOND, CREATE, Record, check
from suites.scenes import scene_permissions
from suites.scenes.announced import Announced, Wire
from suites.scenes.free_addresses import Addresses, OwnPools
from suites.scenes.own_pods import Echoes
from suites.scenes.own_services import Services, expect, timed

_COMMANDS = (
    "kubectl -n {metallb_namespace} get l2advertisements -o yaml",
    "kubectl -n {metallb_namespace} logs {speaker} --tail=200",
    "kubectl -n {namespace} describe svc {service}",
    ARPING,
)


@check(
    "announcement.answered",
    runbook=BEYOND,
    level=CREATE,
    needs={"wire"},
    causes=UNSERVED,
    commands=_COMMANDS,
    uses=scene_permissions.ANNOUNCED,
    measured=True,
)
def test_a_new_address_is_answered_by_one_node_and_serves(
    services: Services, addresses: Addresses, wire: Wire, record: Record
) -> None:
    """A new address is answered by exactly one node and serves traffic within budget."""
    address = addresses.free()

    with wire.listening(address, record) as heard:
        heard.mark("created")
        service = services.create("answered", address=address)
        announced = Announced(service, service.assigned(), wire)
        owner = announced.announcer()
        announced.served()

    seen = heard.timeline
    record.measure(
        "answered after", failover.answered(seen, "created"), budget=budgets.get(budgets.ANNOUNCED).within
    )
    record.measure(
        "served after", failover.served(seen, "created"), budget=budgets.get(budgets.SERVED).within
    )
    announced.agreed(owner)


@check(
    "announcement.gratuitous",
    runbook=BEYOND,
    level=CREATE,
    needs={"wire"},
    causes=UNSERVED,
    commands=_COMMANDS,
    uses=scene_permissions.SERVICES,
    measured=True,
)
def test_the_owner_makes_itself_known_by_gratuitous_arp(
    services: Services, addresses: Addresses, wire: Wire, record: Record
) -> None:
    """The owner announces itself by gratuitous ARP (or unsolicited NA) when it takes an address."""
    address = addresses.free()

    with wire.listening(address, record) as heard:
        heard.mark("created")
        service = services.create("gratuitous", address=address)
        announced = Announced(service, service.assigned(), wire)
        owner = announced.announcer()
        announced.makes_itself_known(owner, heard)

    seen, limit = heard.timeline, budgets.get(budgets.ANNOUNCED).within
    record.measure("gratuitous ARP after", failover.announced(seen, "created"), budget=limit)
    record.measure("gratuitous ARPs", len(seen.gratuitous), unit="frames", worst="lowest")


@check(
    "announcement.withdrawn",
    runbook=BEYOND,
    level=CREATE,
    needs={"wire"},
    causes=UNSERVED,
    commands=_COMMANDS,
    uses=(*scene_permissions.SERVICES, *scene_permissions.OWN_POOLS, *scene_permissions.SCALED),
    measured=True,
)
def test_an_address_without_a_reason_is_silent(
    services: Services, own_pools: OwnPools, echoes: Echoes, wire: Wire, record: Record
) -> None:
    """After the service, its advertisement or its last endpoint is gone nobody answers."""
    pool, lone = own_pools.create(size=1), echoes.create("lone", replicas=1)
    service = services.create("withdrawn", pool=pool.name, app=lone.app)
    announced = Announced(service, service.assigned(), wire)
    announced.announcer()

    with lone.scaled(0), timed(record, "silent after its last endpoint", budget=budgets.WITHDRAWN):
        announced.silent()
    announced.announcer()
    with timed(record, "silent after its advertisement", budget=budgets.WITHDRAWN):
        pool.stop_advertising()
        announced.silent()
    pool.advertise()
    announced.announcer()
    with timed(record, "silent after the service", budget=budgets.WITHDRAWN):
        services.delete(service)
        announced.silent()


@check(
    "announcement.local-policy",
    runbook=BEYOND,
    level=CREATE,
    needs={"wire"},
    causes=UNSERVED,
    commands=_COMMANDS,
    uses=scene_permissions.SERVICES,
    measured=True,
)
def test_local_policy_announces_where_the_endpoint_is_and_keeps_the_client(
    services: Services, addresses: Addresses, echoes: Echoes, wire: Wire, record: Record
) -> None:
    """With externalTrafficPolicy Local only a node with an endpoint announces, and keeps the client's address."""
    lone = echoes.create("local", replicas=1)
    service = services.create("local", address=addresses.free(), app=lone.app, externalTrafficPolicy="Local")
    announced = Announced(service, service.assigned(), wire)

    with timed(record, "answered after", budget=budgets.ANNOUNCED):
        owner = announced.announcer()
    seen = announced.client_address()

    text = f"{owner} answers, the endpoint is on {lone.nodes()}"
    expect({owner} == lone.nodes(), announced.broken_promise(Symptom.WRONG_ANNOUNCER, text))
    own = wire.vantage.interface_for(announced.address).source
    expect(
        seen == own,
        announced.broken_promise(Symptom.CLIENT_ADDRESS_LOST, f"{own} asked, the backend saw {seen}"),
    )
