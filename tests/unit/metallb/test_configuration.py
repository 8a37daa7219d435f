"""What MetalLB would refuse to load, and what it loads although it should not be there."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given

from clusters.metallb import configuration
from clusters.metallb.nodes import Node
from tests.unit.metallb import strategies


def pool(name: str, *addresses: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"addresses": list(addresses), **spec}}


def ad(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "lan"}, "spec": spec}


TEAM = {"matchLabels": {"team": "shop"}}
BROKEN = {"matchExpressions": [{"key": "team", "operator": "Near"}]}


def test_a_good_configuration_loads() -> None:
    found = configuration.read([pool("a", "10.0.0.0/30", "fd00::/64"), pool("b", "10.0.0.4/30")], [ad()])

    assert found.loads
    assert [each.name for each in found.pools] == ["a", "b"]


@pytest.mark.parametrize(
    ("pools", "ads", "cause", "subject"),
    [
        ([pool("a", "10.0.0.0/33")], [], "pool-range-invalid", "pool a"),
        ([pool("a")], [], "pool-range-invalid", "pool a"),
        ([pool("a", "10.0.0.0/30"), pool("b", "10.0.0.3-10.0.0.5")], [], "pool-overlap", "pool a"),
        ([pool("a", "10.0.0.0/30", "10.0.0.0/31")], [], "pool-overlap", "pool a"),
        (
            [pool("a", "10.0.0.0/30", serviceAllocation={"namespaces": ["x", "x"]})],
            [],
            "config-rejected",
            "pool a",
        ),
        (
            [pool("a", "10.0.0.0/30", serviceAllocation={"serviceSelectors": [TEAM, TEAM]})],
            [],
            "config-rejected",
            "pool a",
        ),
        (
            [pool("a", "10.0.0.0/30", serviceAllocation={"serviceSelectors": [BROKEN]})],
            [],
            "config-rejected",
            "pool a",
        ),
        ([], [ad(ipAddressPools=["a", "a"])], "config-rejected", "advertisement lan"),
        ([], [ad(nodeSelectors=[TEAM, TEAM])], "config-rejected", "advertisement lan"),
        ([], [ad(nodeSelectors=[BROKEN])], "config-rejected", "advertisement lan"),
    ],
)
def test_refusals(pools: list[Any], ads: list[Any], cause: str, subject: str) -> None:
    found = configuration.read(pools, ads)

    assert not found.loads
    assert [(each.cause, each.subject) for each in found.refusals] == [(cause, subject)]


def test_overlap_names_both_ranges_as_written_and_what_they_share() -> None:
    found = configuration.read([pool("a", "10.0.0.0/30"), pool("b", "10.0.0.3 - 10.0.0.5")])

    text = found.refusals[0].text
    assert all(each in text for each in ("10.0.0.0/30", "10.0.0.3 - 10.0.0.5", "10.0.0.3-10.0.0.3", "pool b"))


@given(strategies.scenarios(versions=(4, 6)))
def test_generated_pools_always_load(scenario: strategies.Scenario) -> None:
    assert configuration.read(scenario.pools).refusals == ()


def test_reserved_addresses_are_found() -> None:
    pools = configuration.read([pool("a", "10.0.0.0-10.0.0.11", "10.0.0.255/32")]).pools
    nodes = [Node("node1", addresses=(ip_address("10.0.0.11"), ip_address("fd00::11")))]

    found = configuration.reserved_addresses(
        pools, nodes=nodes, gateways=[ip_address("10.0.0.1")], networks=[ip_network("10.0.0.0/24")]
    )

    assert [(each.cause, each.text) for each in found] == [
        ("pool-holds-node-address", "Pool a contains 10.0.0.11, the address of node node1."),
        ("pool-holds-gateway-address", "Pool a contains the gateway 10.0.0.1."),
        ("pool-range-invalid", "Pool a contains 10.0.0.0, the network address of 10.0.0.0/24."),
        ("pool-range-invalid", "Pool a contains 10.0.0.255, the broadcast address of 10.0.0.0/24."),
    ]


def test_avoided_addresses_are_not_reserved_ones() -> None:
    pools = configuration.read([pool("a", "10.0.0.254-10.0.0.255", avoidBuggyIPs=True)]).pools

    found = configuration.reserved_addresses(
        pools, nodes=[], gateways=[], networks=[ip_network("10.0.0.0/24")]
    )

    assert list(found) == []
