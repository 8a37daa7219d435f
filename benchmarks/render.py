"""How long the page takes, and how much memory: `python benchmarks/render.py [--checks 2000] [--runs 400]`.

The run and its past are made up here, checks with findings, figures and evidence as real ones have: what is measured
is the rendering of the page from them, in a process of its own, and the most memory that this process ever had.
Reading the history from its database is not in it.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clusters.checks import CheckResult, Finding, Measurement, Outcome, RunInfo, RunResult, Scope, Verdict
from reports.history.comparison import Change, Comparison, EarlierRun
from reports.history.history_view import HistoryView
from reports.history.standings import Standing
from reports.pages.page import page

#: What the page promises: seconds and bytes.
SECONDS, MEMORY, SIZE = 2.0, 200e6, 5e6
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_SECTIONS = ("1", "2.1", "2.2", "2.3", "3", "4", "5", "6", "7", "shape")


def main() -> int:
    """Measure, print, and fail where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=400, help="runs of history")
    parser.add_argument("--repeat", type=int, default=5, help="processes; the worst is judged")
    parser.add_argument("--keep", type=Path, help="also write the page to this file")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        sys.stdout.write(json.dumps(_measured(given)))
        return 0
    command = [sys.executable, __file__, *sys.argv[1:], "--child"]
    found = [
        json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for _ in range(given.repeat)
    ]
    worst = {name: max(one[name] for one in found) for name in found[0]}
    sys.stdout.write(
        f"{given.checks} checks, {given.runs} runs of history (made up), worst of {given.repeat}: "
        f"{worst['seconds']:.2f} s ({worst['processor']:.2f} s of processor), {worst['memory'] / 1e6:.0f} MB at most, "
        f"page of {worst['size'] / 1e6:.2f} MB\n"
    )
    kept = worst["seconds"] < SECONDS and worst["memory"] < MEMORY and worst["size"] < SIZE
    return 0 if kept else 1


def _measured(given: argparse.Namespace) -> dict[str, float]:
    """Render once in this process. Data and page are made before and written after the clock runs."""
    result, past = made_up(given.checks, given.runs)
    with tempfile.TemporaryDirectory() as directory:
        begun, used = time.perf_counter(), time.process_time()
        text = page(result, directory=Path(directory), view=past)
        taken = {"seconds": time.perf_counter() - begun, "processor": time.process_time() - used}
    if given.keep:
        given.keep.write_text(text, encoding="utf-8")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return taken | {"memory": float(memory), "size": float(len(text.encode()))}


def made_up(checks: int, runs: int) -> tuple[RunResult, HistoryView]:
    """A run of so many checks, one in twenty failed, and the same cluster's runs before it."""
    draw = random.Random(1)  # noqa: S311 - the same figures each time
    found = tuple(_check(number, draw) for number in range(checks))
    info = RunInfo(
        id="made-up",
        started=_time(runs),
        finished=_time(runs),
        cluster="lab",
        provider="lab",
        context="lab",
        allow="disrupt",
        kubernetes_version="v1.35.4",
        metallb_version="0.16.2",
        suite_version="0.1.0",
        vantage="netns:client",
        verdict=Verdict.FAILED,
        scope=Scope.CLUSTER,
    )
    return RunResult(run=info, checks=found, not_tested=()), _past(found, runs, draw)


def _check(number: int, draw: random.Random) -> CheckResult:
    name = f"made.check-{number}"
    figure = Measurement(value=draw.random() * 3, unit="s", budget=3.0, samples=(0.2, 0.3, 0.1))
    passed = CheckResult(
        id=name,
        title="The address moves when its speaker is deleted",
        runbook=(_SECTIONS[number % len(_SECTIONS)],),
        level="disrupt",
        outcome=Outcome.PASSED,
        started=_time(0),
        duration_s=1.0,
        measurements={"gap of the service": figure},
        evidence=("172.30.0.210 was answered by node1 → node2 → node1", f"evidence/{name}/timeline.csv"),
    )
    if number % 20:
        return passed
    finding = Finding(
        cause="speaker-unschedulable",
        subject=f"node node{number}",
        summary=f"The speaker of node{number} is not scheduled: the node carries a taint that it does not tolerate.",
        evidence=tuple(f"+{line / 10:.1f}s answered by nobody" for line in range(12)),
        remedy="Remove the taint, or let the speakers tolerate it.",
        commands=("kubectl -n metallb-system get pods -o wide", f"kubectl describe node node{number}"),
        ruled_out=("memberlist: all members agree", "the pool is advertised"),
    )
    evidence = tuple(
        f"evidence/{name}/{file}" for file in ("events.txt", "pods.json", "speaker.log", "wire.pcap")
    )
    return replace(
        passed, outcome=Outcome.FAILED, reason=finding.summary, findings=(finding,), evidence=evidence
    )


def _past(checks: tuple[CheckResult, ...], runs: int, draw: random.Random) -> HistoryView:
    earlier = tuple(
        EarlierRun(id=f"made-up-{number}", finished=_time(number), verdict=Verdict.PASSED)
        for number in range(runs)
    )
    outcomes = (Outcome.PASSED, Outcome.PASSED, Outcome.PASSED, Outcome.FAILED, None)
    changed = tuple(
        Change(check=one.id, before=Outcome.PASSED, after=Outcome.FAILED, reason=one.reason)
        for one in checks[:: 20 * 4]
    )
    return HistoryView(
        runs=earlier,
        comparison=Comparison(against="the previous run", run=earlier[-1], newly_failing=changed)
        if earlier
        else None,
        strips={one.id: tuple(draw.choice(outcomes) for _ in earlier) for one in checks},
        trends={
            (one.id, name): tuple(draw.random() * 3 for _ in earlier)
            for one in checks
            for name in one.measurements
        },
        standings=tuple(_validated(one, runs) for one in checks),
        as_of=_time(runs),
    )


def _validated(check: CheckResult, runs: int) -> Standing:
    failed = check.outcome is Outcome.FAILED
    state: dict[str, Any] = {"failures": 3, "since": _time(runs - 3)} if failed else {}
    return Standing(
        cluster="made-up",
        check=check.id,
        title=check.title,
        runbook=check.runbook,
        metallb_version="0.16.2",
        kubernetes_version="v1.35.4",
        last_at=_time(runs),
        last_outcome=check.outcome,
        validated_at=_time(runs - 4 if failed else runs),
        **state,
    )


def _time(run: int) -> str:
    return f"{_BEGAN + timedelta(days=run):%Y-%m-%dT%H:%M:%SZ}"


if __name__ == "__main__":
    raise SystemExit(main())
