"""The suite as pods of a real cluster: what deploy/cluster and deploy/sharded make, with the image of this checkout.

Slow, for the image is built first: `make in-cluster` runs it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from clusters import wait
from clusters.budgets import Budget
from clusters.checks import Need
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.lab_state import LabPaths
from clusters.lab.plan import LabOptions
from clusters.providers.lab_cluster import metrics_answer
from reports.__main__ import main as reports
from suites.plugin.declare import load
from tests.deploy import image
from tests.deploy.image import ROOT
from tests.lab.tools import Kubectl

pytestmark = pytest.mark.full

NODE = "node2"
NAMESPACE = "metallb-conformance"
PARTS = "metallb-conformance-parts"
ENDED = Budget(name="test.job_ended", within=300, every=0.5, reason="a run in a pod takes seconds when idle")
BEGUN = Budget(name="test.part_begun", within=180, every=0.02, reason="a pod starts, and Python with it")
#: A folder that the lab's node shares with the machine. It takes the place of the volume, which needs a provisioner.
SHARED = "kubelet/conformance-results"
USER = 65532
ACCOUNT = "system:serviceaccount:metallb-conformance:metallb-conformance-observe"


@dataclass(frozen=True)
class InCluster:
    """A lab with everything applied, and the folder where runs leave their files."""

    lab: Lab
    kubectl: Kubectl
    results: Path

    def do(self, *arguments: str, given: str | None = None) -> str:
        done = self.kubectl("--namespace", NAMESPACE, *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def job(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.do("get", "job", name, "-o", "json"))
        return found

    def ended(self, name: str) -> str:
        """Wait until a job has ended; how it did: Complete or Failed."""

        def how() -> str:
            conditions = self.job(name).get("status", {}).get("conditions", [])
            return next(
                (
                    one["type"]
                    for one in conditions
                    if one["type"] in {"Complete", "Failed"} and one["status"] == "True"
                ),
                "",
            )

        return wait.until(f"job {name} has ended", read=how, accept=bool, budget=ENDED)

    def log(self, name: str) -> str:
        return self.do("logs", "--selector", f"job-name={name}", "--tail=200")

    def run(self, name: str) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((self.results / name / "results.json").read_text())
        return data


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InCluster]:
    if os.geteuid() != 0:
        pytest.fail("needs root")
    place = tmp_path_factory.mktemp("in-cluster")
    archive = image.built(place / "image.tar")
    name = f"d{os.getpid()}"
    try:
        lab = life.up(LabOptions(name=name))
        image.imported(archive, lab, NODE)
        archive.unlink()
        results = LabPaths(name).host(NODE).lib / SHARED
        results.mkdir()
        results.chmod(0o777)
        found = InCluster(lab=lab, kubectl=Kubectl(lab), results=results)
        overlay = written_overlay(place)
        rendered = found.do("kustomize", str(overlay))
        applied = found.kubectl("apply", "-f", "-", given=rendered)
        assert applied.returncode == 0, applied.stderr
        metrics_answer(lab, "metallb-system", pods=len(lab.nodes) + 1)
        yield found
    finally:
        life.down(name)


def written_overlay(place: Path) -> Path:
    """An overlay as docs/nightly-in-a-cluster.md has it, for a lab without a provisioner of volumes."""
    folder = place / "overlay"
    folder.mkdir()
    # The namespace takes restricted pods alone, and they mount no folder of a node: the claim is bound to one.
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "conformance-results"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "by-hand",
            "hostPath": {"path": f"/var/lib/{SHARED}", "type": "Directory"},
        },
    }
    (folder / "volume.yaml").write_text(yaml.safe_dump(volume))
    bound = [{"op": "add", "path": "/spec/storageClassName", "value": "by-hand"}]

    def patched(template: str) -> str:
        return yaml.safe_dump([{"op": "add", "path": f"{template}/nodeName", "value": NODE}])

    suspended = yaml.safe_dump([{"op": "add", "path": "/spec/suspend", "value": True}])
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(ROOT / "deploy" / "sharded", folder), "volume.yaml"],
        "images": [{"name": image.REFERENCE.partition(":")[0], "newTag": image.REFERENCE.partition(":")[2]}],
        "patches": [
            {"target": {"kind": "PersistentVolumeClaim"}, "patch": yaml.safe_dump(bound)},
            {"target": {"kind": "CronJob"}, "patch": patched("/spec/jobTemplate/spec/template/spec")},
            {"target": {"kind": "Job"}, "patch": patched("/spec/template/spec")},
            # Each test begins what it needs.
            {"target": {"kind": "(CronJob|Job)"}, "patch": suspended},
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return folder


def test_the_image_has_what_a_run_calls_and_the_command(deployed: InCluster) -> None:
    del deployed  # it made the image
    printed = image.said(
        "id -u; git --version; ssh -V 2>&1; kubectl version --client; cd /tmp; mlc --version; "
        "metallb-conformance explain traffic.routed | head -1; "
        "find /opt/metallb-conformance/suites -name '*pytest*.pyc' | head -1"
    )

    user, git, ssh, *rest = printed.splitlines()
    assert (user, git[:11], ssh[:7]) == (str(USER), "git version", "OpenSSH")
    assert any(line.startswith("Client Version: v") for line in rest)
    assert any(line.startswith("metallb-conformance ") for line in rest)
    assert rest[-2].startswith("traffic.routed")
    assert rest[-1].endswith(".pyc")  # compiled when it was built


def test_a_nightly_run_in_a_pod_says_what_a_pod_can_know(deployed: InCluster) -> None:
    deployed.do("create", "job", "night", "--from=cronjob/metallb-conformance")

    assert deployed.ended("night") == "Complete", deployed.log("night")

    result = deployed.run("night")
    assert result["run"]["verdict"] == "passed"
    assert (result["run"]["cluster"], result["run"]["vantage"]) == ("in-cluster", "")
    decided = {check["id"] for check in result["checks"]}
    left_out = {one["id"] for one in result["not_tested"]}
    wire = {name for name, known in load(ROOT / "suites").items() if Need.WIRE in known.spec.needs}
    assert wire
    assert wire <= left_out
    assert not wire & decided
    assert len(decided) >= 15

    kept = json.loads(deployed.do("get", "configmap", "metallb-conformance-last", "-o", "json"))["data"]
    assert kept["verdict"] == "passed"
    assert kept["summary.md"] == (deployed.results / "night" / "summary.md").read_text()
    assert json.loads(kept["results.json"]) == result


def test_what_a_run_in_a_pod_leaves_is_its_user_s_alone(deployed: InCluster) -> None:
    """After the run of the test before; it was mounted with the most open folder that a provisioner makes."""
    found = {
        str(path.relative_to(deployed.results)): oct(path.stat().st_mode & 0o777)
        for path in deployed.results.rglob("*")
        if path.stat().st_mode & 0o077
    }

    assert found == {}


def test_a_run_in_a_pod_writes_to_its_one_object_alone(deployed: InCluster) -> None:
    """By the API server's audit log, after the run of the test before."""
    events = [json.loads(line) for line in deployed.lab.audit_log.read_text().splitlines()]
    mine = [event for event in events if event["user"]["username"] == ACCOUNT]
    asked = {"selfsubjectaccessreviews", "selfsubjectreviews"}

    writes = {
        (event["verb"], event["objectRef"]["resource"], event["objectRef"].get("name"))
        for event in mine
        if event["verb"] not in {"get", "list", "watch"}
        and event["objectRef"]["resource"] not in asked
        and "dryRun=All" not in event["requestURI"]  # MetalLB's webhook is asked, and nothing is kept
    }

    assert len(mine) > 20
    assert writes == {("patch", "configmaps", "metallb-conformance-last")}


