"""What faults stand on: cables, components and whole nodes can be taken away and given back."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters import wait
from clusters.errors import Refused
from clusters.lab.lab import Lab
from tests.lab.tools import SOON, Kubectl


def _ready(kubectl: Kubectl, node: str) -> str:
    found = kubectl("get", "node", node, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
    return found.stdout or found.stderr


def _soon(claim: str, check: Callable[[], bool]) -> None:
    wait.until(claim, read=check, accept=bool, budget=SOON)


def test_a_pulled_cable_cuts_a_host_off_until_it_is_plugged_in(lab: Lab) -> None:
    link = lab.link("node3")
    link.down()
    try:
        carrier = lab.run("node3", ["ip", "-br", "link", "show", "eth0"]).stdout
        assert "NO-CARRIER" in carrier
    finally:
        link.up()
    _soon(
        "the card has a carrier again", lambda: "LOWER_UP" in lab.run("node3", ["ip", "-br", "link"]).stdout
    )


def test_a_stopped_component_runs_and_does_nothing(lab: Lab, kubectl: Kubectl) -> None:
    scheduler = lab.component("node1", "kube-scheduler")
    scheduler.stop()
    try:
        assert scheduler.running
        kubectl.ok("run", "waits", "-n", "shop", "--image=registry.k8s.io/pause:3.10")
        assert not kubectl.json("get", "pod", "-n", "shop", "waits")["spec"].get("nodeName")
    finally:
        scheduler.resume()
    try:
        kubectl.ok("wait", "-n", "shop", "--for=condition=Ready", "pod/waits", "--timeout=60s")
    finally:
        kubectl.ok("delete", "pod", "-n", "shop", "waits", "--grace-period=0", "--force")


def test_a_killed_component_is_started_again_as_it_was(lab: Lab) -> None:
    proxy = lab.component("node2", "kube-proxy")
    proxy.kill()
    try:
        _soon("kube-proxy has ended", lambda: not proxy.running)
        assert [problem.partition(" has ended")[0] for problem in lab.problems()] == ["kube-proxy on node2"]
    finally:
        proxy.start()

    assert proxy.running
    assert lab.problems() == []


def _holders(port: int) -> set[int]:
    """The processes that hold the socket which listens on a port of the machine's loopback."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {
        f"socket:[{line[9]}]" for line in lines if line[1] == f"0100007F:{port:04X}" and line[3] == "0A"
    }
    assert len(inodes) == 1
    held = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or closed it
            if str(link.readlink()) in inodes:
                held.add(int(link.parts[2]))
    return held


def test_without_the_relay_the_api_server_is_refused_and_does_not_hang(lab: Lab, kubectl: Kubectl) -> None:
    relay = lab.component("node1", "relay")
    init = lab.control("node1").pid()
    holders = _holders(lab.state.port)
    assert init in holders
    assert len(holders) == 2
    relay.kill()
    try:
        _soon("the relay has ended", lambda: not relay.running)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", lab.state.port), timeout=5)
    finally:
        relay.start()

    _soon("the API server answers", lambda: kubectl("get", "--raw", "/readyz").returncode == 0)


def test_a_node_comes_back_after_its_power_was_cut(lab: Lab, kubectl: Kubectl) -> None:
    lab.power_off("node3")
    try:
        _soon("the node's processes are gone", lambda: not lab.control("node3").alive())
        assert "host node3 itself is not running" in lab.problems()[0]
    finally:
        lab.power_on("node3")

    _soon("the node is Ready", lambda: _ready(kubectl, "node3") == "True")
    kubectl.ok("rollout", "status", "-n", "metallb-system", "daemonset/speaker", "--timeout=90s")
    kubectl.ok("wait", "-n", "traefik", "--for=condition=Ready", "pod", "--all", "--timeout=90s")
    assert lab.problems() == []


def test_an_unknown_host_is_refused_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(Refused, match="node1, node2, node3, client, remote"):
        lab.host("node9")
