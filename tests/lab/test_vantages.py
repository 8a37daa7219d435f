"""Whole runs from other places than the lab's usual one: as a user without rights, and through a router as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters.api import Api
from clusters.changes import Changes
from clusters.faults import lab_hosts
from clusters.journal import Journal
from clusters.lab.lab import Lab
from tests.lab.tools import ROOT

NOBODY = "65534"
API_PORT = 6443


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may enter and write into."""
    with tempfile.TemporaryDirectory(prefix="mlt", dir="/tmp") as text:
        Path(text).chmod(0o777)
        yield Path(text)


def kubeconfig(lab: Lab, folder: Path) -> Path:
    """The lab's, by the address that hosts on its network reach the API server at."""
    content = json.loads(lab.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = f"https://{lab.nodes[0].addresses[0]}:{API_PORT}"
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    path.chmod(0o644)
    return path


def run(*prefix: str, profile: dict[str, Any], folder: Path, arguments: tuple[str, ...]) -> dict[str, Any]:
    """One run of the suites; its results."""
    path = folder / "profile.yaml"
    path.write_text(json.dumps(profile))
    path.chmod(0o644)
    command = [
        *prefix, sys.executable, "-m", "pytest", "suites", "--cluster", str(path), "--report-dir",
        str(folder / "report"), "--history", str(folder / "history.db"), "-p", "no:cacheprovider", *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(folder), "METALLB_CONFORMANCE_STATE": str(folder / "state")}
    if not prefix:
        environment = {**os.environ}
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500, env=environment
    )
    results = folder / "report" / "results.json"
    assert results.exists(), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(results.read_text())
    return found


def outcomes(results: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["id"]: (one["outcome"], one.get("reason", "")) for one in results["checks"]}


@pytest.mark.full  # without privilege the probe cannot run before other processes, and a busy machine blurs it
def test_an_ordinary_user_on_the_segment_measures_a_failover(lab: Lab, folder: Path) -> None:
    enter = ("nsenter", f"--net=/run/netns/{lab.client.netns}")
    ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs")
    # The right to look into folders, for this Python may lie in one of root's; none that has to do with networks.
    search = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    drop = ("setpriv", *ids, *search)
    profile = {
        "name": "ordinary", "provider": "existing", "context": lab.name, "disposable": True, "allow": "disrupt",
        "kubeconfig": str(kubeconfig(lab, folder)), "vantage": "host",
        "spare_addresses": ["172.30.0.230-172.30.0.239"],
    }  # fmt: skip
    chosen = "traffic or failover.speaker-deleted or failover.node-excluded or announcement"

    results = run(
        *enter, *drop, profile=profile, folder=folder, arguments=("--allow", "disrupt", "-k", chosen)
    )

    seen = outcomes(results)
    passed = (
        "failover.speaker-deleted", "failover.node-excluded", "announcement.answered", "announcement.local-policy",
        "traffic.owner-agreed", "traffic.l2-segment", "traffic.no-squatter",
    )  # fmt: skip
    assert {check: seen[check] for check in passed} == dict.fromkeys(passed, ("passed", ""))
    for check in ("traffic.single-announcer", "announcement.gratuitous", "announcement.withdrawn"):
        assert seen[check][0] == "inconclusive"
        assert "raw sockets" in seen[check][1]
    (moved,) = (one for one in results["checks"] if one["id"] == "failover.node-excluded")
    assert "address moved after" in moved["measurements"]
    assert "two nodes answering" not in moved["measurements"]
    assert "it was not seen whether two machines answered at once" in "".join(moved["evidence"])


def test_what_is_lost_on_the_way_through_the_router_alone_is_told(lab: Lab, folder: Path) -> None:
    profile = {"name": lab.name, "provider": "lab", "disposable": True, "allow": "disrupt"}
    changes = Changes(
        Api.connect(lab.kubeconfig, lab.name), Journal.for_run("routes", cluster="routes"), "routes"
    )

    well = run(profile=profile, folder=folder, arguments=("-k", "traffic"))
    with lab_hosts.without_default_route(changes, lab, lab.remote.name):
        lost = run(profile=profile, folder=folder, arguments=("-k", "traffic"))
    changes.undo_all()

    assert outcomes(well)["traffic.routed"] == ("passed", "")
    (routed,) = (one for one in lost["checks"] if one["id"] == "traffic.routed")
    assert [finding["cause"] for finding in routed["findings"]] == ["not-routed"]
    failed = {one["id"]: one["findings"] for one in lost["checks"] if one["outcome"] == "failed"}
    assert failed == {"traffic.routed": routed["findings"]}
