"""MetalLB in kind: the overlay's objects with kind's addresses, and what it is waited for."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.errors import Refused
from clusters.providers.kind import metallb_install


def pool(name: str, *addresses: str) -> dict[str, Any]:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name},
        "spec": {"addresses": list(addresses)},
    }


def workload(part: str, **status: int) -> dict[str, Any]:
    labels = {"app": "metallb", "component": part}
    replicas = {"replicas": 1} if part == "controller" else {}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": part, "image": f"x/{part}:v1"}]},
    }
    return {
        "metadata": {"name": part, "namespace": "metallb-system", "labels": labels},
        "spec": {**replicas, "template": template},
        "status": status,
    }


def test_the_pool_gets_the_networks_addresses_and_the_rest_stays() -> None:
    given = [pool("metallb-pool", "172.18.255.200-172.18.255.250"), {"kind": "L2Advertisement", "spec": {}}]

    things = metallb_install.with_pool(given, "172.20.255.200-172.20.255.250")

    assert things[0]["spec"]["addresses"] == ["172.20.255.200-172.20.255.250"]
    assert things[1] == given[1]
    assert given[0]["spec"]["addresses"] == ["172.18.255.200-172.18.255.250"]


def test_two_pools_are_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"2 pools \(a, b\)"):
        metallb_install.with_pool([pool("a", "10.0.0.1/32"), pool("b", "10.0.0.2/32")], "10.1.0.1-10.1.0.9")


@pytest.mark.parametrize(
    ("workloads", "waiting"),
    [
        ([], ["controller 0/1", "speaker 0/1"]),
        ([workload("controller", readyReplicas=1)], ["speaker 0/1"]),
        (
            [workload("controller"), workload("speaker", numberReady=2, desiredNumberScheduled=3)],
            ["controller 0/1", "speaker 2/3"],
        ),
        (
            [
                workload("controller", readyReplicas=1),
                workload("speaker", numberReady=3, desiredNumberScheduled=3),
            ],
            [],
        ),
    ],
    ids=["nothing", "no-speaker", "some", "all"],
)
def test_both_parts_are_waited_for(workloads: list[dict[str, Any]], waiting: list[str]) -> None:
    assert metallb_install.waiting_for(workloads) == waiting


def node(name: str, ready: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


@pytest.mark.parametrize(
    ("nodes", "waiting"),
    [
        ([], ["no node"]),
        ([node("a", "True"), node("b", "Unknown"), {"metadata": {"name": "c"}}], ["b", "c"]),
        ([node("a", "True")], []),
    ],
    ids=["none", "some", "all"],
)
def test_every_node_is_waited_for(nodes: list[dict[str, Any]], waiting: list[str]) -> None:
    assert metallb_install.unready(nodes) == waiting
