"""What a word of the command costs on a lab, as whole processes: `python benchmarks/commands.py [--name LAB]`.

`--help`, `why` without a service and of one, and a run of every check of level observe, without a repository and with
the example's. Beside them are their yardsticks: Python that starts and ends, pytest that does, and `kubectl get` of the
lists that an observation reads. They run in turn, as often as --runs says. The median of each is told, and the best
wall time: on a machine that others use as well, the best is the one that they disturbed least. The lab runs already
(`python -m clusters.lab up`), and nothing of it is changed.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import told
import yaml

ROOT = Path(__file__).resolve().parents[1]
Figures = dict[str, float]
#: The consumer of the lab's overlay.
_SERVICE = "traefik/traefik"
#: What an observation lists of every cluster, as kubectl calls it.
_LISTS = (
    "nodes,namespaces,pods,services,events,configmaps,leases,daemonsets.apps,deployments.apps,networkpolicies,"
    "endpointslices.discovery.k8s.io,customresourcedefinitions,validatingwebhookconfigurations,"
    "ipaddresspools.metallb.io,l2advertisements.metallb.io,servicel2statuses.metallb.io,bgppeers.metallb.io"
)


def main() -> int:
    """Run, print the table, and write the JSON where it was asked for."""
    options = _arguments()
    state = _lab(options.name)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        commands = _commands(state, _profile(state, place), place)
        for command in commands.values():
            _once(command, place)  # compiled code and caches are there afterwards, as they are for everybody
        runs = [
            {name: _once(command, place) for name, command in commands.items()} for _ in range(options.runs)
        ]
    report = {"conditions": told.machine(), "runs": runs}
    told.tell(report, _table(report), options.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = told.options(__doc__, runs=5)
    parser.add_argument("--name", default="lab", help="which lab")
    return parser.parse_args()


def _lab(name: str) -> dict[str, Any]:
    """The lab's state. Asked of another process: how large this one is counts for those that it starts."""
    argv = [sys.executable, "-m", "clusters.lab", "status", "--name", name]
    state: dict[str, Any] = json.loads(subprocess.run(argv, cwd=ROOT, check=True, capture_output=True).stdout)
    if not state["running"]:
        raise SystemExit(f"There is no lab {name}: python -m clusters.lab up --name {name}")
    return state


def _profile(state: dict[str, Any], place: Path) -> Path:
    """What init prints of the lab, with its client as the vantage."""
    command = (sys.executable, "-m", "metallb_conformance", "init", "--kubeconfig", state["kubeconfig"])
    printed = subprocess.run(
        [*command, "--context", state["name"]], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    profile = place / "profile.yaml"
    profile.write_text(f"{printed}\nvantage: netns:{state['client']['netns']}\n", encoding="utf-8")
    return profile


def _commands(state: dict[str, Any], profile: Path, place: Path) -> dict[str, Sequence[str]]:
    ours = (sys.executable, "-m", "metallb_conformance")
    options = ("-q", "--report-dir", str(place / "run"))
    kubectl = (state["kubectl"], "--kubeconfig", state["kubeconfig"], "get", _LISTS, "-A", "-o", "json")
    return {
        "Python that starts": (sys.executable, "-c", "pass"),
        "`--help`": (*ours, "--help"),
        "`kubectl get` of the lists": kubectl,
        "`why`": (*ours, "why", str(profile)),
        "`why` of one service": (*ours, "why", str(profile), _SERVICE),
        "pytest that starts": (sys.executable, "-m", "pytest", "--version"),
        "`run`, every observe check": (*ours, "run", str(profile), *options),
        "`run` with a repository": (*ours, "run", str(_of_repository(profile)), *options),
    }


def _of_repository(profile: Path) -> Path:
    """The same profile with the example's repository, by the shipped profile of the lab."""
    gitops = yaml.safe_load((ROOT / "clusters" / "profiles" / "lab.yaml").read_text(encoding="utf-8"))[
        "gitops"
    ]
    gitops["repository"] = str(ROOT / "examples" / "platform")
    wanted = profile.with_name("repository.yaml")
    wanted.write_text(
        f"{profile.read_text(encoding='utf-8')}\ngitops: {json.dumps(gitops)}\n", encoding="utf-8"
    )
    return wanted


def _once(command: Sequence[str], place: Path) -> Figures:
    """One process from its start to its end; processor time and memory as the kernel counted them."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=place, env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 8):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return {
        "wall": time.monotonic() - began,
        "processor": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }


def _table(report: dict[str, Any]) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in report["conditions"].items())]
    lines += [
        "| command | wall, s | best wall, s | processor, s | peak, MiB |",
        "| --- " + "| ---: " * 4 + "|",
    ]
    for name in report["runs"][0]:
        found = {key: [run[name][key] for run in report["runs"]] for key in report["runs"][0][name]}
        middle = {key: statistics.median(values) for key, values in found.items()}
        lines.append(
            f"| {name} | {middle['wall']:.2f} | {min(found['wall']):.2f} | {middle['processor']:.2f} | "
            f"{middle['peak_mib']:.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
