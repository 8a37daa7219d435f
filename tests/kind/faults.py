"""`python -m tests.kind.faults`: make a sample of the fault catalogue on real kind, and write docs/faults-on-kind.md.

Exit code 1 where anything is not as the catalogue says.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from clusters import profile
from clusters.api import Api
from clusters.api.resources import NODES
from clusters.errors import ConformanceError
from clusters.lab import cgroups
from clusters.profile import Profile
from clusters.providers import Cluster
from clusters.providers.kind import metallb_install
from tests.faults.bench import ROOT
from tests.faults.catalogue import tried
from tests.faults.catalogue_fault import Fault
from tests.faults.catalogue_judging import observe_checks
from tests.faults.catalogue_stage import Stage, standing
from tests.faults.catalogue_trial import Trial
from tests.kind import alike
from tests.kind.sample import sample
from tests.kind.stage import METALLB, staged
from tests.kind.stage import Stage as Machine

PAGE = ROOT / "docs" / "faults-on-kind.md"
_HEAD = """\
# Faults on real kind

A sample of the [fault catalogue](faults.md), made on real kind and judged as there: the checks that must fail do,
with the expected cause and subject, nothing unrelated is found, and all is silent again once the fault is mended.
Written by `make kind`; `tests/kind/sample.py` names the faults.

The provider makes the cluster; it has the addresses, the overlay and the consumers of the lab. Faults of objects and
workloads are made as in the lab, those of network and nodes with Docker: memberlist's packets are dropped in a node's
container, a container on the nodes' network is given an address of the pool, the kubelet of a node is stopped, or all
of the node (`docker pause`).
"""
_TAIL = "The seconds are those from the first step of the fault until every check was silent again."


@dataclass(frozen=True)
class KindSite:
    """The cluster as a place that faults are made in."""

    cluster: Cluster
    kubectl: Path

    @property
    def name(self) -> str:
        return self.cluster.name

    @property
    def kubeconfig(self) -> Path:
        return self.cluster.kubeconfig

    def problems(self) -> list[str]:
        """The nodes that are not Ready."""
        return metallb_install.unready(Api.connect(self.kubeconfig, self.cluster.context).list(NODES))


def main() -> int:
    """Make the sample; with --profile this is the process in Docker's network that does it."""
    parser = argparse.ArgumentParser(prog="python -m tests.kind.faults", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORD", help="what has one of these; no page"
    )
    parser.add_argument("--profile", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.profile:
            return _made(profile.load(given.profile), given.only)
        with staged() as machine, tempfile.TemporaryDirectory() as folder:
            return subprocess.run(**command(machine, Path(folder), given.only), check=False).returncode
    except ConformanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return int(error.exit_code)


def command(machine: Machine, folder: Path, only: Sequence[str] = ()) -> dict[str, Any]:
    """What makes the sample on a machine with kind, as arguments of subprocess.run; `folder` is for the profile."""
    file = folder / f"{alike.NAME}.yaml"
    file.write_text(yaml.safe_dump(alike.settings(machine)), encoding="utf-8")
    argv = machine.docker.inside(sys.executable, "-m", "tests.kind.faults", "--profile", file)
    argv += ["--only", *only] if only else []
    return {"args": argv, "env": alike.environment(machine), "cwd": ROOT}


def _made(found: Profile, only: Sequence[str]) -> int:
    begun = time.monotonic()
    observe_checks()  # imported before the first look is timed
    with alike.opened(found) as cluster:
        assert cluster.kubectl is not None
        assert cluster.vantage is not None
        site = KindSite(cluster, cluster.kubectl)
        raw = yaml.safe_load(found.source.read_text(encoding="utf-8"))
        with standing(site, cluster.context, settings=raw, vantage=cluster.vantage) as stage:
            stage.healthy()
            stage.until_silent()
            conditions = _conditions(stage)
            chosen = [one for one in sample(alike.NAME, found.kind.image) if _wanted(one, only)]
            trials = [_trial(stage, fault) for fault in chosen]
    conditions = f"{conditions} {time.monotonic() - begun:.0f} s for everything."
    if not only:
        PAGE.write_text(page(trials, conditions), encoding="utf-8")
    return int(any(one.wrong for one in trials))


def _wanted(fault: Fault, only: Sequence[str]) -> bool:
    return not only or any(word in f"{fault.cause}: {fault.name}" for word in only)


def _conditions(stage: Stage) -> str:
    nodes = stage.api.list(NODES)
    kernel = ".".join(os.uname().release.split(".")[:2])
    return (
        f"{psutil.cpu_count()} processors, {psutil.virtual_memory().total / 2**30:.0f} GiB, kernel {kernel}, "
        f"cgroup {'v2' if cgroups.is_v2() else 'v1'}; {len(nodes)} nodes of kind with Kubernetes "
        f"{nodes[0]['status']['nodeInfo']['kubeletVersion']} and MetalLB {METALLB}; load of the machine "
        f"{os.getloadavg()[1]:.1f} (5 minutes) when the first fault was made;"
    )


def _trial(stage: Stage, fault: Fault) -> Trial:
    """Make one, and say what came of it in a line of JSON."""
    begun = time.monotonic()
    try:
        found = tried(stage, fault, ordinary=False)
    except Exception as error:  # noqa: BLE001 - whatever breaks, the others are still made
        found = Trial.broken(fault, f"it broke: {error}", seconds=time.monotonic() - begun)
    told = {"fault": fault.name, "seconds": round(found.seconds, 1), "wrong": found.wrong}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    return found


def page(trials: Sequence[Trial], conditions: str) -> str:
    """The whole page."""
    right = sum(not one.wrong for one in trials)
    measured = f"{right} of {len(trials)} are right. Measured on {conditions}"
    return "\n".join([_HEAD, measured, "", *_table(trials), "", _TAIL, ""])


def _table(trials: Sequence[Trial]) -> Iterator[str]:
    yield "| cause | fault | named by | result | seconds |"
    yield "| --- | --- | --- | --- | --- |"
    for one in trials:
        named = ", ".join(f"`{check}`" for check in one.fault.shows)
        result = one.wrong.replace("\n", "; ").replace("|", "\\|") or "right"
        yield f"| {one.fault.cause} | {one.fault.name} | {named} | {result} | {one.seconds:.1f} |"


if __name__ == "__main__":
    raise SystemExit(main())
