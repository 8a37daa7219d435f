"""The end of a run at any moment: the cluster is as it was, objects, addresses and owners.

After SIGKILL it is so when somebody has swept; a run that is told to end, or has lost its terminal, undoes by itself.

Each kill is drawn by a seeded generator: which check runs, and when the run dies; some kills come before preflight
is over, and some sweeps are killed as well and swept again. `make kill-test` draws fifty.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clusters import journal, wait
from clusters.api import Api
from clusters.budgets import Budget
from clusters.changes import leftovers
from clusters.errors import ExitCode
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.vantage import NetnsVantage, Vantage
from tests.lab import whole
from tests.lab.tools import ROOT

AS_IT_WAS = Budget(
    name="test.as-it-was", within=150, every=1.0,
    reason="A lost node is Ready again, speakers meet again after up to 60 s, pools count, on a busy machine.",
)  # fmt: skip
BEGUN = 300
CREATE = (
    "allocation.automatic", "allocation.conflict", "allocation.exhausted", "allocation.released",
    "allocation.shared", "announcement.withdrawn", "announcement.local-policy",
)  # fmt: skip
DISRUPT = (
    "failover.speaker-deleted", "failover.speaker-killed", "failover.node-lost", "failover.node-excluded",
    "failover.controller-restart",
)  # fmt: skip


#: What a run is told to end by, once and again.
DEATHS = {
    "hang-up": [signal.SIGHUP],
    "hang-up, then a scheduler": [signal.SIGHUP, signal.SIGTERM, signal.SIGTERM],
    "nobody reads": [signal.SIGTERM, signal.SIGHUP],
    "three times Ctrl-C": [signal.SIGINT] * 3,
}


@dataclass
class Stage:
    """A lab, a profile that leads to it, and how it looked before anything was killed."""

    name: str
    api: Api
    vantage: Vantage
    profile: Path
    folder: Path
    rng: random.Random
    before: dict[str, Any] = field(default_factory=dict)
    dirty: int = 0

    def look(self) -> dict[str, Any]:
        return whole.objects(self.api) | whole.owners(self.api, self.vantage)

    def pytest(self, check: str, level: str) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-u", "-m", "pytest", "suites", "--cluster", str(self.profile), "--allow", level,
            "-k", check, "--report-dir", str(self.folder / "report"), "-p", "no:cacheprovider",
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def sweep(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "clusters.sweep", "--cluster", str(self.profile)]
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def killed(self, check: str, level: str) -> str:
        """Run one check and kill the run; what it printed."""
        run = self.pytest(check, level)
        printed = []
        if self.rng.random() < 0.9:
            printed = _until(run, "preflight passed")
            threading.Event().wait(self.rng.uniform(0, 9))
        else:
            threading.Event().wait(self.rng.uniform(0, 4))
        run.send_signal(signal.SIGKILL)
        return "".join(printed) + (run.communicate()[0] or "")

    def ended(self, check: str, level: str, death: str) -> tuple[str, int]:
        """Run one check and tell the run to end, more than once; what it printed, and how much it had changed."""
        run = self.pytest(check, level)
        printed = _until(run, "preflight passed")
        wait.until(
            "something is changed",
            read=lambda: _written(self.name) or run.poll() is not None,
            accept=bool,
            budget=AS_IT_WAS,
        )
        threading.Event().wait(self.rng.uniform(0, 6))
        changed = _written(self.name)
        if death == "nobody reads":
            assert run.stdout is not None
            run.stdout.close()
        for number in DEATHS[death]:
            run.send_signal(number)
            threading.Event().wait(self.rng.uniform(0.2, 2))
        if death != "nobody reads":
            printed.append(run.communicate(timeout=300)[0] or "")
        run.wait(300)
        return "".join(printed), changed

    def left(self) -> int:
        return sum(len(each.pending()) for each in leftovers.of_dead_processes(self.name))

    def swept(self) -> str:
        """Sweep, now and then with a sweep that is killed first; what the whole one printed."""
        if self.rng.random() < 0.25:
            first = self.sweep()
            threading.Event().wait(self.rng.uniform(0.3, 2.5))
            first.send_signal(signal.SIGKILL)
            first.communicate()
        last = self.sweep()
        printed = last.communicate(timeout=240)[0]
        assert last.returncode == 0, printed
        return printed

    def one(self, check: str, level: str) -> None:
        """One kill and its sweep, and the comparison."""
        printed = self.killed(check, level)
        left = self.left()
        self.dirty += left > 0
        swept = self.swept()
        told = (
            f"{check} at {level}, {left} changes left\n--- the run\n{printed[-3000:]}\n--- the sweep\n{swept}"
        )
        self.compare(told)

    def compare(self, told: str) -> None:
        """See that the cluster is as it was."""
        try:
            wait.until(
                "the cluster is as it was",
                read=lambda: whole.differences(self.before, self.look()),
                accept=lambda found: not found,
                budget=AS_IT_WAS,
            )
        except wait.NotWithinBudget as late:
            pytest.fail(f"{late}\n{told}")

    def one_ended(self, check: str, level: str, death: str) -> None:
        """One run that is told to end: nothing is left to sweep, and the cluster is as it was."""
        printed, changed = self.ended(check, level, death)
        self.dirty += changed > 0
        assert self.left() == 0, printed
        self.compare(f"{check} at {level}, {death}\n{printed[-3000:]}")


def _until(run: subprocess.Popen[str], words: str) -> list[str]:
    assert run.stdout is not None
    late = threading.Timer(BEGUN, run.kill)
    late.start()
    printed = []
    for line in run.stdout:
        printed.append(line)
        if words in line:
            break
    else:
        run.wait()
        pytest.fail(f"the run never said {words!r}:\n{''.join(printed)}")
    late.cancel()
    return printed


@pytest.fixture(scope="module")
def lab(as_root: None) -> Iterator[Lab]:
    """A lab of its own: where another test has just cut a node's power, pods go on changing for a minute."""
    name = f"t{os.getpid()}-kills"
    try:
        yield life.up(LabOptions(name=name))
    finally:
        life.down(name)


