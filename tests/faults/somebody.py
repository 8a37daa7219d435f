"""Somebody else at work on the lab's MetalLB: an upgrade with kubectl, or what strikes while a drill is under way.

For the latter a thread waits for its moment, and then breaks something.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from clusters.api import Resource
from clusters.api.resources import DEPLOYMENTS, IP_ADDRESS_POOLS, PODS
from clusters.faults import filters
from clusters.lab import rendering
from clusters.lab.parts import ensure
from clusters.lab.rest import FIELD_MANAGER
from tests.faults.bench import ROOT, Bench

Json = dict[str, Any]
SYSTEM = "metallb-system"


@contextmanager
def nodes_close(bench: Bench) -> Iterator[None]:
    """No pod of MetalLB may come to any node from the moment when the controller's Deployment is deleted."""
    with ExitStack() as stack:

        def close(kind: str, obj: Json) -> bool:
            if kind == "DELETED" and obj["metadata"]["name"] == "controller":
                for node in bench.lab.nodes:
                    stack.enter_context(bench.metallb.held_away(node.name))
                return True
            return False

        with _when(bench, DEPLOYMENTS, close):
            yield


@contextmanager
def consumer_refused(bench: Bench, address: str, *, seconds: float) -> Iterator[None]:
    """Nobody is let in at an address for some seconds from the moment when a speaker is told to end."""

    def refuse(kind: str, obj: Json) -> bool:
        ends = kind == "MODIFIED" and "deletionTimestamp" in obj["metadata"]
        if ends and obj["metadata"]["name"].startswith("speaker-"):
            with filters.address_refused(bench.changes, bench.lab, "client", address=address):
                time.sleep(seconds)
            return True
        return False

    with _when(bench, PODS, refuse):
        yield


@contextmanager
def route_lost(bench: Bench, route: Json) -> Iterator[None]:
    """A route of Traefik's is gone from the moment when MetalLB's controller is."""
    with ExitStack() as stack:

        def lose(kind: str, obj: Json) -> bool:
            if kind == "DELETED" and obj["metadata"]["name"] == "controller":
                meta, res = route["metadata"], bench.api.resource_for(route)
                gone = bench.changes.deleted(res, meta["name"], meta["namespace"], foreign="the fault")
                stack.enter_context(gone)
                return True
            return False

        with _when(bench, DEPLOYMENTS, lose):
            yield


@contextmanager
def range_grabbed(bench: Bench, address: str) -> Iterator[None]:
    """Somebody makes a pool of an address as soon as no other pool holds it."""
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "grabbed", "namespace": SYSTEM},
        "spec": {"addresses": [f"{address}/32"], "autoAssign": False},
    }
    with ExitStack() as stack:

        def grab(kind: str, obj: Json) -> bool:
            if kind == "MODIFIED" and not any("172.30.0.2" in each for each in obj["spec"]["addresses"][:1]):
                stack.enter_context(bench.changes.created(pool))
                return True
            return False

        with _when(bench, IP_ADDRESS_POOLS, grab):
            yield


@contextmanager
def _when(bench: Bench, res: Resource, react: Callable[[str, Json], bool]) -> Iterator[None]:
    """Call `react` for every event until it says that it has done its work."""

    def follow(stop: threading.Event) -> None:
        for event in bench.api.watch(res, SYSTEM, stop=stop):
            if react(event.type, event.object):
                return

    with beside(follow):
        yield


@contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do `work` in a thread of its own through the block, at whose end the event that it is given is set."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), name="meanwhile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def upgraded(bench: Bench, version: str) -> Iterator[None]:
    """MetalLB runs another version in the block, rolled out by whoever rolled out the first one."""
    try:
        _roll_out(bench, version)
        yield
    finally:
        _roll_out(bench, bench.lab.metallb_version)


def _roll_out(bench: Bench, version: str) -> None:
    rendered = rendering.render(
        ROOT / "examples/platform/metallb/overlays/lab",
        metallb_version=version,
        manifest=ensure().manifest(version),
        kubectl=bench.lab.kubectl,
    )
    # The secrets are MetalLB's own: it goes on with those that it has.
    items = [obj for obj in rendered if obj["kind"] != "Secret"]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    manager = f"--field-manager={FIELD_MANAGER}"
    _kubectl(bench, "apply", "--server-side", "--force-conflicts", manager, "-f", "-", given=text)
    for name in ("deployment/controller", "daemonset/speaker"):
        _kubectl(bench, "-n", "metallb-system", "rollout", "status", name, "--timeout=180s")


def _kubectl(bench: Bench, *arguments: str, given: str = "") -> None:
    command = [str(bench.lab.kubectl), "--kubeconfig", str(bench.lab.kubeconfig), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
