"""Who is on a lab's networks: hosts, interfaces, addresses, hardware addresses and routes. Pure data, no I/O.

Every lab uses the same subnets, because nothing outside its own namespaces can see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface, ip_network

from clusters.lab.options import MOST_NODES, LabOptions

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
