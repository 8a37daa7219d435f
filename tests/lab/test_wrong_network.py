"""The only pool is for another network than the nodes: a run that looks says so, and one that makes is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clusters import wait
from clusters.errors import ExitCode
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from tests.lab.tools import ROOT, SOON, Kubectl

FAR = "10.77.0.10-10.77.0.20"
NEAR = "172.30.0.200-172.30.0.220"


def suites(lab: Lab, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A whole run against the lab, by a profile that means the pool to be where the nodes are."""
    profile = folder / "wrong-network.yaml"
    profile.write_text(
        f"name: {lab.name}\nprovider: lab\ndisposable: true\nallow: disrupt\n"
        f"pools: [{{name: metallb-pool, addresses: [{NEAR}]}}]\n"
    )
    command = [
        sys.executable, "-m", "pytest", "suites", "--cluster", str(profile), "--report-dir", str(folder / "report"),
        "-p", "no:cacheprovider", *more,
    ]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.variants
def test_a_pool_on_another_network_is_a_finding_with_a_page(lab_name: str, tmp_path: Path) -> None:
    lab = life.up(LabOptions(name=lab_name, nodes=1))
    kubectl = Kubectl(lab)
    kubectl.ok(
        "-n", "metallb-system", "patch", "ipaddresspool", "metallb-pool", "--type", "merge", "-p",
        json.dumps({"spec": {"addresses": [FAR]}}),
    )  # fmt: skip
    wait.until(
        "MetalLB gives addresses of the other network",
        read=lambda: kubectl.ok(
            "-n", "shop", "get", "service", "web", "-o", "jsonpath={.status.loadBalancer}"
        ),
        accept=lambda found: "10.77.0." in found,
        budget=SOON,
    )

    looked = suites(lab, tmp_path)
    made = suites(lab, tmp_path, "--allow", "create", "--report-dir", str(tmp_path / "made"))

    assert looked.returncode == ExitCode.FAILED, looked.stdout
    assert "is on the segment of no pool" in looked.stdout
    assert (tmp_path / "report" / "report.html").is_file()
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    found = {
        (check["id"], finding["cause"], finding["subject"])
        for check in results["checks"]
        for finding in check["findings"]
    }
    assert ("traffic.l2-segment", "wrong-segment", "pool metallb-pool") in found
    assert ("health.config-present", "pool-not-intended", "pool metallb-pool") in found

    assert made.returncode == ExitCode.REFUSED, made.stdout
    assert "is not on the segment of the pools' addresses (10.77.0.15: " in made.stdout
