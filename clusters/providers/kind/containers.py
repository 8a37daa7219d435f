"""kind's nodes, which are containers: their processes and cables to be disturbed, and Docker's network of them."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from clusters.changes import Changes, HostUndo
from clusters.checks import NotSupported
from clusters.commands import command
from clusters.errors import Inconclusive, Refused
from clusters.providers.cluster import NodeHost
from clusters.providers.kind.programs import Program, ProgramFailed

#: Docker names the bridge of a network by the first digits of the network's id.
_BRIDGE = "br-"
_DIGITS = 12


@dataclass(frozen=True)
class Containers:
    """The containers of kind's nodes; a node's name is its container's."""

    docker: Program

    def kill(self, node: str, program: str) -> None:
        """End every process called `program` on `node` at once (SIGKILL): it has no time for a farewell.

        Raises Inconclusive where there is none to end.
        """
        try:
            self.docker.run("exec", node, "pkill", "-KILL", "-x", program, doing=f"end {program} on {node}")
        except ProgramFailed as error:
            if error.output.strip():
                raise
            raise Inconclusive(f"No process {program} runs on {node}, so none can be killed.") from None

    @contextmanager
    def unplugged(self, changes: Changes, node: str) -> Iterator[None]:
        """Pull the cable of `node` for the block: it loses its carrier, its programs run on.

        Raises NotSupported where Docker's bridge is not on this machine, or may not be touched.
        """
        index = self._port(node)
        undo = HostUndo(
            text=f"the cable of {node} is pulled",
            action="clusters.providers.kind.containers:plug_in",
            args={"index": index, "node": node},
        )
        with changes.host_change(undo):
            _set(index, "down")
            yield

    def _port(self, node: str) -> int:
        """The interface on this machine that is the other end of the node's; found on Docker's own bridge."""
        if sys.platform != "linux":
            raise NotSupported("Docker's bridge is not on this machine, so no cable of a node can be pulled")
        arguments = ("exec", node, "cat", "/sys/class/net/eth0/iflink")
        index = int(self.docker.run(*arguments, doing=f"show the network card of {node}"))
        bridge = _BRIDGE + str(network_seen(self.docker)["Id"])[:_DIGITS]
        with IPRoute() as ip:
            bridges = ip.link_lookup(ifname=bridge)
            if not bridges or index not in ip.link_lookup(master=bridges[0]):
                raise NotSupported(
                    f"Docker's bridge {bridge} is not in this network namespace, so no cable can be pulled"
                )
        return index


def plug_in(index: int, node: str) -> None:
    """Plug a node's cable in; nothing happens where it is, or where the node is gone."""
    del node  # it is for people who read the journal
    _set(index, "up")


def _set(index: int, state: str) -> None:
    try:
        with IPRoute() as ip:
            ip.link("set", index=index, state=state)
    except NetlinkError as error:
        if error.code == errno.ENODEV:
            return
        if error.code == errno.EPERM:
            raise NotSupported("only root may pull a node's cable") from None
        raise


#: How many addresses the pool gets, how many are left for pools of the checks' own, and the distance of the pool
#: from the network's end.
POOL, SPARE, MARGIN = 51, 20, 5
_LEAST = 128
#: The network that kind puts its nodes on, and the variable by which kind is told another.
NETWORK = "kind"
NETWORK_VARIABLE = "KIND_EXPERIMENTAL_DOCKER_NETWORK"


def network_name() -> str:
    """The network that kind uses."""
    return os.environ.get(NETWORK_VARIABLE) or NETWORK


@dataclass(frozen=True)
class Room:
    """Address ranges of the network that nobody uses: MetalLB's pool, and what checks may make pools from."""

    subnet: str
    pool: str
    spare: str


def network_seen(docker: Program, network: str = "") -> dict[str, Any]:
    """What Docker knows of the network. Raises Refused where it cannot say."""
    wanted = network or network_name()
    printed = docker.run("network", "inspect", wanted, doing=f"show the network {wanted}")
    found: list[dict[str, Any]] = json.loads(printed)
    return found[0]


def room(network: dict[str, Any]) -> Room:
    """The upper end of the network's IPv4 range: Docker hands addresses out from the lower end.

    Raises Refused where the network has no IPv4 range, a small one, or machines at its upper end.
    """
    named = network.get("Name", NETWORK)
    subnet = _subnet(network)
    if subnet is None:
        raise Refused(
            f"Docker's network {named} has no IPv4 range, so there is none to take addresses for MetalLB from.",
            remedy="Remove the network, and kind makes another: "
            + command("docker network rm {text}", text=named),
        )
    last = int(subnet.broadcast_address) - MARGIN
    first = last - POOL + 1
    spare_last = first - 11
    spare_first = spare_last - SPARE + 1
    taken = sorted(address for address in _taken(network) if spare_first <= int(address) <= last)
    if subnet.num_addresses < _LEAST or taken:
        why = f"{taken[0]} is in use" if taken else f"{subnet} has only {subnet.num_addresses} addresses"
        raise Refused(
            f"Docker's network {named} has no room for MetalLB's addresses at its upper end: {why}.",
            remedy=f"Name another network in {NETWORK_VARIABLE}.",
        )
    return Room(subnet=str(subnet), pool=_range(first, last), spare=_range(spare_first, spare_last))


def _subnet(network: dict[str, Any]) -> IPv4Network | None:
    given = [entry.get("Subnet", "") for entry in (network.get("IPAM") or {}).get("Config") or ()]
    found = [ipaddress.ip_network(text) for text in given if text]
    return next((one for one in found if isinstance(one, IPv4Network)), None)


def _taken(network: dict[str, Any]) -> Iterable[IPv4Address]:
    gateways = [entry.get("Gateway", "") for entry in (network.get("IPAM") or {}).get("Config") or ()]
    machines = [entry.get("IPv4Address", "") for entry in (network.get("Containers") or {}).values()]
    for text in (*gateways, *machines):
        address = ipaddress.ip_interface(text).ip if text else None
        if isinstance(address, IPv4Address):
            yield address


def _range(first: int, last: int) -> str:
    return f"{IPv4Address(first)}-{IPv4Address(last)}"


def nodes(docker: Program, names: Iterable[str], network: str = "") -> tuple[NodeHost, ...]:
    """Addresses and MACs of node containers, in the order of their names."""
    wanted = sorted(names)
    if not wanted:
        return ()
    printed = docker.run("inspect", *wanted, doing=f"show the containers {', '.join(wanted)}")
    return tuple(_node(found, network or network_name()) for found in json.loads(printed))


def _node(container: dict[str, Any], network: str) -> NodeHost:
    at = (container["NetworkSettings"].get("Networks") or {}).get(network) or {}
    addresses = [at.get("IPAddress", ""), at.get("GlobalIPv6Address", "")]
    return NodeHost(
        name=container["Name"].lstrip("/"),
        addresses=tuple(text for text in addresses if text),
        macs=tuple(text.lower() for text in [at.get("MacAddress", "")] if text),
    )
