"""One lab for all faults; each test mends what it broke, and the next one begins only when all is well."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters import budgets, wait
from clusters.api import Api
from clusters.changes import Changes
from clusters.journal import Journal
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.workloads.metallb_control import MetalLB
from tests.faults.bench import ROOT, Bench


def pytest_itemcollected(item: pytest.Item) -> None:
    """One process for all of these: one lab at a time, of the three that the kernel's inotify instances do for."""
    item.add_marker(pytest.mark.xdist_group("faults"))


@pytest.fixture(scope="package")
def faulty_lab() -> Iterator[Lab]:
    """A lab that faults are made in."""
    name = f"f{os.getpid()}"
    try:
        yield life.up(LabOptions(name=name))
    finally:
        life.down(name)


@pytest.fixture(scope="package")
def profile_file(faulty_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped profile of the lab, under this lab's name."""
    shipped = yaml.safe_load((ROOT / "clusters/profiles/lab.yaml").read_text())
    shipped["name"] = faulty_lab.name
    shipped["lab"]["overlay"] = str(ROOT / "examples/platform/metallb/overlays/lab")
    if "gitops" in shipped:
        shipped["gitops"]["repository"] = str(ROOT / "examples/platform")
    path = tmp_path_factory.mktemp("profile") / f"{faulty_lab.name}.yaml"
    path.write_text(yaml.safe_dump(shipped))
    return path


@pytest.fixture
def bench(faulty_lab: Lab, profile_file: Path, tmp_path: Path) -> Iterator[Bench]:
    """The lab, healthy, and what it is broken with; what a test breaks is mended at its end."""
    api = Api.connect(faulty_lab.kubeconfig, faulty_lab.name)
    # A journal of the bench's own: a run must not take the fault for what an earlier run left behind.
    # It is a label's value too, and so may not end in a sign.
    run = re.sub(r"[^a-z0-9]+", "-", f"bench-{os.getpid()}-{tmp_path.name}".lower())[:40].strip("-")
    journal = Journal.for_run(run, cluster=f"{faulty_lab.name}-bench")
    journal.identify(uid=api.uid(), kubeconfig=str(faulty_lab.kubeconfig), context=faulty_lab.name)
    changes = Changes(api, journal, run)
    metallb = MetalLB(api, changes, "metallb-system")
    try:
        yield Bench(faulty_lab, api, changes, metallb, profile_file, tmp_path)
    finally:
        changes.undo_all()
        metallb.speakers_ready()
        metallb.controller_ready()
        wait.until(
            "no component of the lab is dead",
            read=faulty_lab.problems,
            accept=lambda problems: not problems,
            budget=budgets.get(budgets.API_BACK),
        )
