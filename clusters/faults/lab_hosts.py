"""A lab's host, disturbed: its cable pulled, its programs killed or frozen, its addresses and routes changed."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from clusters.changes import Changes, HostUndo
from clusters.errors import Inconclusive, Refused
from clusters.lab.lab import Lab

_BRIDGE, _BEYOND, _CARD = "br0", "remote", "eth0"
_FORWARDING = "net.ipv4.ip_forward"


@contextmanager
def unplugged(changes: Changes, lab: Lab, host: str, *, nic: int = 0) -> Iterator[None]:
    """Pull a host's cable for the block: the host loses its carrier, its programs run on."""
    undo = HostUndo(
        text=f"the cable of {host} is pulled",
        action="clusters.faults.lab_hosts:plug_in",
        args={"lab": lab.name, "host": host, "nic": nic},
    )
    with changes.host_change(undo):
        lab.link(host, nic=nic).down()
        yield


def plug_in(lab: str, host: str, nic: int) -> None:
    """Plug a host's cable in; nothing happens where it is, or where the lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.link(host, nic=nic).up()


def in_namespace(netns: str, name: str) -> Iterator[psutil.Process]:
    """The processes called `name` that run in the network namespace `netns` of this machine."""
    wanted = Path("/run/netns", netns).stat().st_ino
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(OSError, psutil.Error):
            if process.info["name"] == name and Path(f"/proc/{process.pid}/ns/net").stat().st_ino == wanted:
                yield process


def kill(netns: str, name: str) -> None:
    """End every process called `name` in `netns` at once (SIGKILL): it has no time for a farewell.

    Raises Inconclusive where there is none to end.
    """
    found = list(in_namespace(netns, name))
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    if not found:
        raise Inconclusive(f"No process {name} runs in the network namespace {netns}, so none can be killed.")


@contextmanager
def frozen(changes: Changes, lab: Lab, name: str, *hosts: str) -> Iterator[None]:
    """Freeze the program `name` on `hosts` (every node where none is named): its sockets stay open, nobody answers."""
    with ExitStack() as stack:
        for host in hosts or [node.name for node in lab.nodes]:
            undo = HostUndo(
                text=f"{name} on {host} is frozen",
                action="clusters.faults.lab_hosts:thaw",
                args={"lab": lab.name, "host": host, "name": name},
            )
            stack.enter_context(changes.host_change(undo))
            lab.component(host, name).stop()
        yield


def thaw(lab: str, host: str, name: str) -> None:
    """Let a frozen program go on; nothing happens where it runs, or the lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.component(host, name).resume()


@contextmanager
def holding_address(changes: Changes, lab: Lab, address: str, *hosts: str) -> Iterator[None]:
    """Give `address` to the loopback interface of `hosts`, as IPVS does: Linux answers ARP for it anywhere."""
    with ExitStack() as stack:
        for host in hosts:
            undo = HostUndo(
                text=f"the kernel of {host} holds {address}",
                action="clusters.faults.lab_hosts:release_address",
                args={"lab": lab.name, "host": host, "address": address},
            )
            stack.enter_context(changes.host_change(undo))
            done = lab.run(host, ["ip", "address", "add", f"{address}/32", "dev", "lo"])
            if done.returncode:
                raise Inconclusive(f"{host} does not take {address}: {done.stderr.strip()}")
        yield


def release_address(lab: str, host: str, address: str) -> None:
    """Take the address away; nothing happens where it is gone, or its lab is."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "address", "del", f"{address}/32", "dev", "lo"])


@contextmanager
def without_default_route(changes: Changes, lab: Lab, host: str) -> Iterator[None]:
    """Take a host's default route away."""
    found = lab.run(host, ["ip", "route", "show", "default"]).stdout.split()
    if "via" not in found:
        raise Inconclusive(f"{host} has no default route to take away.")
    gateway = found[found.index("via") + 1]
    undo = HostUndo(
        text=f"the default route of {host} is gone",
        action="clusters.faults.lab_hosts:restore_default_route",
        args={"lab": lab.name, "host": host, "gateway": gateway},
    )
    with changes.host_change(undo):
        lab.run(host, ["ip", "route", "del", "default"])
        yield


