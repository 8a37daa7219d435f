"""What others write into a service's status, and what becomes of a service's door."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.changes import Changes, HostUndo
from clusters.errors import Inconclusive
from clusters.lab.lab import Lab
from clusters.vantage import Target, Vantage

#: Under this name k3s' ServiceLB writes.
_RIVAL = "klipper-lb"


@contextmanager
def overwritten(
    changes: Changes, lab: Lab, service: str, *, address: str = "", hostname: str = "", manager: str = _RIVAL
) -> Iterator[None]:
    """Let another controller write a service's address or host name; the service is the fault's own."""
    undo = HostUndo(text=f"{manager} wrote the status of {service}", action="clusters.faults.statuses:leave")
    namespace, _, name = service.partition("/")
    entry = {"ip": address, "ipMode": "VIP"} if address else {"hostname": hostname}
    patch = {"status": {"loadBalancer": {"ingress": [entry]}}}
    command = [
        *(str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig), "-n", namespace, "patch", "service", name),
        *("--subresource=status", f"--field-manager={manager}", "--type=merge", "-p", json.dumps(patch)),
    ]
    with changes.host_change(undo):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=budgets.seconds("fault_made")
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
                Target(address=address, port=port, protocol="tcp"), timeout=budgets.seconds("probe_refused")
            ).error
        ),
        accept=lambda error: error == "refused",
        budget=budgets.get("served"),
    )
