"""Others who meddle: a machine that answers for an address, a second controller that writes addresses.

For labs: the machine is the LAN's own gateway, whose MAC is no node's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from clusters import budgets
from clusters.api import Api
from clusters.api.resources import NAMESPACES, SERVICES, Resource
from clusters.changes import MANAGER, MANAGER_LABEL, Changes, HostUndo
from clusters.errors import Refused
from clusters.lab import netns
from clusters.lab.lab import Lab
from clusters.metallb import services

Json = dict[str, Any]
_BRIDGE = "br0"


@contextmanager
def squatting(changes: Changes, lab: Lab, address: str) -> Iterator[None]:
    """Let a machine that is no node answer for `address` on the lab's LAN."""
    undo = HostUndo(
        text=f"a stranger answers for {address}",
        action="clusters.faults.strangers:go_away",
        args={"lab": lab.name, "address": address},
    )
    with changes.host_change(undo):
        _give(lab, address)
        yield


@contextmanager
def squatting_after(changes: Changes, api: Api, lab: Lab, *, event: str, prefix: str) -> Iterator[None]:
    """Let a stranger take the address of every service whose name begins with `prefix`, on a watch `event`.

    Of a service that has none yet it takes the address that it asks for.
    """
    taken: set[str] = set()

    def take(kind: str, found: Json) -> None:
        service = services.parse(found)
        if kind == event:
            _take_all(changes, lab, map(str, service.ingress or services.request(service).addresses), taken)

    with _following(api, take, prefix=prefix):
        yield


@contextmanager
def squatting_on_loss(changes: Changes, api: Api, lab: Lab, *, prefix: str) -> Iterator[None]:
    """Let a stranger take every address that a service whose name begins with `prefix` has lost but for a while."""
    held: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()

    def take(kind: str, found: Json) -> None:
        service = services.parse(found)
        has = tuple(map(str, service.ingress))
        if kind != "DELETED" and not has:
            _take_all(changes, lab, held.get(service.key, ()), taken)
        held[service.key] = has

    with _following(api, take, prefix=prefix):
        yield


def _take_all(changes: Changes, lab: Lab, addresses: Iterable[str], taken: set[str]) -> None:
    for address in addresses:
        if address not in taken:
            taken.add(address)
            changes.host(
                HostUndo(
                    text=f"a stranger answers for {address}",
                    action="clusters.faults.strangers:go_away",
                    args={"lab": lab.name, "address": address},
                )
            )
            _give(lab, address)


@contextmanager
def rival_controller(lab: Lab, api: Api, address: str, *, prefix: str) -> Iterator[None]:
    """A second controller that gives `address` to every service without one whose name begins with `prefix`.

    It writes the status under a name of its own, as k3s' ServiceLB and Cilium do.
    """

    def assign(kind: str, found: Json) -> None:
        if kind == "DELETED" or services.parse(found).ingress:
            return
        meta = found["metadata"]
        patch = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        command = [
            *(str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig), "-n", meta["namespace"]),
            *("patch", "service", meta["name"], "--subresource=status", "--field-manager=klipper-lb"),
            *("--type=merge", "-p", json.dumps(patch)),
        ]
        subprocess.run(
            command, capture_output=True, check=False, timeout=budgets.seconds("fault_made")
        )  # the service may be gone by now

    with _following(api, assign, prefix=prefix):
        yield


@contextmanager
def crowding(changes: Changes, api: Api, *wanted: Json) -> Iterator[None]:
    """Let other services take addresses as soon as a run has a namespace of its own: it began while they were free."""
    crowded = threading.Event()

    def crowd(kind: str, namespace: Json) -> None:
        labels = namespace["metadata"].get("labels") or {}
        if kind == "ADDED" and labels.get(MANAGER_LABEL) == MANAGER and not crowded.is_set():
            crowded.set()
            for service in wanted:
                changes.create(service, foreign="the fault")

    with _following(api, crowd, of=NAMESPACES):
        yield


def go_away(lab: str, address: str) -> None:
    """Take a stranger's address away; nothing happens where it is gone, or its lab is."""
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


@contextmanager
def _following(
    api: Api, react: Callable[[str, Json], None], *, prefix: str = "", of: Resource = SERVICES
) -> Iterator[None]:
    stop = threading.Event()
    broken: list[Exception] = []

    def follow() -> None:
        try:
            for event in api.watch(of, stop=stop):
                if event.object["metadata"]["name"].startswith(prefix):
                    react(event.type, event.object)
        except Exception as error:  # noqa: BLE001 - raised again where somebody hears it
            broken.append(error)

    thread = threading.Thread(target=follow, name="meddling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(budgets.seconds("fault_ended"))
    if broken:
        raise broken[0]
