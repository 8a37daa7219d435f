"""How long a lab takes to boot and to go: `python benchmarks/lab_up.py [--runs 5] [--json FILE] [up's options]`.

Each run boots a lab of its own from warm parts and removes it. The table has the seconds at which each phase was
reached, the processor time that all of it took, and what else kept the machine busy meanwhile, without which the
figures mean little on two processors.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import told

from clusters.lab import cgroups, life, parts
from clusters.lab.lab_state import BootProgress
from clusters.lab.plan import LabOptions

_NAME = f"bench{os.getpid()}"


def main() -> int:
    """Run, print the table, and write the JSON where it was asked for."""
    options = _arguments()
    parts.ensure()
    lab = LabOptions(
        name=_NAME,
        nodes=options.nodes,
        families=options.families,
        metallb=options.metallb,
        proxy=options.proxy,
    )
    conditions = _conditions(lab)
    runs = [_run(lab) for _ in range(options.runs)]
    report = {"conditions": conditions, "runs": runs, "summary": _summary(runs)}
    told.tell(report, _table(report), options.json)
    return 0


def _arguments() -> argparse.Namespace:
    parser = told.options(__doc__, runs=5)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--families", default="ipv4")
    parser.add_argument("--proxy", default="iptables")
    parser.add_argument("--metallb", default="")
    return parser.parse_args()


def _run(options: LabOptions) -> dict[str, Any]:
    """One boot and one removal; every figure in seconds."""
    before, own = psutil.cpu_times(), sum(os.times()[:4])
    progress = BootProgress(io.StringIO())
    began = time.monotonic()
    try:
        life.up(options, progress=progress)
        took = time.monotonic() - began
        used = _lab_processor_time() + sum(os.times()[:4]) - own
        all_used = _busy(psutil.cpu_times()) - _busy(before)
    finally:
        leaving = time.monotonic()
        life.down(options.name)
    return {
        "phases": {name: round(seconds, 2) for name, seconds in progress.phases.items()},
        "up": round(took, 2),
        "down": round(time.monotonic() - leaving, 2),
        "processor": round(used, 2),
        "processor of others": round(max(0.0, all_used - used), 2),
    }


def _busy(times: Any) -> float:
    return float(times.user + times.nice + times.system)


def _lab_processor_time() -> float:
    """Processor seconds of everything that ever ran in the lab's cgroups."""
    for folder in cgroups.lab_folders(_NAME):
        usage, stat = folder / "cpuacct.usage", folder / "cpu.stat"
        if usage.exists():
            return int(usage.read_text()) / 1e9
        if cgroups.is_v2():
            return int(stat.read_text().split()[1]) / 1e6
    return 0.0


def _conditions(options: LabOptions) -> dict[str, Any]:
    return {
        "options": options.as_dict(),
        **told.machine(),
        "cgroups": "v2" if cgroups.is_v2() else "v1",
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    names = [*runs[0]["phases"], "up", "down", "processor", "processor of others"]
    figures = {name: [run["phases"].get(name, run.get(name)) for run in runs] for name in names}
    return {
        name: {"best": min(found), "median": round(statistics.median(found), 2), "worst": max(found)}
        for name, found in figures.items()
    }


def _table(report: dict[str, Any]) -> str:
    conditions = ", ".join(
        f"{name} {value}" for name, value in report["conditions"].items() if name != "options"
    )
    lines = [
        f"{len(report['runs'])} runs; {conditions}",
        f"{'seconds':<22}{'best':>8}{'median':>8}{'worst':>8}",
    ]
    for name, found in report["summary"].items():
        lines.append(f"{name:<22}{found['best']:>8.2f}{found['median']:>8.2f}{found['worst']:>8.2f}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
