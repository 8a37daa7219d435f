"""A host outside the cluster that answers for an address: the LAN's own gateway, whose MAC is no node's. For labs."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from clusters.api import Api
from clusters.changes import Changes, HostUndo
from clusters.errors import Refused
from clusters.faults.rival_controllers import following
from clusters.lab import netns
from clusters.lab.lab import Lab
from clusters.metallb import services
from clusters.objects import Object

_BRIDGE = "br0"


@contextmanager
def answering(changes: Changes, lab: Lab, address: str) -> Iterator[None]:
    """Let a host outside the cluster answer for `address` on the lab's LAN."""
    undo = HostUndo(
        text=f"a host outside the cluster answers for {address}",
        action="clusters.faults.foreign_responder:leave",
        args={"lab": lab.name, "address": address},
    )
    with changes.host_change(undo):
        _give(lab, address)
        yield


@contextmanager
def answering_after(changes: Changes, api: Api, lab: Lab, *, event: str, prefix: str) -> Iterator[None]:
    """Let that host answer for the address of every service whose name begins with `prefix`, on a watch `event`.

    Of a service that has none yet it is the address that it asks for.
    """
    taken: set[str] = set()

    def take(kind: str, found: Object) -> None:
        service = services.parse(found)
        if kind == event:
            _take_all(changes, lab, map(str, service.ingress or services.request(service).addresses), taken)

    with following(api, take, prefix=prefix):
        yield


@contextmanager
def answering_on_loss(changes: Changes, api: Api, lab: Lab, *, prefix: str) -> Iterator[None]:
    """Let that host answer for every address that a service whose name begins with `prefix` has lost for a while."""
    held: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()

    def take(kind: str, found: Object) -> None:
        service = services.parse(found)
        has = tuple(map(str, service.ingress))
        if kind != "DELETED" and not has:
            _take_all(changes, lab, held.get(service.key, ()), taken)
        held[service.key] = has

    with following(api, take, prefix=prefix):
        yield


def _take_all(changes: Changes, lab: Lab, addresses: Iterable[str], taken: set[str]) -> None:
    for address in addresses:
        if address not in taken:
            taken.add(address)
            changes.host(
                HostUndo(
                    text=f"a host outside the cluster answers for {address}",
                    action="clusters.faults.foreign_responder:leave",
                    args={"lab": lab.name, "address": address},
                )
            )
            _give(lab, address)


def leave(lab: str, address: str) -> None:
    """Let that host answer no more; nothing happens where its address is gone, or the lab is."""
    with contextlib.suppress(Refused):
        found = Lab.load(lab)
        netns.inside(found.plan.lan_netns, lambda: _addr("del", address))


def _give(lab: Lab, address: str) -> None:
    netns.inside(lab.plan.lan_netns, lambda: _addr("add", address))


def _addr(what: str, address: str) -> None:
    with IPRoute() as ip:
        bridge = ip.link_lookup(ifname=_BRIDGE)[0]
        try:
            ip.addr(what, index=bridge, address=address, prefixlen=32)
        except NetlinkError as error:
            if error.code not in (errno.EEXIST, errno.EADDRNOTAVAIL):
                raise
