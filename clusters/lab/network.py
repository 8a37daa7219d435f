"""Makes a lab's network out of a plan: namespaces, bridges, cables, addresses and routes."""

from __future__ import annotations

import functools
import socket
import subprocess
from collections.abc import Iterable
from pathlib import Path

from pyroute2 import IPRoute

from clusters.lab import netns
from clusters.lab.plan import REMOTE, Host, Interface, IPInterface, Plan

_NO_DAD = 0x02
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}

# Namespaces inherit some of these from the machine; a lab is the same on every machine.
_HOST_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/all/forwarding": "1",
    # No wait for duplicate address detection: the plan gives every address once.
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}


def create(plan: Plan) -> None:
    """Make everything of the plan. The machine's own namespace is not touched.

    Raises `FileExistsError` when a namespace of this lab is still there.
    """
    netns.create(plan.lan_netns)
    for host in plan.hosts:
        netns.create(host.netns)
    netns.inside(plan.lan_netns, lambda: _make_lan(plan))
    for host in plan.hosts:
        netns.inside(host.netns, functools.partial(_make_host, plan, host))


def port_name(host: Host, interface: Interface) -> str:
    """The LAN's end of the cable to a host's interface."""
    return host.name if interface.segment in (0, 9) else f"{host.name}-{interface.segment}"


def _sysctls(values: dict[str, str]) -> None:
    for name, value in values.items():
        file = Path("/proc/sys") / name
        if file.exists():
            file.write_text(value)


def _make_lan(plan: Plan) -> None:
    _sysctls(_HOST_SYSCTLS)
    with IPRoute() as ip:
        _up(ip, "lo")
        for segment in range(plan.options.nics):
            ip.link(
                "add",
                ifname=f"br{segment}",
                kind="bridge",
                br_stp_state=0,
                br_forward_delay=0,
                br_mcast_snooping=0,
            )
            _configure(ip, f"br{segment}", plan.gateways[segment])
        for host in plan.hosts:
            for interface in host.interfaces:
                _plug_in(ip, plan, host, interface)


def _plug_in(ip: IPRoute, plan: Plan, host: Host, interface: Interface) -> None:
    port = port_name(host, interface)
    with netns.path(host.netns).open("rb") as far:
        peer = {"ifname": interface.name, "address": interface.mac, "net_ns_fd": far.fileno()}
        ip.link("add", ifname=port, kind="veth", peer=peer)
    if host.name == REMOTE:
        _configure(ip, port, plan.gateways[interface.segment])
        return
    index = ip.link_lookup(ifname=port)[0]
    ip.link("set", index=index, master=ip.link_lookup(ifname=f"br{interface.segment}")[0])
    _up(ip, port)


def _up(ip: IPRoute, name: str) -> int:
    index: int = ip.link_lookup(ifname=name)[0]
    ip.link("set", index=index, state="up")
    return index


def _configure(ip: IPRoute, name: str, addresses: Iterable[IPInterface]) -> None:
    index = _up(ip, name)
    for address in addresses:
        flags = (
            {"flags": _NO_DAD}
            if address.version == 6
            else {"broadcast": str(address.network.broadcast_address)}
        )
        ip.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags)


def _make_host(plan: Plan, host: Host) -> None:
    _sysctls(_HOST_SYSCTLS)
    with IPRoute() as ip:
        _up(ip, "lo")
        for interface in host.interfaces:
            _configure(ip, interface.name, interface.addresses)
        for gateway in plan.gateways[host.interfaces[0].segment]:
            ip.route("add", family=_FAMILY[gateway.version], dst="default", gateway=str(gateway.ip))
        if host.number:
            _add_pod_routes(ip, plan, host)
    if host.number:
        _hide_pods(plan)


def _add_pod_routes(ip: IPRoute, plan: Plan, host: Host) -> None:
    for other in plan.nodes:
        if other != host:
            for pods, via in zip(other.pod_ranges, other.addresses, strict=True):
                ip.route("add", family=_FAMILY[pods.version], dst=str(pods), gateway=via)


def _hide_pods(plan: Plan) -> None:
    """Pods reach what is not a pod with their node's address, as with the usual network plug-ins."""
    for pods in plan.pod_ranges:
        command = "iptables" if pods.version == 4 else "ip6tables"
        rule = ["-s", str(pods), "!", "-d", str(pods), "-j", "MASQUERADE"]
        subprocess.run([command, "-w", "-t", "nat", "-A", "POSTROUTING", *rule], check=True)
