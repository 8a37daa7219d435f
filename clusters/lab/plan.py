"""What a lab is asked to be, and who is on its networks then: hosts, interfaces, addresses, routes. Pure data, no I/O.

Every lab uses the same subnets, because nothing outside its own namespaces can see them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network
from pathlib import Path
from typing import Any, Literal, Self, get_args

from clusters.errors import UsageError

Families = Literal["ipv4", "ipv6", "dual"]
Proxy = Literal["iptables", "nftables"]
Install = Literal["manifest", "prometheus", "helm"]
Consumer = Literal["agnhost", "traefik"]

DEFAULT_NAME = "lab"
MOST_NODES = 7
# Network namespaces, cgroups and unix sockets carry the name; a unix socket's path ends at 107 bytes.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True)
class LabOptions:
    """One lab's settings, checked when they are made.

    `metallb` is a version without the `v`, or empty for the one that the overlay pins. `overlay` is a
    kustomize folder, or empty for the shipped one that fits `families`. `install` is what the overlay gets
    where it lacks it: nothing, the rights of MetalLB's -prometheus manifest, without which nobody reads the metrics of
    0.16, or its chart's names and rights. `consumer` is what serves at the edge: Kubernetes' test server, or Traefik.
    """

    name: str = DEFAULT_NAME
    nodes: int = 3
    families: Families = "ipv4"
    nics: int = 1
    proxy: Proxy = "iptables"
    metallb: str = ""
    install: Install = "manifest"
    overlay: str = ""
    consumer: Consumer = "agnhost"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"The lab name {self.name!r} is not usable.",
                remedy="Use up to 20 lower-case letters, digits and inner dashes.",
            )
        _within("--nodes", self.nodes, (1, MOST_NODES))
        _within("--nics", self.nics, (1, 2))
        for option, value, known in (
            ("--families", self.families, get_args(Families)),
            ("--proxy", self.proxy, get_args(Proxy)),
            ("--install", self.install, get_args(Install)),
            ("--consumer", self.consumer, get_args(Consumer)),
        ):
            if value not in known:
                raise UsageError(f"{option} is {value!r}.", remedy=f"It is one of {', '.join(known)}.")
        if self.overlay and not (Path(self.overlay) / "kustomization.yaml").is_file():
            raise UsageError(
                f"The overlay {self.overlay} has no kustomization.yaml.",
                remedy="Name a kustomize folder, for example examples/platform/metallb/overlays/lab.",
            )

    @property
    def ipv4(self) -> bool:
        """Whether nodes, pods and services have IPv4 addresses."""
        return self.families != "ipv6"

    @property
    def ipv6(self) -> bool:
        """Whether nodes, pods and services have IPv6 addresses."""
        return self.families != "ipv4"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for the lab's state file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The reverse of `as_dict`; keys of a newer version are left out."""
        return replace(
            cls(), **{key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        )


def _within(option: str, value: int, bounds: tuple[int, int]) -> None:
    if not bounds[0] <= value <= bounds[1]:
        raise UsageError(f"{option} is {value}.", remedy=f"It is from {bounds[0]} to {bounds[1]}.")


IPInterface = IPv4Interface | IPv6Interface
IPNetwork = IPv4Network | IPv6Network

CLIENT, REMOTE, LAN = "client", "remote", "lan"
_GATEWAY, _FIRST_NODE, _CLIENT = 1, 11, 100
_REMOTE_SEGMENT = 9

POD_RANGES: tuple[IPNetwork, IPNetwork] = (IPv4Network("10.244.0.0/16"), IPv6Network("fd00:10:244::/56"))
SERVICE_RANGES: tuple[IPNetwork, IPNetwork] = (IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112"))


@dataclass(frozen=True)
class Interface:
    """One network card of a host: its name there, the segment it is plugged into, and its addresses."""

    name: str
    segment: int
    mac: str
    addresses: tuple[IPInterface, ...]


@dataclass(frozen=True)
class Host:
    """A host of the lab; a node has a number from 1 and pod ranges, the others have 0 and none."""

    name: str
    netns: str
    number: int
    interfaces: tuple[Interface, ...]
    pod_ranges: tuple[IPNetwork, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses on the first LAN, without prefix length."""
        return tuple(str(address.ip) for address in self.interfaces[0].addresses)

    @property
    def address(self) -> str:
        """The first of `addresses`: the node address that Kubernetes shows."""
        return self.addresses[0]

    @property
    def mac(self) -> str:
        """Its hardware address on the first LAN."""
        return self.interfaces[0].mac


@dataclass(frozen=True)
class Plan:
    """The whole lab. `gateways` are the LAN's own addresses, by segment; the LAN routes between segments."""

    options: LabOptions
    nodes: tuple[Host, ...]
    client: Host
    remote: Host
    gateways: dict[int, tuple[IPInterface, ...]]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Nodes, client and remote host."""
        return (*self.nodes, self.client, self.remote)

    @property
    def control_plane(self) -> Host:
        """The node that also runs etcd, API server, controller manager and scheduler."""
        return self.nodes[0]

    @property
    def lan_netns(self) -> str:
        """The namespace of the bridges."""
        return netns_name(self.options.name, LAN)

    @property
    def subnets(self) -> tuple[IPNetwork, ...]:
        """The first LAN's subnets, in the order of the families."""
        return tuple(address.network for address in self.gateways[0])

    @property
    def service_ranges(self) -> tuple[IPNetwork, ...]:
        """Where cluster addresses of services come from."""
        return _wanted(self.options, SERVICE_RANGES)

    @property
    def pod_ranges(self) -> tuple[IPNetwork, ...]:
        """Where pod addresses come from, over all nodes."""
        return _wanted(self.options, POD_RANGES)


def netns_name(lab: str, host: str) -> str:
    """The network namespace's name of a lab's host."""
    return f"mlc-{lab}-{host}"


def every_netns(lab: str) -> list[str]:
    """Every namespace that a lab of this name can have, whatever its size."""
    hosts = [LAN, CLIENT, REMOTE, *(f"node{number}" for number in range(1, MOST_NODES + 1))]
    return [netns_name(lab, host) for host in hosts]


def make(options: LabOptions) -> Plan:
    """The plan for these options; the same options give the same plan."""
    segments = (*range(options.nics), _REMOTE_SEGMENT)
    return Plan(
        options,
        nodes=tuple(_node(options, number) for number in range(1, options.nodes + 1)),
        client=_host(options, CLIENT, place=_CLIENT, segments=tuple(range(options.nics))),
        remote=_host(options, REMOTE, place=_CLIENT, segments=(_REMOTE_SEGMENT,)),
        gateways={segment: _addresses(options, segment, _GATEWAY) for segment in segments},
    )


def _wanted(options: LabOptions, pair: tuple[IPNetwork, IPNetwork]) -> tuple[IPNetwork, ...]:
    return tuple(network for network in pair if (options.ipv4 if network.version == 4 else options.ipv6))


def _node(options: LabOptions, number: int) -> Host:
    host = _host(
        options, f"node{number}", place=_FIRST_NODE + number - 1, segments=tuple(range(options.nics))
    )
    ranges: tuple[IPNetwork, IPNetwork] = (
        IPv4Network(f"10.244.{number}.0/24"),
        ip_network(f"fd00:10:244:{number:x}::/64"),
    )
    return Host(host.name, host.netns, number, host.interfaces, pod_ranges=_wanted(options, ranges))


def _host(options: LabOptions, name: str, *, place: int, segments: tuple[int, ...]) -> Host:
    interfaces = tuple(
        Interface(
            f"eth{order}",
            segment,
            f"02:6d:6c:{segment:02x}:00:{place:02x}",
            _addresses(options, segment, place),
        )
        for order, segment in enumerate(segments)
    )
    return Host(name, netns_name(options.name, name), 0, interfaces)


def _addresses(options: LabOptions, segment: int, place: int) -> tuple[IPInterface, ...]:
    return tuple(
        ip_interface(text)
        for wanted, text in (
            (options.ipv4, f"172.30.{segment}.{place}/24"),
            (options.ipv6, f"fd00:172:30:{segment:x}::{place:x}/64"),
        )
        if wanted
    )
