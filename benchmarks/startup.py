"""Lab and kind started side by side, from nothing to an address that answers: `python benchmarks/startup.py`.

Each round starts the one and then the other, so that both see the same machine; what counts is the ratio. kind runs
on a Docker of the benchmark's own, with a node image and MetalLB's images that are there already (`make kind` makes
them). Both have three nodes, the same Kubernetes, MetalLB and echo workload. The lab's overlay shortens MetalLB's
readiness probes, kind's does not: an address counts as soon as it answers, whatever the probes say.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import told

from clusters import profile, providers, wait
from clusters.api import Api, ApiError
from clusters.api.resources import SERVICES
from clusters.budgets import Budget
from clusters.lab import life, parts
from clusters.lab.plan import LabOptions
from clusters.providers import Cluster
from clusters.vantage import Target, VantageError
from clusters.workloads import builders
from tests.kind.stage import METALLB, Stage, staged

_NAME = f"bench{os.getpid() % 10000}"
_ANSWERED = Budget(name="answered", within=180, every=0.05, reason="Far more than either has taken.")


def main() -> int:
    """Run the rounds, print the table, and write the JSON where it was asked for."""
    options = _arguments()
    if options.kind:
        sys.stdout.write(json.dumps(_kind(options.kind)))
        return 0
    parts.ensure()
    conditions = _conditions()
    with staged() as stage, tempfile.TemporaryDirectory() as folder:
        file = stage.profile(Path(folder))
        rounds = [_round(stage, file) for _ in range(options.runs)]
    report = {"conditions": conditions, "rounds": rounds, "summary": _summary(rounds)}
    told.tell(report, _table(report), options.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = told.options(__doc__, runs=3)
    parser.add_argument("--kind", type=Path, help=argparse.SUPPRESS)  # one start of kind, in Docker's network
    return parser.parse_args()


def _round(stage: Stage, file: Path) -> dict[str, Any]:
    load = os.getloadavg()[0]
    lab = _lab()
    command = stage.docker.inside(sys.executable, __file__, "--kind", file)
    done = subprocess.run(command, env=stage.environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    kind = json.loads(done.stdout)
    return {
        "load": round(load, 2),
        "lab": lab,
        "kind": kind,
        "ratio": round(kind["answers"] / lab["answers"], 2),
    }


def _lab() -> dict[str, float]:
    """One start and end of a lab; it is up when its services' addresses answer."""
    began = time.monotonic()
    try:
        life.up(LabOptions(name=_NAME, metallb=METALLB))
        answers = time.monotonic() - began
    finally:
        leaving = time.monotonic()
        life.down(_NAME)
    return {"answers": round(answers, 2), "removed": round(time.monotonic() - leaving, 2)}


def _kind(file: Path) -> dict[str, float]:
    """One start and end of kind, with a workload whose address answers."""
    began, found = time.monotonic(), profile.load(file)
    with providers.open_cluster(found) as cluster:
        ready = time.monotonic() - began
        _serve(cluster, found.image)
        answers = time.monotonic() - began
        leaving = time.monotonic()
    return {
        "ready": round(ready, 2),
        "answers": round(answers, 2),
        "removed": round(time.monotonic() - leaving, 2),
    }


def _serve(cluster: Cluster, image: str) -> None:
    """Make an echo workload with a service, and wait until its address answers from the vantage."""
    api = Api.connect(cluster.kubeconfig, cluster.context)
    api.apply(builders.echo_deployment("echo", namespace="default", image=image))
    api.apply(builders.load_balancer("echo", namespace="default", app="echo"))
    address = wait.until(
        "the service has an address",
        read=lambda: _address(api),
        accept=bool,
        budget=_ANSWERED,
        tolerate=(ApiError,),
    )
    assert cluster.vantage is not None, "the profile names one"
    vantage, target = cluster.vantage, Target(address=address, port=80, protocol="http", path="/hostname")
    wait.until(
        f"{address} answers",
        read=lambda: vantage.try_once(target, timeout=1.0).ok,
        accept=bool,
        budget=_ANSWERED,
        tolerate=(VantageError,),
    )


def _address(api: Api) -> str:
    ingress = api.get(SERVICES, "echo", "default").get("status", {}).get("loadBalancer", {}).get(
        "ingress"
    ) or [{}]
    return str(ingress[0].get("ip", ""))


def _conditions() -> dict[str, Any]:
    return {
        "nodes": 3,
        "metallb": METALLB,
        **told.machine(),
    }


def _summary(rounds: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    figures = {
        "lab answers": [one["lab"]["answers"] for one in rounds],
        "lab removed": [one["lab"]["removed"] for one in rounds],
        "kind ready": [one["kind"]["ready"] for one in rounds],
        "kind answers": [one["kind"]["answers"] for one in rounds],
        "kind removed": [one["kind"]["removed"] for one in rounds],
        "kind / lab": [one["ratio"] for one in rounds],
    }
    return {
        name: {"best": min(found), "median": round(statistics.median(found), 2), "worst": max(found)}
        for name, found in figures.items()
    }


def _table(report: dict[str, Any]) -> str:
    conditions = ", ".join(f"{name} {value}" for name, value in report["conditions"].items())
    loads = ", ".join(str(one["load"]) for one in report["rounds"])
    lines = [
        f"{len(report['rounds'])} rounds; {conditions}; load before each {loads}",
        f"{'seconds':<16}{'best':>8}{'median':>8}{'worst':>8}",
    ]
    for name, found in report["summary"].items():
        lines.append(f"{name:<16}{found['best']:>8.2f}{found['median']:>8.2f}{found['worst']:>8.2f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
