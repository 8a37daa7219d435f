"""Addresses that a node's own kernel holds, so that it answers for them: as kube-proxy's IPVS has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clusters.changes import Changes, HostUndo
from clusters.errors import Inconclusive, Refused
from clusters.lab.lab import Lab


@contextmanager
def holding(changes: Changes, lab: Lab, address: str, *hosts: str) -> Iterator[None]:
    """Give `address` to the loopback interface of `hosts`; Linux answers ARP for it on every interface."""
    with ExitStack() as stack:
        for host in hosts:
            undo = HostUndo(
                text=f"the kernel of {host} holds {address}",
                action="clusters.faults.kernels:drop",
                args={"lab": lab.name, "host": host, "address": address},
            )
            stack.enter_context(changes.host_change(undo))
            done = lab.run(host, ["ip", "address", "add", f"{address}/32", "dev", "lo"])
            if done.returncode:
                raise Inconclusive(f"{host} does not take {address}: {done.stderr.strip()}")
        yield


def drop(lab: str, host: str, address: str) -> None:
    """Take the address away; nothing happens where it is gone, or its lab is."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "address", "del", f"{address}/32", "dev", "lo"])


@contextmanager
def no_way_out(changes: Changes, lab: Lab, host: str) -> Iterator[None]:
    """Take a host's default route away."""
    found = lab.run(host, ["ip", "route", "show", "default"]).stdout.split()
    if "via" not in found:
        raise Inconclusive(f"{host} has no default route to take away.")
    gateway = found[found.index("via") + 1]
    undo = HostUndo(
        text=f"the default route of {host} is gone",
        action="clusters.faults.kernels:lead_out",
        args={"lab": lab.name, "host": host, "gateway": gateway},
    )
    with changes.host_change(undo):
        lab.run(host, ["ip", "route", "del", "default"])
        yield


def lead_out(lab: str, host: str, gateway: str) -> None:
    """Give a host its default route again; nothing happens where its lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    found.run(host, ["ip", "route", "replace", "default", "via", gateway])