def third_part() -> psutil.Process | None:
    """The process of the third part's run, as this machine sees it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if environment.get("RUN") == PARTS and environment.get("JOB_COMPLETION_INDEX") == "2":
                return process
    return None


def test_four_parts_are_one_run_although_one_was_killed_and_begun_anew(
    deployed: InCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.do("patch", "job", PARTS, "--patch", '{"spec": {"suspend": false}}')
    process = wait.until("the third part runs", read=third_part, accept=bool, budget=BEGUN)
    assert process is not None
    begun = deployed.results / f"{PARTS}.3" / "results.json"
    wait.until("it has begun to keep results", read=begun.exists, accept=bool, budget=BEGUN)
    process.kill()

    assert deployed.ended(PARTS) == "Complete", deployed.log(PARTS)

    status = deployed.job(PARTS)["status"]
    assert status["completedIndexes"] == "0-3"
    assert status["failed"] == 1  # the one that was killed, so it had not ended before
    selector = f"job-name={PARTS},batch.kubernetes.io/job-completion-index=2"
    assert len(deployed.do("get", "pods", "--selector", selector, "-o", "name").split()) == 2
    parts = [deployed.results / f"{PARTS}.{number}" for number in (1, 2, 3, 4)]
    assert reports(["merge", *map(str, parts), "-o", str(tmp_path / "whole")]) == 0
    whole = json.loads((tmp_path / "whole" / "results.json").read_text())
    ids = [check["id"] for check in whole["checks"]]
    assert len(ids) == len(set(ids))
    single = [json.loads((part / "results.json").read_text())["checks"] for part in parts]
    assert sorted(ids) == sorted(check["id"] for checks in single for check in checks)
    assert all(single)
    assert whole["run"]["verdict"] == "passed"
    assert whole["run"]["id"] == PARTS
    # The same checks as the run of one pod.
    assert set(ids) == {check["id"] for check in deployed.run("night")["checks"]}
