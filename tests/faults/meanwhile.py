"""Faults that strike while a drill is under way: a thread that waits for its moment, and then breaks something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from clusters.api import Resource
from clusters.api.resources import DEPLOYMENTS, IP_ADDRESS_POOLS
from tests.faults.bench import Bench

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
    stop = threading.Event()

    def follow() -> None:
        for event in bench.api.watch(res, SYSTEM, stop=stop):
            if react(event.type, event.object):
                return

    thread = threading.Thread(target=follow, name="meanwhile", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
