"""Other controllers that write addresses into services' statuses, and others' services that take addresses away."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import NAMESPACES, SERVICES, Resource
from clusters.changes import MANAGER, MANAGER_LABEL, Changes, HostUndo
from clusters.errors import Inconclusive
from clusters.lab.lab import Lab
from clusters.metallb import services
from clusters.objects import Object
from clusters.vantage import Target, Vantage

#: Under this name k3s' ServiceLB writes.
_RIVAL = "klipper-lb"


@contextmanager
def overwritten(
    changes: Changes, lab: Lab, service: str, *, address: str = "", hostname: str = "", manager: str = _RIVAL
) -> Iterator[None]:
    """Let another controller write a service's address or host name; the service is the fault's own."""
    undo = HostUndo(
        text=f"{manager} wrote the status of {service}", action="clusters.faults.rival_controllers:leave"
    )
    namespace, _, name = service.partition("/")
    entry = {"ip": address, "ipMode": "VIP"} if address else {"hostname": hostname}
    patch = {"status": {"loadBalancer": {"ingress": [entry]}}}
    command = [
        *(str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig), "-n", namespace, "patch", "service", name),
        *("--subresource=status", f"--field-manager={manager}", "--type=merge", "-p", json.dumps(patch)),
    ]
    with changes.host_change(undo):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=budgets.seconds(budgets.FAULT_MADE)
        )
        if done.returncode:
            raise Inconclusive(f"The status of {service} could not be written: {done.stderr.strip()}")
        yield


def leave() -> None:
    """Nothing is put back: the status goes with the service."""


def until_refused(vantage: Vantage, address: str, *, port: int = 80) -> None:
    """Wait until a port is refused, where somebody has to say so first."""
    wait.until(
        f"{address}:{port} is refused",
        read=lambda: (
            vantage.try_once(
                Target(address=address, port=port, protocol="tcp"),
                timeout=budgets.seconds(budgets.PROBE_REFUSED),
            ).error
        ),
        accept=lambda error: error == "refused",
        budget=budgets.get(budgets.SERVED),
    )


@contextmanager
def rival_controller(lab: Lab, api: Api, address: str, *, prefix: str) -> Iterator[None]:
    """A second controller that gives `address` to every service without one whose name begins with `prefix`.

    It writes the status under a name of its own, as k3s' ServiceLB and Cilium do.
    """

    def assign(kind: str, found: Object) -> None:
        if kind == "DELETED" or services.parse(found).ingress:
            return
        meta = found["metadata"]
        patch = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
        command = [
            *(str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig), "-n", meta["namespace"]),
            *("patch", "service", meta["name"], "--subresource=status", f"--field-manager={_RIVAL}"),
            *("--type=merge", "-p", json.dumps(patch)),
        ]
        subprocess.run(
            command, capture_output=True, check=False, timeout=budgets.seconds(budgets.FAULT_MADE)
        )  # the service may be gone by now

    with following(api, assign, prefix=prefix):
        yield


@contextmanager
def emptied(lab: Lab, api: Api, service: str) -> Iterator[None]:
    """Let somebody empty a service's status whenever it holds an address, under a name that says nothing."""
    namespace, _, name = service.partition("/")
    patch = {"status": {"loadBalancer": {"ingress": None}}}

    def empty(kind: str, found: Object) -> None:
        if (
            kind == "DELETED"
            or found["metadata"]["namespace"] != namespace
            or not services.parse(found).ingress
        ):
            return
        command = [
            *(
                str(lab.kubectl),
                "--kubeconfig",
                str(lab.kubeconfig),
                "-n",
                namespace,
                "patch",
                "service",
                name,
            ),
            *("--subresource=status", "--field-manager=janitor", "--type=merge", "-p", json.dumps(patch)),
        ]
        subprocess.run(
            command, capture_output=True, check=False, timeout=budgets.seconds(budgets.FAULT_MADE)
        )  # the service may be gone by now

    with following(api, empty, prefix=name):
        yield


@contextmanager
def crowding(changes: Changes, api: Api, *wanted: Object) -> Iterator[None]:
    """Let other services take addresses as soon as a run has a namespace of its own: it began while they were free."""
    crowded = threading.Event()

    def crowd(kind: str, namespace: Object) -> None:
        labels = namespace["metadata"].get("labels") or {}
        if kind == "ADDED" and labels.get(MANAGER_LABEL) == MANAGER and not crowded.is_set():
            crowded.set()
            for service in wanted:
                changes.create(service, foreign="the fault")

    with following(api, crowd, of=NAMESPACES):
        yield


@contextmanager
def following(
    api: Api, react: Callable[[str, Object], None], *, prefix: str = "", of: Resource = SERVICES
) -> Iterator[None]:
    """Call `react` with the type and object of every change while the block runs; what it raises is raised then."""
    stop = threading.Event()
    broken: list[Exception] = []

    def follow() -> None:
        try:
            for event in api.watch(of, stop=stop):
                if event.object["metadata"]["name"].startswith(prefix):
                    react(event.type, event.object)
        except Exception as error:  # noqa: BLE001 - raised again where somebody hears it
            broken.append(error)

    thread = threading.Thread(target=follow, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(budgets.seconds(budgets.FAULT_ENDED))
    if broken:
        raise broken[0]