@pytest.fixture
def stage(lab: Lab, tmp_path: Path) -> Iterator[Stage]:
    profile = tmp_path / "kills.yaml"
    profile.write_text(
        f"name: {lab.name}\nprovider: lab\ndisposable: true\nallow: disrupt\n"
        "spare_addresses: [172.30.0.230-172.30.0.239]\n"
    )
    api = Api.connect(lab.kubeconfig, lab.name)
    with NetnsVantage(lab.client.netns) as vantage:
        made = Stage(
            name=lab.name, api=api, vantage=vantage, profile=profile, folder=tmp_path, rng=random.Random(11)
        )
        macs = {node.name: node.interfaces[0].mac for node in lab.nodes}
        wait.until(
            "the cluster is at rest",
            read=lambda: whole.unsettled(api, vantage, macs),
            accept=lambda found: not found,
            budget=AS_IT_WAS,
        )
        made.before = made.look()
        yield made


def level_of(check: str) -> str:
    return "disrupt" if check in DISRUPT else "create"


def test_after_a_kill_at_any_moment_a_sweep_leaves_the_cluster_as_it_was(stage: Stage) -> None:
    for check in (stage.rng.choice(CREATE), *stage.rng.sample(DISRUPT, 2)):
        stage.one(check, level_of(check))
    assert stage.dirty > 0, "no kill came in the middle of a change, so nothing was shown"


def test_a_run_that_is_told_to_end_leaves_nothing_to_sweep(stage: Stage) -> None:
    for death in ("hang-up, then a scheduler", "nobody reads"):
        check = stage.rng.choice(DISRUPT)
        stage.one_ended(check, level_of(check), death)
    assert stage.dirty > 0, "no run was in the middle of a change, so nothing was shown"


@pytest.mark.full
def test_after_twenty_runs_that_were_told_to_end_the_cluster_is_as_it_was(stage: Stage) -> None:
    stage.rng.seed(20)
    for number in range(20):
        check, death = stage.rng.choice((*CREATE, *DISRUPT, *DISRUPT)), stage.rng.choice(list(DEATHS))
        stage.one_ended(check, level_of(check), death)
        sys.stdout.write(f"end {number + 1}: {check}, {death}, {stage.dirty} dirty so far\n")
    assert stage.dirty >= 10, "most ends came when nothing was changed, so little was shown"


@pytest.mark.full
def test_after_fifty_kills_the_cluster_is_as_it_was(stage: Stage) -> None:
    stage.rng.seed(50)
    for number in range(50):
        check = stage.rng.choice((*CREATE, *DISRUPT, *DISRUPT))
        stage.one(check, level_of(check))
        sys.stdout.write(f"kill {number + 1}: {check}, {stage.dirty} dirty so far\n")
    assert stage.dirty >= 25, "most kills came when nothing was changed, so little was shown"


def test_the_next_run_offers_the_sweep_and_starts_nothing(stage: Stage) -> None:
    run = stage.pytest("failover.node-excluded", "disrupt")
    _until(run, "preflight passed")
    wait.until(
        "something is changed", read=lambda: _written(stage.name), accept=lambda n: n > 0, budget=AS_IT_WAS
    )
    run.send_signal(signal.SIGKILL)
    run.communicate()

    again = stage.pytest("failover.node-excluded", "disrupt")
    printed, _ = again.communicate(timeout=120)

    assert again.returncode == ExitCode.REFUSED, printed
    assert f"Undo them: python -m clusters.sweep --cluster {stage.profile}" in printed
    assert "holds the cluster" not in printed
    stage.swept()
    wait.until(
        "the cluster is as it was",
        read=lambda: whole.differences(stage.before, stage.look()),
        accept=lambda found: not found,
        budget=AS_IT_WAS,
    )


def _written(name: str) -> int:
    """How many changes the journals of a lab have, beside the Lease on it."""
    paths = journal.folder_for(name).glob("*.jsonl")
    return max(0, sum(len(journal.Journal.load(path).pending()) for path in paths) - 1)
