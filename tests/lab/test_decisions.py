"""The real MetalLB decides as `clusters.metallb` predicts: who gets an address, whence, and who announces it.

Pools, services, advertisements, nodes and endpoints are generated (the same ones every time), put into a lab of
each MetalLB version, and every decision is compared. `make full` compares hundreds, `make test` the first ones.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from packaging.version import Version

from clusters import wait
from clusters.api.api_client import Api
from clusters.budgets import Budget
from clusters.lab import life
from clusters.lab.plan import LabOptions
from clusters.metallb import versions
from clusters.metallb.allocation import Allocation, Outcome, predict_allocation
from clusters.metallb.election import predict_announcer
from clusters.metallb.services import Service
from clusters.vantage import open_vantage
from tests.lab.playground import Playground
from tests.unit.metallb import strategies
from tests.unit.metallb.strategies import Scenario, Stage

pytestmark = pytest.mark.variants

ANNOUNCED = Budget(
    name="test.announced", within=30, every=0.1, reason="speakers decide within a second or two"
)
#: Before it speakers write each other's status objects, and a wrong one may stay (metallb issue 2626).
STATUS_IS_TRUE = Version("0.16.0")
NODES = ("node1", "node2", "node3")
POOLS = {
    "pool1": ["172.30.0.230-172.30.0.233", "fd00:172:30::e0/125"],
    "pool2": ["172.30.0.234-172.30.0.237"],
}
ADDRESSES = (
    "172.30.0.230",
    "172.30.0.231",
    "172.30.0.234",
    "172.30.0.235",
    "172.30.0.236",
    "fd00:172:30::e1",
)


def often(examples: int) -> settings:
    """Generate the same examples every time; a lab is too slow to look for smaller ones after a failure."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module", params=versions.IN_THE_LAB)
def playground(as_root: None, request: pytest.FixtureRequest) -> Iterator[Playground]:
    """A dual-stack lab of its own for each version."""
    name = f"t{os.getpid()}-dec"
    try:
        lab = life.up(LabOptions(name=name, families="dual", metallb=request.param))
        ground = Playground(Api.connect(lab.kubeconfig, None), lab)
        ground.prepare()
        yield ground
    finally:
        life.down(name)


TALLY: Counter[tuple[str, str, str]] = Counter()
"""How many decisions of each kind were compared, by version; printed at the end."""


@pytest.fixture(scope="module", autouse=True)
def tally() -> Iterator[None]:
    """Say how much was compared: a test that compared nothing would pass too."""
    yield
    for (version, what, outcome), count in sorted(TALLY.items()):
        print(f"{version}: {count} x {what} {outcome}")  # noqa: T201 - shown by pytest -rP


@often(5)
@given(scenario=strategies.scenarios(versions=(4, 6)))
def test_allocations(playground: Playground, scenario: Scenario) -> None:
    """Every generated service gets what is predicted, from the predicted pool, or waits for a fitting reason."""
    _allocate(playground, scenario)


@pytest.mark.full
@often(50)
@given(scenario=strategies.scenarios(versions=(4, 6)))
def test_many_allocations(playground: Playground, scenario: Scenario) -> None:
    """The same, ten times as often."""
    _allocate(playground, scenario)


def _allocate(playground: Playground, scenario: Scenario) -> None:
    playground.clear()
    playground.create_pools(scenario.pools)
    for raw in scenario.services:
        world = playground.world()
        created = playground.create(raw)
        expected = predict_allocation(created, world)
        service, pool = playground.decided(created)
        note(f"{raw} -> {expected} but has {service.ingress} of {pool}")
        _compare(expected, service, pool)
        if expected.outcome is Outcome.REFUSED:
            _compare_reason(playground, expected, service)
        TALLY[str(playground.version), "allocation", expected.outcome.value] += 1


def _compare(expected: Allocation, service: Service, pool: str) -> None:
    assert (expected.outcome is Outcome.ASSIGNED) == bool(service.ingress)
    if service.ingress:
        assert (pool, service.ingress) in [(offer.pool, offer.addresses) for offer in expected.offers]


def _compare_reason(playground: Playground, expected: Allocation, service: Service) -> None:
    """An event that is certain of its cause names the predicted one."""
    told = {hit.cause for hit in playground.complaints(service) if hit.certain} - {"deprecated-annotation"}
    assert expected.reason is not None
    assert told <= {expected.reason.cause}


@often(2)
@given(stage=strategies.stages(NODES, addresses=ADDRESSES, newest=False))
def test_announcers(playground: Playground, stage: Stage) -> None:
    """Every generated address is answered by the predicted node; where its statuses are true, MetalLB says so too."""
    _announce(playground, stage)


@often(2)
@given(stage=strategies.stages(NODES, addresses=ADDRESSES, newest=True))
def test_announcers_with_selectors_and_preferences(playground: Playground, stage: Stage) -> None:
    """The same with what 0.16.2 has more; 0.15.2 drops those fields and decides without them."""
    _announce(playground, stage)


@pytest.mark.full
@often(12)
@given(stage=strategies.stages(NODES, addresses=ADDRESSES, newest=False))
def test_many_announcers(playground: Playground, stage: Stage) -> None:
    """Six times as many of the first kind."""
    _announce(playground, stage)


@pytest.mark.full
@often(12)
@given(stage=strategies.stages(NODES, addresses=ADDRESSES, newest=True))
def test_many_announcers_with_selectors_and_preferences(playground: Playground, stage: Stage) -> None:
    """Six times as many of the second kind."""
    _announce(playground, stage)


def _announce(playground: Playground, stage: Stage) -> None:
    playground.clear()
    playground.create_pools(strategies.stage_pools(POOLS))
    playground.set_stage(stage)
    expected = _expected(playground)
    note(f"{stage} -> {expected}")
    wait.until(
        "the predicted nodes answer on the wire",
        read=lambda: _on_the_wire(playground),
        accept=lambda found: found == expected,
        budget=ANNOUNCED,
    )
    if playground.version >= STATUS_IS_TRUE:
        _says(playground, {key: {owner} for key, owner in expected.items() if owner})
    assert _on_the_wire(playground) == expected
    for owner in expected.values():
        TALLY[str(playground.version), "announcement", "by a node" if owner else "by nobody"] += 1


def _says(playground: Playground, owners: dict[str, set[str]]) -> None:
    wait.until(
        "MetalLB says that it announces as predicted",
        read=playground.announcers,
        accept=lambda found: found == owners,
        budget=ANNOUNCED,
    )
    wait.holds(
        "it stays so",
        read=playground.announcers,
        accept=lambda found: found == owners,
        throughout=0.5,
        every=0.1,
    )


def _expected(playground: Playground) -> dict[str, str | None]:
    scene = playground.scene()
    return {
        service.key: predict_announcer(service, playground.endpoints(service), scene).owner
        for service in playground.made_services()
    }


def _on_the_wire(playground: Playground) -> dict[str, str | None]:
    """Which node answers ARP or NDP for each service's address, as the client sees it."""
    addresses = {service.key: str(service.ingress[0]) for service in playground.made_services()}
    with open_vantage(f"netns:{playground.client}") as vantage:
        answers = vantage.who_answers_all(addresses.values(), rounds=2)
    found: dict[str, str | None] = {}
    for key, address in addresses.items():
        names = sorted(playground.macs[str(mac)] for mac in answers[address].macs)
        found[key] = ",".join(names) or None
    return found
