"""Which advertisement covers which pool, service, node and interface, and what is wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.metallb import advertisements as ads
from clusters.metallb.nodes import Node
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import parse
from clusters.metallb.services import Service
from tests.unit.metallb import strategies

NODES = tuple(Node(name, labels={"kubernetes.io/hostname": name}) for name in ("node1", "node2"))
FRONT = Pool("pool1", (parse("10.0.0.0/24"),), labels={"tier": "front"})
BACK = Pool("pool2", (parse("10.0.1.0/24"),), labels={"tier": "back"})
ON_NODE1 = {"matchLabels": {"kubernetes.io/hostname": "node1"}}
NOWHERE = {"matchLabels": {"kubernetes.io/hostname": "gone"}}
TIER_FRONT = {"matchLabels": {"tier": "front"}}
TIER_SIDE = {"matchLabels": {"tier": "side"}}


def ad(name: str = "lan", **spec: Any) -> ads.Advertisement:
    return ads.parse({"metadata": {"name": name}, "spec": spec})


@pytest.mark.parametrize(
    ("spec", "covered"),
    [
        ({}, {"pool1", "pool2"}),
        ({"ipAddressPools": ["pool2"]}, {"pool2"}),
        ({"ipAddressPoolSelectors": [TIER_FRONT]}, {"pool1"}),
        ({"ipAddressPools": ["pool2"], "ipAddressPoolSelectors": [TIER_FRONT]}, {"pool1", "pool2"}),
        ({"ipAddressPools": ["gone"]}, set()),
        ({"ipAddressPoolSelectors": [{}]}, {"pool1", "pool2"}),
    ],
)
def test_coverage_of_pools(spec: dict[str, Any], covered: set[str]) -> None:
    assert {pool.name for pool in (FRONT, BACK) if ad(**spec).covers(pool)} == covered


@pytest.mark.parametrize(
    ("labels", "applies"), [({}, False), ({"team": "shop"}, True), ({"team": "edge", "x": "y"}, True)]
)
def test_one_matching_service_selector_is_enough(labels: dict[str, str], *, applies: bool) -> None:
    chosen = [{"matchLabels": {"team": team}} for team in ("shop", "edge")]

    assert ad(serviceSelectors=chosen).applies_to(Service("shop", "web", labels=labels)) is applies


def test_nodes_of_several_advertisements_add_up() -> None:
    one, other = ad(nodeSelectors=[ON_NODE1]), ad(nodeSelectors=[NOWHERE])

    assert ads.announcing_nodes([one, other], NODES) == {"node1"}
    assert ads.announcing_nodes([one, ad()], NODES) == {"node1", "node2"}


@pytest.mark.parametrize(
    ("specs", "interfaces"),
    [
        ([{}], None),
        ([{"interfaces": ["eth0"]}], {"eth0"}),
        ([{"interfaces": ["eth0"]}, {"interfaces": ["eth1", "eth0"]}], {"eth0", "eth1"}),
        ([{"interfaces": ["eth0"]}, {}], None),
        ([{"interfaces": ["eth0"]}, {"interfaces": ["eth1"], "nodeSelectors": [NOWHERE]}], {"eth0"}),
        ([{"nodeSelectors": [NOWHERE]}], set()),
    ],
)
def test_interfaces_on_a_node(specs: list[dict[str, Any]], interfaces: set[str] | None) -> None:
    assert ads.interfaces_on(NODES[0], [ad(**each) for each in specs]) == interfaces


def test_a_missing_interface_is_named_only_if_all_are_missing() -> None:
    named = [ad(interfaces=["eth8", "eth9"])]

    reason = ads.interface_missing(NODES[0], named, {"eth0", "lo"})
    assert reason is not None
    assert reason.cause == "advertisement-interface-missing"
    assert ads.interface_missing(NODES[0], named, {"eth8"}) is None
    assert ads.interface_missing(NODES[0], [ad()], {"eth0"}) is None


@pytest.mark.parametrize(
    ("specs", "found"),
    [
        ([{}], []),
        ([], [("pool-not-advertised", "pool pool1"), ("pool-not-advertised", "pool pool2")]),
        (
            [{"ipAddressPools": ["pool1", "gone"]}],
            [("advertisement-unknown-pool", "advertisement lan"), ("pool-not-advertised", "pool pool2")],
        ),
        (
            [{"ipAddressPools": ["pool1"]}, {"ipAddressPoolSelectors": [TIER_SIDE]}],
            [("advertisement-selects-nothing", "advertisement lan"), ("pool-not-advertised", "pool pool2")],
        ),
        (
            [{"ipAddressPools": ["pool1"]}, {"nodeSelectors": [NOWHERE]}],
            [("advertisement-selects-nothing", "advertisement lan")],
        ),
        # What every pool has already is not missed: such an advertisement may be for what is to come.
        ([{}, {"ipAddressPoolSelectors": [TIER_SIDE]}], []),
        ([{}, {"nodeSelectors": [NOWHERE]}], []),
        ([{"serviceSelectors": [TIER_SIDE]}], []),
    ],
)
def test_problems(specs: list[dict[str, Any]], found: list[tuple[str, str]]) -> None:
    reasons = ads.problems([ad(**each) for each in specs], pools=(FRONT, BACK), nodes=NODES)

    assert [(each.cause, each.subject) for each in reasons] == found


@given(st.lists(strategies.advertisements(1, nodes=("node1", "node2"), preferences=True), max_size=3))
def test_interfaces_and_scores_only_where_allowed(drawn: list[dict[str, Any]]) -> None:
    read = [ads.parse(each) for each in drawn]
    allowed = ads.announcing_nodes(read, NODES)

    for node in NODES:
        assert (ads.interfaces_on(node, read) == frozenset()) is (node.name not in allowed)
    assert ads.scores(read, NODES).keys() <= allowed
