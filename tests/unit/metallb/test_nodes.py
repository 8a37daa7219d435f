"""Nodes and endpoints, read as speakers read them."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.metallb import nodes
from clusters.metallb.nodes import EXCLUDE_LABEL


def raw(**conditions: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "node1", "labels": {EXCLUDE_LABEL: ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": kind, "status": status} for kind, status in conditions.items()],
            "addresses": [
                {"type": "Hostname", "address": "node1"},
                {"type": "InternalIP", "address": "172.30.0.11"},
                {"type": "InternalIP", "address": "fd00::11"},
                {"type": "ExternalIP", "address": "192.0.2.1"},
            ],
        },
    }


def test_a_node_is_read() -> None:
    node = nodes.parse(raw(Ready="True", NetworkUnavailable="True"))

    assert node.excluded
    assert node.unschedulable
    assert node.ready
    assert node.network_unavailable
    assert [str(each) for each in node.addresses] == ["172.30.0.11", "fd00::11"]


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_only_a_true_condition_makes_the_network_unavailable(status: str) -> None:
    assert not nodes.parse(raw(NetworkUnavailable=status)).network_unavailable


def test_a_bare_node_is_read() -> None:
    node = nodes.parse({"metadata": {"name": "node1"}})

    assert (node.excluded, node.network_unavailable, node.addresses) == (False, False, ())


@pytest.mark.parametrize(
    ("conditions", "counts"),
    [
        ({}, True),
        ({"ready": True, "serving": False}, True),
        ({"ready": None}, True),
        ({"ready": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, True),
        ({"ready": False, "serving": None}, False),
    ],
)
def test_which_endpoints_count(conditions: dict[str, Any], *, counts: bool) -> None:
    assert nodes.servable(conditions) is counts


def test_endpoints_of_all_slices_are_read() -> None:
    slices = [
        {"endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "node1", "conditions": {"ready": False}}]},
        {"endpoints": None},
        {"endpoints": [{"addresses": ["10.0.0.2"]}]},
    ]

    found = nodes.parse_endpoints(slices)

    assert [(each.node, each.servable) for each in found] == [("node1", False), (None, True)]
