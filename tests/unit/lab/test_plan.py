"""Addresses, hardware addresses and pod ranges of a lab."""

from __future__ import annotations

import pytest

from clusters.errors import UsageError
from clusters.lab import plan
from clusters.lab.plan import LabOptions


def test_default_lab_has_three_nodes_a_client_and_a_routed_host() -> None:
    made = plan.make(LabOptions())

    assert [(host.name, host.address) for host in made.hosts] == [
        ("node1", "172.30.0.11"),
        ("node2", "172.30.0.12"),
        ("node3", "172.30.0.13"),
        ("client", "172.30.0.100"),
        ("remote", "172.30.9.100"),
    ]
    assert [str(node.pod_ranges[0]) for node in made.nodes] == [
        "10.244.1.0/24",
        "10.244.2.0/24",
        "10.244.3.0/24",
    ]


def test_no_two_cards_share_an_address_or_a_hardware_address() -> None:
    made = plan.make(LabOptions(nodes=7, nics=2, families="dual"))
    cards = [card for host in made.hosts for card in host.interfaces]

    macs = {card.mac for card in cards}
    addresses = {address for card in cards for address in card.addresses}
    assert len(macs) == len(cards) == 2 * 8 + 1
    assert len(addresses) == 2 * len(cards)


@pytest.mark.parametrize(
    ("families", "subnets", "services"),
    [
        ("ipv4", ["172.30.0.0/24"], ["10.96.0.0/16"]),
        ("ipv6", ["fd00:172:30::/64"], ["fd00:10:96::/112"]),
        ("dual", ["172.30.0.0/24", "fd00:172:30::/64"], ["10.96.0.0/16", "fd00:10:96::/112"]),
    ],
)
def test_families_decide_subnets_and_service_ranges(
    families: str, subnets: list[str], services: list[str]
) -> None:
    made = plan.make(LabOptions(families=families))  # type: ignore[arg-type]

    assert [str(subnet) for subnet in made.subnets] == subnets
    assert [str(network) for network in made.service_ranges] == services


def test_every_namespace_of_a_plan_is_one_that_down_looks_for() -> None:
    made = plan.make(LabOptions(name="x", nodes=7))

    assert {made.lan_netns, *(host.netns for host in made.hosts)} == set(plan.every_netns("x"))


def test_namespaces_of_labs_with_similar_names_differ() -> None:
    assert not set(plan.every_netns("a")) & set(plan.every_netns("a-lan"))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"name": "Upper"}, "'Upper'"),
        ({"name": "a" * 21}, "a" * 21),
        ({"nodes": 0}, "--nodes is 0"),
        ({"nodes": 8}, "--nodes is 8"),
        ({"nics": 3}, "--nics is 3"),
        ({"families": "ipv5"}, "--families"),
        ({"proxy": "ipvs"}, "--proxy"),
        ({"install": "operator"}, "--install"),
        ({"overlay": "/nowhere"}, "/nowhere has no kustomization.yaml"),
    ],
)
def test_options_that_no_lab_can_have_are_refused_by_name(given: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        LabOptions(**given)  # type: ignore[arg-type]


def test_options_survive_being_written_down() -> None:
    options = LabOptions(name="x", nodes=5, families="dual", metallb="0.16.2")

    assert LabOptions.from_dict({**options.as_dict(), "of a newer version": 1}) == options
