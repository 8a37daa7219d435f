"""Runs against a lab whose API server gets into trouble at any moment: everything is undone all the same.

What the checks say of it does not matter here. The trouble is a proxy's, in front of the lab's API server: it is too
busy, knows nobody, fails, cuts connections and answers, or drips, for seconds at a time, and is well in between.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import journal, wait
from clusters.api import Api
from clusters.changes import leftovers
from clusters.errors import ExitCode
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.vantage import NetnsVantage
from tests.api import faulty
from tests.api.faulty import Front
from tests.lab import whole
from tests.lab.test_killed_runs import AS_IT_WAS
from tests.lab.tools import ROOT

CHECKS = (
    "allocation.automatic",
    "allocation.released",
    "failover.speaker-deleted",
    "failover.controller-restart",
)
TROUBLES = (
    faulty.too_busy(1), faulty.too_busy(30), faulty.not_known, faulty.broken, faulty.cut, faulty.half,
    faulty.garbled, faulty.dripping,
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(as_root: None) -> Iterator[Lab]:
    name = f"t{os.getpid()}-troubled"
    try:
        yield life.up(LabOptions(name=name))
    finally:
        life.down(name)


@pytest.fixture
def front(lab: Lab, tmp_path: Path) -> Iterator[Front]:
    with faulty.front(lab.kubeconfig, tmp_path / "front") as made:
        yield made


def in_trouble(front: Front, rng: random.Random, end: threading.Event) -> None:
    """One trouble after the other until the end, with a while between them in which all is well."""
    seconds = 0.0
    while not end.wait(seconds + rng.uniform(0.5, 4)):
        seconds = rng.uniform(1, 12)
        front.trouble(rng.choice(TROUBLES), seconds)


def troubled(
    front: Front, lab: Lab, folder: Path, *, rng: random.Random, check: str
) -> subprocess.CompletedProcess[str]:
    profile = folder / "troubled.yaml"
    profile.write_text(
        f"name: {lab.name}\nprovider: existing\nkubeconfig: {front.kubeconfig}\ncontext: {lab.name}\n"
        f"vantage: netns:{lab.client.netns}\ndisposable: true\nallow: disrupt\n"
        "spare_addresses: [172.30.0.230-172.30.0.239]\n"
    )
    command = [
        sys.executable, "-u", "-m", "pytest", "suites", "--cluster", str(profile), "--allow", "disrupt",
        "-k", check, "--report-dir", str(folder / "report"), "-p", "no:cacheprovider",
    ]  # fmt: skip
    end = threading.Event()
    trouble = threading.Thread(target=in_trouble, args=(front, rng, end))
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        printed = []
        for line in run.stdout:
            printed.append(line)
            if "preflight passed" in line:
                trouble.start()
    end.set()
    assert trouble.ident is not None, "".join(printed)
    trouble.join()
    front.trouble(faulty.broken, 0.0)
    return subprocess.CompletedProcess(command, run.returncode, "".join(printed))


def compare(lab: Lab, front: Front, folder: Path, *, rounds: int) -> None:
    rng = random.Random(rounds)
    api = Api.connect(lab.kubeconfig, lab.name)
    with NetnsVantage(lab.client.netns) as vantage:
        macs = {node.name: node.interfaces[0].mac for node in lab.nodes}
        wait.until(
            "the cluster is at rest",
            read=lambda: whole.unsettled(api, vantage, macs),
            accept=lambda found: not found,
            budget=AS_IT_WAS,
        )

        def look() -> dict[str, object]:
            return whole.objects(api) | whole.owners(api, vantage)

        before = look()
        for number in range(rounds):
            check = CHECKS[number % len(CHECKS)]
            done = troubled(front, lab, folder, rng=rng, check=check)
            sys.stdout.write(f"run {number + 1}: {check}, exit code {done.returncode}\n")
            assert done.returncode not in (ExitCode.CLEANUP_FAILED, ExitCode.REFUSED), done.stdout
            assert {method for method, _, _ in front.asked} >= {"POST", "DELETE"}, done.stdout
            front.asked.clear()
            assert leftovers.of_cluster(lab.name) == [], done.stdout
            assert "Traceback" not in done.stdout, done.stdout
            wait.until(
                "the cluster is as it was",
                read=lambda: whole.differences(before, look()),
                accept=lambda found: not found,
                budget=AS_IT_WAS,
            )


def test_a_run_in_trouble_undoes_everything(lab: Lab, front: Front, tmp_path: Path) -> None:
    compare(lab, front, tmp_path, rounds=2)
    assert not list(journal.folder_for(lab.name).glob("*.jsonl"))


@pytest.mark.full
def test_twenty_runs_in_trouble_undo_everything(lab: Lab, front: Front, tmp_path: Path) -> None:
    compare(lab, front, tmp_path, rounds=20)
