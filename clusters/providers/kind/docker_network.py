"""Docker's network of kind's nodes: the nodes on it, and which of its addresses are left for services."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from clusters.commands import command
from clusters.errors import Refused
from clusters.providers.cluster import NodeHost
from clusters.providers.kind.programs import Program

#: How many addresses the pool gets, how many are left for pools of the checks' own, and the distance of the pool
#: from the network's end.
POOL, SPARE, MARGIN = 51, 20, 5
_LEAST = 128
#: The network that kind puts its nodes on, and the variable by which kind is told another.
NAME = "kind"
VARIABLE = "KIND_EXPERIMENTAL_DOCKER_NETWORK"


def name() -> str:
    """The network that kind uses."""
    return os.environ.get(VARIABLE) or NAME


@dataclass(frozen=True)
class Room:
    """Address ranges of the network that nobody uses: MetalLB's pool, and what checks may make pools from."""

    subnet: str
    pool: str
    spare: str


def inspect(docker: Program, network: str = "") -> dict[str, Any]:
    """What Docker knows of the network. Raises Refused where it cannot say."""
    wanted = network or name()
    printed = docker.run("network", "inspect", wanted, doing=f"show the network {wanted}")
    found: list[dict[str, Any]] = json.loads(printed)
    return found[0]


def room(network: dict[str, Any]) -> Room:
    """The upper end of the network's IPv4 range: Docker hands addresses out from the lower end.

    Raises Refused where the network has no IPv4 range, a small one, or machines at its upper end.
    """
    named = network.get("Name", NAME)
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
            remedy=f"Name another network in {VARIABLE}.",
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
    return tuple(_node(found, network or name()) for found in json.loads(printed))


def _node(container: dict[str, Any], network: str) -> NodeHost:
    at = (container["NetworkSettings"].get("Networks") or {}).get(network) or {}
    addresses = [at.get("IPAddress", ""), at.get("GlobalIPv6Address", "")]
    return NodeHost(
        name=container["Name"].lstrip("/"),
        addresses=tuple(text for text in addresses if text),
        macs=tuple(text.lower() for text in [at.get("MacAddress", "")] if text),
    )
