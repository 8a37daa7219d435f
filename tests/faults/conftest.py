"""One lab for all faults; each test mends what it broke, and the next one begins only when all is well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from tests.faults.bench import ROOT, Bench, opened_bench


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
    with opened_bench(faulty_lab, profile_file, tmp_path) as found:
        yield found
