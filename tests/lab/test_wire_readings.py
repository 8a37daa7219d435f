"""What an observation reads from a real vantage: who answers on a second network, and where packets end.

A lab with two networks: the nodes' addresses are on the first, and services also get addresses of the second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from clusters import wait
from clusters.api import Api, Forbidden, Resource
from clusters.api.resources import SERVICE_L2_STATUSES
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.observation import Snapshot, Status, node_macs
from clusters.observation.collecting import collect
from clusters.observation.snapshot import Reached
from clusters.profile import Profile, Provider
from clusters.vantage import open_vantage
from tests.lab.tools import SOON, Kubectl

pytestmark = pytest.mark.variants

WEB, OWN_NETWORK = "172.30.0.200", "172.30.1.200"
ADDED = yaml.safe_dump_all(
    [
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": "second", "namespace": "metallb-system"},
            "spec": {"addresses": [f"{OWN_NETWORK}/32"]},
        },
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": {"name": "second", "namespace": "metallb-system"},
            "spec": {"ipAddressPools": ["second"], "interfaces": ["eth1"]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "second",
                "namespace": "shop",
                "annotations": {"metallb.io/address-pool": "second"},
            },
            "spec": {
                "type": "LoadBalancer",
                "selector": {"app.kubernetes.io/name": "shop"},
                "ports": [{"port": 80, "targetPort": "http"}],
            },
        },
    ]
)


@pytest.fixture(scope="module")
def lab(as_root: None) -> Iterator[Lab]:
    """A lab with two networks, and a service on the second one alone."""
    name = f"w{os.getpid()}"
    try:
        made = life.up(LabOptions(name=name, nics=2))
        Kubectl(made).ok("apply", "-f", "-", given=ADDED)
        wait.until(
            f"{OWN_NETWORK} serves",
            read=lambda: made.run("client", ["curl", "-s", "-m", "2", f"http://{OWN_NETWORK}/"]).returncode,
            accept=lambda code: code == 0,
            budget=SOON,
        )
        yield made
    finally:
        life.down(name)


def looked_at(lab: Lab) -> Snapshot:
    """One observation, as the lab's administrator makes it."""
    with open_vantage(f"netns:{lab.client.netns}") as vantage:
        api = Api.connect(lab.kubeconfig, None)
        return collect(api, vantage=vantage, profile=Profile(name=lab.name, provider=Provider.LAB))


def answering(seen: Snapshot, address: str) -> list[str]:
    """The nodes that answer for an address."""
    known = node_macs.learn(seen).nodes
    return [known[mac] for one in seen.wire.heard if one.address == address for mac in one.macs]


def reached(seen: Snapshot, address: str) -> Reached:
    return next(one for one in seen.wire.reached if one.address == address)


@contextmanager
def done_to(lab: Lab, host: str, do: str, undo: str) -> Iterator[None]:
    """Run a shell command on a host, and another one after the block."""
    lab.run(host, ["sh", "-c", do], check=True)
    try:
        yield
    finally:
        lab.run(host, ["sh", "-c", undo], check=True)


def test_a_card_without_an_address_in_kubernetes_is_its_nodes(lab: Lab) -> None:
    seen = looked_at(lab)

    (owner,) = answering(seen, OWN_NETWORK)
    (mac,) = (mac for one in seen.wire.heard if one.address == OWN_NETWORK for mac in one.macs)
    assert mac == next(node.interfaces[1].mac for node in lab.nodes if node.name == owner)
    assert "ServiceL2Status names" in node_macs.learn(seen).proofs[mac]
    assert {one.outcome for one in seen.wire.reached} == {"answered"}
    assert seen.wire.node_reach == ()


def test_without_a_status_the_counts_of_answers_tell(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: Callable[..., Any] = Api.list_raw

    def refused(api: Api, res: Resource, *arguments: Any, **options: Any) -> Any:
        if res is SERVICE_L2_STATUSES:
            raise Forbidden("not here")
        return listed(api, res, *arguments, **options)

    told = answering(looked_at(lab), OWN_NETWORK)
    monkeypatch.setattr(Api, "list_raw", refused)

    seen = looked_at(lab)

    assert seen.answer_counts.status is Status.OK
    assert answering(seen, OWN_NETWORK) == told


def test_a_node_that_does_not_forward_is_reached_and_its_node_port_is_silent(lab: Lab) -> None:
    (owner,) = answering(looked_at(lab), WEB)
    switch = "echo {} > /proc/sys/net/ipv4/ip_forward"

    with done_to(lab, owner, switch.format(0), switch.format(1)):
        seen = looked_at(lab)

    one = reached(seen, WEB)
    assert (one.outcome, one.tries, one.lost) == ("timeout", 20, 20)
    assert {each.replied for each in seen.wire.node_reach if each.node == owner} == {True}
    ports = {each.node: each.outcome for each in seen.wire.node_ports if each.service == one.service}
    assert ports.pop(owner) == "timeout"
    assert set(ports.values()) == {"answered"}
    assert {each.status for each in seen.wire.proxy_health if each.node == owner} == {200}


def test_a_filters_own_word_is_kept_with_its_sender(lab: Lab) -> None:
    (owner,) = answering(looked_at(lab), WEB)
    rule = "nft add table ip t; nft 'add chain ip t f { type filter hook forward priority -1; }'; "
    rule += "nft add rule ip t f iifname eth0 tcp flags syn reject with icmp type admin-prohibited"

    with done_to(lab, owner, rule, "nft delete table ip t"):
        seen = looked_at(lab)

    one = reached(seen, WEB)
    assert one.outcome == "unreachable"
    # The node translates the address of what it refuses back, as it does with answers.
    assert ("admin-prohibited", WEB) in {(end.icmp, end.sent_by) for end in one.ends}


def test_a_broken_way_to_one_node_loses_a_share_of_the_tries(lab: Lab) -> None:
    seen = looked_at(lab)
    (owner,) = answering(seen, WEB)
    away = [
        endpoint["addresses"][0]
        for raw in seen.endpoint_slices.items
        if raw["metadata"].get("labels", {}).get("kubernetes.io/service-name") == "web"
        for endpoint in raw["endpoints"]
        if endpoint["nodeName"] != owner
    ]
    rule = "nft add table ip t; nft 'add chain ip t f { type filter hook forward priority -1; }'; "
    rule += f"nft add rule ip t f ip daddr {away[0]} drop"

    with done_to(lab, owner, rule, "nft delete table ip t"):
        one = reached(looked_at(lab), WEB)

    assert one.tries == 20
    assert one.partly
