"""What the run's own advertisement takes over from those of the pools that are there."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.metallb import pools
from clusters.metallb.ranges import parse_address
from suites.scenes.free_addresses import limits_near

EDGE_NODES = [{"matchLabels": {"example.org/edge": "yes"}}]


def pool(name: str, *addresses: str) -> pools.Pool:
    return pools.parse({"metadata": {"name": name}, "spec": {"addresses": [*addresses]}})


def advertisement(name: str, *covered: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ipAddressPools": [*covered], **spec}}


POOLS = (pool("lan", "172.30.0.200-172.30.0.220"), pool("edge", "172.30.1.200-172.30.1.220", "fd00:1::1/128"))
EDGE = advertisement("edge", "edge", interfaces=["eth1"], nodeSelectors=EDGE_NODES, serviceSelectors=[{}])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("172.30.1.230", {"interfaces": ["eth1"], "nodeSelectors": EDGE_NODES}),
        ("172.30.1.199", {"interfaces": ["eth1"], "nodeSelectors": EDGE_NODES}),
        ("172.30.0.230", {}),
        ("fd00:2::1", {"interfaces": ["eth1"], "nodeSelectors": EDGE_NODES}),
    ],
)
def test_the_limits_are_those_of_the_nearest_pool(address: str, expected: dict[str, Any]) -> None:
    found = limits_near(parse_address(address), POOLS, [advertisement("lan", "lan"), EDGE])

    assert found == (expected,)


def test_each_of_several_advertisements_counts_and_none_twice() -> None:
    others = [
        advertisement("more", "edge", interfaces=["eth2"]),
        advertisement("again", "edge", interfaces=["eth2"]),
    ]

    found = limits_near(parse_address("172.30.1.230"), POOLS, [EDGE, *others])

    assert [each["interfaces"] for each in found] == [["eth1"], ["eth2"]]


def test_an_advertisement_of_every_pool_limits_nothing() -> None:
    everything = {"metadata": {"name": "all"}, "spec": None}

    assert limits_near(parse_address("172.30.0.230"), POOLS, [everything]) == ({},)


def test_where_nothing_is_advertised_nothing_is_limited() -> None:
    assert limits_near(parse_address("172.30.0.230"), POOLS, []) == ({},)
