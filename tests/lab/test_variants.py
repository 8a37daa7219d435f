"""Every variant boots and serves: address families, network cards, kube-proxy's modes, versions, names."""

from __future__ import annotations

import json

import pytest

from clusters.lab import life
from clusters.lab.plan import LabOptions
from tests.lab.tools import Kubectl

pytestmark = pytest.mark.variants


def test_ipv6_only(lab_name: str) -> None:
    lab = life.up(LabOptions(name=lab_name, nodes=1, families="ipv6"))

    answer = lab.run("client", ["curl", "-s", "-m", "5", "http://[fd00:172:30::210]/hostname"]).stdout
    assert answer.startswith("traefik-")
    assert not json.loads(lab.run("client", ["ip", "-json", "-4", "route"]).stdout)


def test_dual_stack_with_two_cards_and_nftables(lab_name: str) -> None:
    lab = life.up(LabOptions(name=lab_name, nodes=2, families="dual", nics=2, proxy="nftables"))

    for address in ("172.30.0.210", "[fd00:172:30::210]"):
        assert lab.run("client", ["curl", "-s", "-m", "5", f"http://{address}/hostname"]).stdout
    assert "table ip kube-proxy" in lab.run("node1", ["nft", "list", "tables"]).stdout
    assert [interface.name for interface in lab.nodes[0].interfaces] == ["eth0", "eth1"]
    other = str(lab.nodes[1].interfaces[1].addresses[0].ip)
    assert lab.run("node1", ["ip", "-json", "route", "get", other]).stdout.count('"dev":"eth1"') == 1


def test_newer_metallb_with_the_names_of_helm(lab_name: str) -> None:
    lab = life.up(LabOptions(name=lab_name, nodes=1, metallb="0.16.2", install="helm"))
    kubectl = Kubectl(lab)

    pods = kubectl.json("get", "pods", "-n", "metallb-system", "-l", "app.kubernetes.io/name=metallb")[
        "items"
    ]
    components = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods}
    assert components == {"controller", "speaker"}
    assert {container["image"] for pod in pods for container in pod["spec"]["containers"]} == {
        "quay.io/metallb/controller:v0.16.2",
        "quay.io/metallb/speaker:v0.16.2",
    }
    kubectl.ok("get", "deployment/metallb-controller", "daemonset/metallb-speaker", "-n", "metallb-system")
    kubectl.ok("get", "secret/metallb-memberlist", "-n", "metallb-system")
    assert life.status(lab_name)["metallb_version"] == "0.16.2"