def restore_default_route(lab: str, host: str, gateway: str) -> None:
    """Give a host its default route again; nothing happens where its lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "route", "replace", "default", "via", gateway])


@contextmanager
def remembers(changes: Changes, lab: Lab, host: str, address: str, *, mac: str) -> Iterator[None]:
    """Have a host, or "lan", the LAN's router, keep `mac` for `address` whatever it hears."""
    undo = HostUndo(
        text=f"{host} keeps {mac} for {address}",
        action="clusters.faults.lab_hosts:forget_neighbour",
        args={"lab": lab.name, "host": host, "address": address},
    )
    with changes.host_change(undo):
        entry = [address, "lladdr", mac, "dev", _card(host), "nud", "permanent"]
        done = lab.run(host, ["ip", "neigh", "replace", *entry])
        if done.returncode:
            raise Inconclusive(f"{host} does not keep {address}: {done.stderr.strip()}")
        yield


def _card(host: str) -> str:
    return _BRIDGE if host == "lan" else _CARD


def forget_neighbour(lab: str, host: str, address: str) -> None:
    """Take the entry away; nothing happens where it is gone, or its lab is."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "neigh", "del", address, "dev", _card(host)])


@contextmanager
def replying_for(changes: Changes, lab: Lab, address: str) -> Iterator[None]:
    """Have the LAN's router believe that `address` is behind it, and reply to ARP for it (proxy ARP)."""
    undo = HostUndo(
        text=f"the router replies for {address}",
        action="clusters.faults.lab_hosts:stop_replying_for",
        args={"lab": lab.name, "host": "lan", "address": address},
    )
    with changes.host_change(undo):
        for done in (
            lab.run("lan", ["ip", "route", "replace", address, "dev", _BEYOND]),
            lab.run("lan", ["ip", "neigh", "add", "proxy", address, "dev", _BRIDGE]),
        ):
            if done.returncode:
                raise Inconclusive(f"The router does not reply for {address}: {done.stderr.strip()}")
        yield


def stop_replying_for(lab: str, host: str, address: str) -> None:
    """Take both away; nothing happens where they are gone, or the lab is."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "neigh", "del", "proxy", address, "dev", _BRIDGE])
    found.run(host, ["ip", "route", "del", address, "dev", _BEYOND])


@contextmanager
def smaller_frames(changes: Changes, lab: Lab, mtu: int, *hosts: str) -> Iterator[None]:
    """Give the cards of `hosts` a smaller MTU, as where a tunnel or a provider's network takes a part of it."""
    with ExitStack() as stack:
        for host in hosts:
            undo = HostUndo(
                text=f"the MTU of {host} is {mtu}",
                action="clusters.faults.lab_hosts:ordinary_frames",
                args={"lab": lab.name, "host": host},
            )
            stack.enter_context(changes.host_change(undo))
            done = lab.run(host, ["ip", "link", "set", _CARD, "mtu", str(mtu)])
            if done.returncode:
                raise Inconclusive(f"{host} does not take an MTU of {mtu}: {done.stderr.strip()}")
        yield


def ordinary_frames(lab: str, host: str) -> None:
    """Give a host's card the MTU of Ethernet again; nothing happens where its lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "link", "set", _CARD, "mtu", "1500"])


@contextmanager
def routed_to(
    changes: Changes, lab: Lab, host: str, address: str, *, via: str = "", nowhere: str = "blackhole"
) -> Iterator[None]:
    """Give a host a route of its own to an address: by another host, or without `via` one that leads `nowhere`.

    A "blackhole" drops silently, what is "unreachable" is said to be so by ICMP.
    """
    undo = HostUndo(
        text=f"{host} has a route to {address}",
        action="clusters.faults.lab_hosts:forget_route",
        args={"lab": lab.name, "host": host, "address": address},
    )
    with changes.host_change(undo):
        way = [address, "via", via] if via else [nowhere, address]
        done = lab.run(host, ["ip", "route", "replace", *way])
        if done.returncode:
            raise Inconclusive(f"{host} does not take a route to {address}: {done.stderr.strip()}")
        yield


def forget_route(lab: str, host: str, address: str) -> None:
    """Take the route away; nothing happens where it is gone, or its lab is."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "route", "del", address])


@contextmanager
def not_forwarding(changes: Changes, lab: Lab, host: str) -> Iterator[None]:
    """Have a host's kernel forward no IPv4 packet, as net.ipv4.ip_forward=0 does."""
    undo = HostUndo(
        text=f"{host} forwards nothing",
        action="clusters.faults.lab_hosts:forward_again",
        args={"lab": lab.name, "host": host},
    )
    with changes.host_change(undo):
        _run(lab, host, "sysctl", "-qw", f"{_FORWARDING}=0")
        yield


