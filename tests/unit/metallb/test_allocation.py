"""Whether a service gets an address, out of which pool, and if not, why."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings

from clusters.checks.causes import CAUSES
from clusters.metallb import pools as pool_rules
from clusters.metallb import services as service_rules
from clusters.metallb.allocation import Allocation, Outcome, World, predict_allocation
from clusters.metallb.pools import Pool, ServiceAllocation
from clusters.metallb.ranges import parse
from clusters.metallb.services import FamilyPolicy, Port, Service
from tests.unit.metallb import strategies

EDGE = Pool("edge", (parse("10.0.0.1-10.0.0.2"),))
KEY = {"metallb.io/allow-shared-ip": "k"}
IPS = "metallb.io/loadBalancerIPs"
POOL = "metallb.io/address-pool"
DUAL_IPS = (ip_address("10.96.0.9"), ip_address("fd00:96::9"))


def service(name: str = "web", *, at: str = "", **changes: Any) -> Service:
    plain = Service(namespace="shop", name=name, ports=(Port("TCP", 80),), cluster_ips=DUAL_IPS[:1])
    if at:
        changes["ingress"] = tuple(ip_address(each) for each in at.split(","))
    return replace(plain, **changes)


def predict(one: Service, *pools: Pool, others: tuple[Service, ...] = ()) -> Allocation:
    return predict_allocation(one, World(pools=pools, services=others, namespaces={"shop": {}, "edge": {}}))


def test_the_first_free_address_is_given() -> None:
    found = predict(service(), EDGE, others=(service("a", at="10.0.0.1"),))

    assert found.outcome is Outcome.ASSIGNED
    assert found.pools == ("edge",)
    assert found.addresses == (ip_address("10.0.0.2"),)


def test_equal_pools_leave_the_choice_open() -> None:
    found = predict(service(), EDGE, Pool("more", (parse("10.0.1.1/32"),)))

    assert set(found.pools) == {"edge", "more"}
    assert found.addresses == ()


def test_a_full_pool_makes_the_choice_certain_again() -> None:
    more = Pool("more", (parse("10.0.1.1/32"),))

    found = predict(service(), EDGE, more, others=(service("a", at="10.0.1.1"),))

    assert found.pools == ("edge",)


def test_a_pool_kept_for_the_service_comes_first_and_others_when_it_is_full() -> None:
    kept = Pool("kept", (parse("10.0.1.1/32"),), allocation=ServiceAllocation(namespaces=frozenset({"shop"})))

    assert predict(service(), EDGE, kept).pools == ("kept",)
    assert predict(service(), EDGE, kept, others=(service("a", at="10.0.1.1"),)).pools == ("edge",)


def test_a_sharer_may_get_a_shared_address_unasked() -> None:
    tiny = Pool("tiny", (parse("10.0.0.1/32"),))
    holder = service("a", at="10.0.0.1", annotations=KEY)

    assert predict(service(annotations=KEY, ports=(Port("TCP", 81),)), tiny, others=(holder,)).addresses
    assert predict(service(annotations=KEY), tiny, others=(holder,)).outcome is Outcome.REFUSED


OFF = replace(EDGE, auto_assign=False)
AVOIDING = Pool("avoiding", (parse("10.0.3.0/31"),), avoid_buggy=True)
SIX = Pool("six", (parse("fd00::/126"),))
FOR_EDGE = Pool(
    "for-edge", (parse("10.0.2.0/30"),), allocation=ServiceAllocation(namespaces=frozenset({"edge"}))
)


@pytest.mark.parametrize(
    ("changes", "pools", "cause"),
    [
        ({}, (), "pool-missing"),
        ({"annotations": {POOL: "gone"}}, (EDGE,), "pool-missing"),
        ({}, (replace(EDGE, ranges=()),), "family-unavailable"),
        ({}, (OFF,), "pool-autoassign-off"),
        ({}, (FOR_EDGE,), "pool-restricted"),
        ({}, (OFF, FOR_EDGE), "pool-restricted"),
        ({}, (SIX,), "family-unavailable"),
        ({"annotations": {POOL: "six"}}, (EDGE, SIX), "family-unavailable"),
        ({"annotations": {POOL: "for-edge"}}, (EDGE, FOR_EDGE), "pool-restricted"),
        ({"load_balancer_ip": "10.9.9.9"}, (EDGE,), "requested-outside-pools"),
        ({"load_balancer_ip": "10.0.3.0"}, (AVOIDING,), "requested-outside-pools"),
        ({"load_balancer_ip": "10.0.2.1"}, (FOR_EDGE,), "pool-restricted"),
        ({"load_balancer_ip": "fd00::1"}, (SIX,), "family-unavailable"),
        ({"load_balancer_ip": "nonsense"}, (EDGE,), "requested-outside-pools"),
        ({"load_balancer_ip": "10.0.0.1", "annotations": {IPS: "10.0.0.1"}}, (EDGE,), "requested-twice"),
        ({"annotations": {IPS: "10.0.0.1", POOL: "six"}}, (EDGE, SIX), "requested-wrong-pool"),
        ({"family_policy": FamilyPolicy.REQUIRE}, (EDGE, SIX), "family-unavailable"),
        ({"cluster_ips": DUAL_IPS, "annotations": {IPS: "10.0.0.1"}}, (EDGE,), "family-unavailable"),
        (
            {"cluster_ips": DUAL_IPS, "annotations": {IPS: "10.0.0.1,fd00::1"}},
            (EDGE, SIX),
            "requested-outside-pools",
        ),
    ],
)
def test_refusals(changes: dict[str, Any], pools: tuple[Pool, ...], cause: str) -> None:
    found = predict(service(**changes), *pools)

    assert found.outcome is Outcome.REFUSED
    assert found.reason is not None
    assert found.reason.cause == cause


@pytest.mark.parametrize(
    ("holder", "asked", "cause"),
    [
        ({}, {"load_balancer_ip": "10.0.0.1"}, "requested-taken"),
        ({"annotations": KEY}, {"load_balancer_ip": "10.0.0.1", "annotations": KEY}, "sharing-refused"),
        ({}, {"annotations": {POOL: "tiny"}}, "pool-exhausted"),
        ({}, {}, "pool-exhausted"),
    ],
)
def test_refusals_because_of_others(holder: dict[str, Any], asked: dict[str, Any], cause: str) -> None:
    tiny = Pool("tiny", (parse("10.0.0.1/32"),))

    found = predict(service(**asked), tiny, OFF, others=(service("a", at="10.0.0.1", **holder),))

    assert found.reason is not None
    assert found.reason.cause == cause


def test_every_pool_is_accounted_for() -> None:
    found = predict(service(), OFF, FOR_EDGE, SIX)

    assert [each.cause for each in found.considered] == [
        "pool-autoassign-off",
        "pool-restricted",
        "family-unavailable",
    ]
    assert found.reason is not None
    assert all(name in found.reason.text for name in ("edge", "for-edge", "six"))


def test_a_request_overrides_autoassign() -> None:
    assert predict(service(load_balancer_ip="10.0.0.2"), OFF).addresses == (ip_address("10.0.0.2"),)
    assert predict(service(annotations={POOL: "edge"}), OFF).pools == ("edge",)


def test_foreign_services_are_ignored() -> None:
    assert predict(service(lb_class="example.com/other"), EDGE).outcome is Outcome.IGNORED
    assert predict(service(type="NodePort"), EDGE).outcome is Outcome.IGNORED


DUAL = Pool("dual", (parse("10.0.4.0/30"), parse("fd00:4::/126")))


@pytest.mark.parametrize(
    ("policy", "families", "pools", "expected"),
    [
        (FamilyPolicy.REQUIRE, (), (EDGE, SIX, DUAL), ("10.0.4.0", "fd00:4::")),
        (FamilyPolicy.PREFER, (), (EDGE, SIX, DUAL), ("10.0.4.0", "fd00:4::")),
        (FamilyPolicy.PREFER, (), (EDGE, SIX), ("10.0.0.1",)),
        (FamilyPolicy.PREFER, ("IPv6", "IPv4"), (EDGE, SIX), ("fd00::",)),
        (FamilyPolicy.PREFER, ("IPv6", "IPv4"), (EDGE,), ("10.0.0.1",)),
    ],
)
def test_dual_stack(
    policy: FamilyPolicy, families: tuple[str, ...], pools: tuple[Pool, ...], expected: tuple[str, ...]
) -> None:
    found = predict(service(cluster_ips=DUAL_IPS, family_policy=policy, families=families), *pools)

    assert tuple(str(each) for each in found.addresses) == expected


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"family_policy": FamilyPolicy.PREFER}, Outcome.UNSTABLE),
        ({"family_policy": FamilyPolicy.PREFER, "at": "10.0.4.1"}, Outcome.UNSTABLE),
        ({"family_policy": FamilyPolicy.PREFER, "cluster_ips": DUAL_IPS}, Outcome.ASSIGNED),
        ({"family_policy": FamilyPolicy.SINGLE}, Outcome.ASSIGNED),
    ],
)
def test_preferring_both_families_with_one_cluster_ip_never_settles(
    changes: dict[str, Any], outcome: Outcome
) -> None:
    assert predict(service(**changes), DUAL).outcome is outcome
    assert predict(service(**changes), EDGE).outcome is Outcome.ASSIGNED


def test_one_family_of_a_kept_pool_comes_before_two_of_another() -> None:
    kept = replace(EDGE, allocation=ServiceAllocation(namespaces=frozenset({"shop"})))
    both = service(cluster_ips=DUAL_IPS, family_policy=FamilyPolicy.PREFER)

    assert predict(both, kept, DUAL).pools == ("edge",)


def test_two_families_must_come_from_one_pool() -> None:
    found = predict(service(cluster_ips=DUAL_IPS, family_policy=FamilyPolicy.REQUIRE), EDGE, SIX)

    assert found.reason is not None
    assert found.reason.cause == "family-unavailable"


@pytest.mark.parametrize(
    ("changes", "addresses"),
    [
        ({}, "10.0.0.2"),
        ({"annotations": {POOL: "edge"}}, "10.0.0.2"),
        ({"load_balancer_ip": "10.0.0.2"}, "10.0.0.2"),
        ({"cluster_ips": DUAL_IPS, "family_policy": FamilyPolicy.PREFER}, "10.0.0.2"),
    ],
)
def test_addresses_are_kept(changes: dict[str, Any], addresses: str) -> None:
    found = predict(service(at="10.0.0.2", **changes), EDGE)

    assert found.outcome is Outcome.KEPT
    assert ",".join(str(each) for each in found.addresses) == addresses


def test_a_preferring_service_gains_the_second_family_of_its_pool() -> None:
    both = service(at="10.0.4.0", cluster_ips=DUAL_IPS, family_policy=FamilyPolicy.PREFER)

    assert predict(both, DUAL).addresses == (ip_address("10.0.4.0"), ip_address("fd00:4::"))


@pytest.mark.parametrize(
    ("changes", "cause", "now"),
    [
        ({"at": "10.9.9.9"}, "requested-outside-pools", "10.0.0.1"),
        ({"at": "10.0.1.1", "annotations": {POOL: "edge"}}, "requested-wrong-pool", "10.0.0.1"),
        ({"at": "10.0.0.1", "load_balancer_ip": "10.0.0.2"}, "requested-taken", "10.0.0.2"),
        ({"at": "fd00::1"}, "family-unavailable", "10.0.0.1"),
    ],
)
def test_addresses_are_changed_when_they_no_longer_fit(changes: dict[str, Any], cause: str, now: str) -> None:
    more = Pool("more", (parse("10.0.1.1/32"),), auto_assign=False)

    found = predict(service(**changes), EDGE, more, SIX)

    assert found.outcome is Outcome.ASSIGNED
    assert found.reason is not None
    assert found.reason.cause == cause
    assert str(found.addresses[0]) == now


def test_a_service_keeps_its_address_although_its_request_is_unreadable() -> None:
    twice = service(at="10.0.0.1", load_balancer_ip="10.0.0.1", annotations={IPS: "10.0.0.1"})

    found = predict(twice, EDGE)

    assert found.outcome is Outcome.KEPT
    assert found.reason is not None
    assert found.reason.cause == "requested-twice"


@settings(max_examples=60, deadline=None)
@given(strategies.scenarios(versions=(4, 6)))
def test_playing_a_scenario_keeps_the_rules(scenario: strategies.Scenario) -> None:
    pools = tuple(pool_rules.parse(each) for each in scenario.pools)
    by_name = {each.name: each for each in pools}
    placed: list[Service] = []
    for raw in scenario.services:
        one = service_rules.parse(raw)
        world = World(pools=pools, services=tuple(placed), namespaces=scenario.namespaces)
        found = predict_allocation(one, world)
        assert (found.outcome is Outcome.ASSIGNED) is bool(found.offers)
        assert found.reason is None or found.reason.cause in CAUSES
        for offer in found.offers:
            assert all(by_name[offer.pool].gives(each) for each in offer.addresses)
            for other in placed:
                if set(offer.addresses) & set(other.ingress):
                    assert service_rules.sharing_conflict(other, one) is None
        if found.offers:
            one = replace(one, ingress=found.offers[0].addresses)
            again = predict_allocation(one, replace(world, services=(*placed, one)))
            assert again.outcome is Outcome.KEPT
            assert again.addresses[: len(one.ingress)] == one.ingress
            placed.append(one)
