"""From a kubeconfig to a verdict in three commands: init writes a profile, run passes with it, why reads the paths."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters.errors import ExitCode
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.providers.lab_cluster import metrics_answer
from metallb_conformance.command import main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lab(as_root: None) -> Iterator[Lab]:
    name = f"fc{os.getpid()}"
    try:
        made = life.up(LabOptions(name=name))
        metrics_answer(made, "metallb-system", pods=len(made.nodes) + 1)
        yield made
    finally:
        life.down(name)


@pytest.fixture
def profile(lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """What init prints of the lab, with the vantage that this machine is not."""
    assert main(["init", "--kubeconfig", str(lab.kubeconfig), "--context", lab.name]) == ExitCode.PASSED
    shown = capsys.readouterr()
    assert shown.err == ""
    found = yaml.safe_load(shown.out)
    assert found["pools"] == [{"name": "metallb-pool", "addresses": ["172.30.0.200-172.30.0.220"]}]
    assert [each["service"] for each in found["consumers"]] == ["traefik/traefik"]
    assert "# vantage: ssh:HOST" in shown.out  # this machine is not on the segment of the addresses
    path = tmp_path / "profile.yaml"
    path.write_text(f"{shown.out}\nvantage: netns:{lab.client.netns}\n")
    return path


def test_a_run_with_the_profile_that_init_wrote_passes(profile: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "metallb_conformance",
        "run",
        str(profile),
        "--report-dir",
        str(tmp_path / "run"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert done.returncode == ExitCode.PASSED, done.stdout[-3000:]
    outcomes = {check["outcome"] for check in results["checks"]}
    assert outcomes <= {"passed", "not_supported"}
    reasons = {each["reason"] for each in results["not_tested"]}
    assert any("GitOps repository" in reason for reason in reasons)


def test_a_machine_that_is_no_linux_does_the_same_but_for_the_wire(lab: Lab, tmp_path: Path) -> None:
    def elsewhere(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, ROOT / "tests" / "without_linux.py", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    printed = elsewhere("init", "--kubeconfig", lab.kubeconfig, "--context", lab.name)
    assert printed.returncode == ExitCode.PASSED, printed.stderr
    (profile := tmp_path / "profile.yaml").write_text(printed.stdout)
    assert elsewhere("what-if", profile, "--without-node", lab.nodes[0].name).returncode == ExitCode.PASSED
    read = elsewhere("why", profile, "shop/web")
    assert read.returncode == ExitCode.INCOMPLETE, read.stdout + read.stderr
    assert "verdict: no link is broken; not known: route, answer" in read.stdout
    run = elsewhere("run", profile, "--report-dir", tmp_path / "run")
    assert run.returncode == ExitCode.INCOMPLETE, run.stdout[-3000:]
    outcomes = {
        check["outcome"] for check in json.loads((tmp_path / "run" / "results.json").read_text())["checks"]
    }
    assert outcomes == {"passed", "not_supported", "inconclusive"}


def test_why_reads_both_paths_of_a_service(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", str(profile), "shop/web"]) == ExitCode.PASSED
    shown = capsys.readouterr().out
    assert "verdict: no link is broken" in shown

    assert main(["why", str(profile)]) == ExitCode.PASSED
    assert capsys.readouterr().out == "No service is in trouble.\n"


def test_what_if_foretells_where_the_addresses_of_a_node_go(
    lab: Lab, profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [node.name for node in lab.nodes]
    everywhere = [word for node in nodes for word in ("--exclude", node)]

    assert main(["what-if", str(profile), "--without-node", nodes[0]]) == ExitCode.PASSED
    assert "addresses stay as they are." in capsys.readouterr().out
    assert main(["what-if", str(profile), *everywhere]) == ExitCode.FAILED
    assert "nobody would announce it" in capsys.readouterr().out


def test_doctor_says_what_is_there(profile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(profile)]) == ExitCode.PASSED
    shown = capsys.readouterr().out
    assert "yes  cluster" in shown
    assert "yes  vantage" in shown
