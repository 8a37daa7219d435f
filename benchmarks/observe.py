"""What one observation costs on a large cluster: `python benchmarks/observe.py [--services 100 1000 5000] [--runs 5]`.

A real etcd and API server on loopback are filled with objects (see `observe_cluster`); each way of learning them
(see `observe_ways`) runs in a process of its own, in turn, as often as --runs says. Figures are the best of the
runs: on a machine that others use as well, the best is the one that they disturbed least.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import observe_cluster as cluster
import told

from clusters.lab import parts
from tests.api.server import running

_WAYS = Path(__file__).with_name("observe_ways.py")
Figures = dict[str, Any]


def main() -> int:
    """Fill, measure at each number of services, print the table, and write the JSON where it was asked for."""
    options = _arguments()
    manifest = parts.ensure(only=(f"metallb-{cluster.VERSION}",)).manifest(cluster.VERSION)
    report: Figures = {"conditions": _conditions(), "sizes": []}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), cached=True) as server:
        began, there = time.monotonic(), 0
        api = server.api()
        cluster.basis(api, manifest)
        for services in sorted(options.services):
            cluster.services(api, range(there, services))
            there = services
            _say(f"{services} services are there after {time.monotonic() - began:.0f} s")
            runs = [_run(server.admin, Path(folder)) for _ in range(options.runs)]
            report["sizes"].append({"services": services, "runs": runs, "best": _best(runs)})
    told.tell(report, _table(report), options.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = told.options(__doc__, runs=5)
    parser.add_argument("--services", type=int, nargs="+", default=[100, 1000, 5000])
    return parser.parse_args()


def _conditions() -> Figures:
    return {
        **told.machine(),
        "nodes": cluster.NODES,
        "pools": cluster.POOLS,
        "endpoints_per_service": cluster.PER_SERVICE,
    }


def _run(kubeconfig: Path, folder: Path) -> Figures:
    """One run of every way, one after the other."""
    found = {"ours": _way("ours", kubeconfig, folder, "")}
    asked = json.dumps(found["ours"].pop("asked"))
    for way in ("raw", "parsed", "typed"):
        found[way] = _way(way, kubeconfig, folder, asked)
    return found


def _way(way: str, kubeconfig: Path, folder: Path, given: str) -> Figures:
    argv = [sys.executable, str(_WAYS), way, str(kubeconfig), str(folder)]
    done = subprocess.run(argv, input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _best(runs: list[Figures]) -> Figures:
    best = {way: {name: min(run[way][name] for run in runs) for name in runs[0][way]} for way in runs[0]}
    for way in ("ours", "typed"):
        for base in ("raw", "parsed"):
            best[way][f"to_{base}"] = best[way]["seconds"] / best[base]["seconds"]
    return best


def _table(report: Figures) -> str:
    lines = [", ".join(f"{name} {value}" for name, value in report["conditions"].items())]
    lines.append("| services | objects | calls | " + " | ".join(_COLUMNS) + " |")
    lines.append("| ---: " * (len(_COLUMNS) + 3) + "|")
    for size in report["sizes"]:
        best = size["best"]
        cells = [str(size["services"]), str(best["ours"]["objects"]), str(best["ours"]["calls"])]
        cells += [f"{best[way][name] * factor:.{digits}f}" for way, name, factor, digits in _COLUMNS.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


#: What the table shows: a way's figure, what to multiply it by, and its digits after the point.
_COLUMNS = {
    "raw, s": ("raw", "seconds", 1, 2),
    "parsed, s": ("parsed", "seconds", 1, 2),
    "collected, s": ("ours", "collect", 1, 2),
    "judged, s": ("ours", "judge", 1, 2),
    "together, s": ("ours", "seconds", 1, 2),
    "to raw": ("ours", "to_raw", 1, 2),
    "to parsed": ("ours", "to_parsed", 1, 2),
    "processor, s": ("ours", "processor", 1, 2),
    "peak, MiB": ("ours", "peak_mib", 1, 0),
    "typed, s": ("typed", "seconds", 1, 2),
    "typed to raw": ("typed", "to_raw", 1, 2),
    "typed peak, MiB": ("typed", "peak_mib", 1, 0),
    "judged all broken, s": ("ours", "judge_all_broken", 1, 2),
    "kept, s": ("ours", "keep", 1, 2),
}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