def forward_again(lab: str, host: str) -> None:
    """Let a host forward again; nothing happens where it does, or its lab is gone."""
    with contextlib.suppress(Refused):
        Lab.load(lab).run(host, ["sysctl", "-qw", f"{_FORWARDING}=1"])


@contextmanager
def without_redirects(changes: Changes, lab: Lab, host: str) -> Iterator[None]:
    """Have a host's kernel send no ICMP redirects, as hardening guides ask of it.

    They share their limit with what it refuses by ICMP: of one that redirects its clients little else is heard.
    """
    undo = HostUndo(
        text=f"{host} sends no redirects",
        action="clusters.faults.lab_hosts:redirect_again",
        args={"lab": lab.name, "host": host},
    )
    with changes.host_change(undo):
        for name in ("all", _card(host)):
            _run(lab, host, "sysctl", "-qw", f"net.ipv4.conf.{name}.send_redirects=0")
        yield


def redirect_again(lab: str, host: str) -> None:
    """Let a host send redirects again; nothing happens where it does, or its lab is gone."""
    with contextlib.suppress(Refused):
        found = Lab.load(lab)
        for name in ("all", _card(host)):
            found.run(host, ["sysctl", "-qw", f"net.ipv4.conf.{name}.send_redirects=1"])


@contextmanager
def renamed(changes: Changes, lab: Lab, host: str, *, name: str, other: str) -> Iterator[None]:
    """Give a host's interface another name: its IPv4 addresses stay, routes by way of others are not touched."""
    undo = HostUndo(
        text=f"{name} of {host} is called {other}",
        action="clusters.faults.lab_hosts:name_again",
        args={"lab": lab.name, "host": host, "name": name, "other": other},
    )
    with changes.host_change(undo):
        _rename(lab, host, name, other)
        yield


def name_again(lab: str, host: str, name: str, other: str) -> None:
    """Give the interface its name again; nothing happens where it has it, or its lab is gone."""
    with contextlib.suppress(Refused, Inconclusive):
        _rename(Lab.load(lab), host, other, name)


def _rename(lab: Lab, host: str, name: str, other: str) -> None:
    _run(lab, host, "ip", "link", "set", name, "down")
    _run(lab, host, "ip", "link", "set", name, "name", other)
    _run(lab, host, "ip", "link", "set", other, "up")


@contextmanager
def bridged(changes: Changes, lab: Lab, name: str, *hosts: str) -> Iterator[None]:
    """Give hosts one more interface: a bridge without any address, as one for virtual machines is."""
    with ExitStack() as stack:
        for host in hosts:
            undo = HostUndo(
                text=f"{host} has an interface {name}",
                action="clusters.faults.lab_hosts:remove_interface",
                args={"lab": lab.name, "host": host, "name": name},
            )
            stack.enter_context(changes.host_change(undo))
            _run(lab, host, "ip", "link", "add", name, "type", "bridge")
            _run(lab, host, "ip", "link", "set", name, "up")
        yield


def remove_interface(lab: str, host: str, name: str) -> None:
    """Take the interface away; nothing happens where it is gone, or its lab is."""
    with contextlib.suppress(Refused):
        Lab.load(lab).run(host, ["ip", "link", "del", name])


@contextmanager
def off_network(changes: Changes, lab: Lab, host: str, *, nic: int) -> Iterator[None]:
    """Take a host's addresses on one of its networks away: it reaches that by its gateway, if at all."""
    card = lab.host(host).interfaces[nic]
    undo = HostUndo(
        text=f"{host} has no address on {card.name}",
        action="clusters.faults.lab_hosts:on_network_again",
        args={"lab": lab.name, "host": host, "nic": nic},
    )
    with changes.host_change(undo):
        for address in card.addresses:
            _run(lab, host, "ip", "address", "del", str(address), "dev", card.name)
        yield


def on_network_again(lab: str, host: str, nic: int) -> None:
    """Give a host its addresses there again; nothing happens where it has them, or its lab is gone."""
    with contextlib.suppress(Refused):
        found = Lab.load(lab)
        card = found.host(host).interfaces[nic]
        for address in card.addresses:
            found.run(host, ["ip", "address", "replace", str(address), "dev", card.name, "nodad"])


def _run(lab: Lab, host: str, *command: str) -> None:
    done = lab.run(host, command)
    if done.returncode:
        raise Inconclusive(f"{' '.join(command)} failed on {host}: {done.stderr.strip()}")
