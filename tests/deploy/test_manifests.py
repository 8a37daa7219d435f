"""deploy/cluster and deploy/sharded as kubectl renders them, and what the image's command makes of its settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import __version__
from clusters.lab.parts.provisioning import ensure

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/nightly-in-a-cluster.md").read_text()


def rendered(folder: Path) -> list[dict[str, Any]]:
    kubectl = ensure(only=["kubectl"]).binary("kubectl")
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def pod_of(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The pod of the one Job, of the one CronJob that runs the suite, or, for "sweep", of the one that undoes."""
    objects = [one for one in objects if one["metadata"]["name"].endswith("-sweep") == (kind == "sweep")]
    kind = "CronJob" if kind == "sweep" else kind
    (found,) = [one["spec"] for one in objects if one["kind"] == kind]
    template = found["jobTemplate"]["spec"] if kind == "CronJob" else found
    spec: dict[str, Any] = template["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("cluster", "CronJob"), ("cluster", "sweep"), ("sharded", "CronJob"), ("sharded", "Job")],
)
def test_a_pod_may_do_nothing_but_run_the_suite(folder: str, kind: str) -> None:
    objects = rendered(ROOT / "deploy" / folder)
    pod = pod_of(objects, kind)

    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    accounts = {one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount"}
    assert pod["serviceAccountName"] in accounts
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    (profile,) = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    assert profile in maps


def test_the_sweep_finds_what_runs_leave_and_never_begins_by_itself() -> None:
    objects = rendered(ROOT / "deploy/cluster")
    (cron,) = [one["spec"] for one in objects if one["metadata"]["name"] == "metallb-conformance-sweep"]
    (container,) = pod_of(objects, "sweep")["containers"]

    assert cron["suspend"] is True
    assert [*container["command"], *container["args"]] == [
        "python", "-m", "clusters.sweep", "--cluster", "/etc/metallb-conformance/profile.yaml",
    ]  # fmt: skip
    state = {one["name"]: one["value"] for one in container["env"]}["METALLB_CONFORMANCE_STATE"]
    assert f"$RESULTS{state.removeprefix('/results')}" in (ROOT / "deploy/cluster/run.sh").read_text()
    assert pod_of(objects, "sweep")["volumes"] == [
        one | ({"emptyDir": {"sizeLimit": "64Mi"}} if one["name"] == "tmp" else {})
        for one in pod_of(objects, "CronJob")["volumes"]
    ]


def test_the_overlay_of_the_page_is_one_that_kubectl_renders(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(# kustomization\.yaml\n.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "own").mkdir()
    (tmp_path / "metallb-conformance").mkdir()
    shutil.copytree(ROOT / "deploy", tmp_path / "metallb-conformance" / "deploy")
    more, account = re.findall(r"```yaml\n# in kustomization\.yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "own" / "kustomization.yaml").write_text(text + more + account.removeprefix("patches:\n"))
    mine = (ROOT / "deploy/cluster/profile.yaml").read_text().replace("name: in-cluster", "name: homelab")
    (tmp_path / "own" / "profile.yaml").write_text(mine)

    objects = rendered(tmp_path / "own")

    pod = pod_of(objects, "CronJob")
    assert pod["containers"][0]["image"] == f"registry.example/metallb-conformance:{__version__}"
    accounts = {pod_of(objects, each)["serviceAccountName"] for each in ("CronJob", "sweep")}
    assert accounts == {"metallb-conformance-create"}
    (policy,) = [one["spec"] for one in objects if one["kind"] == "NetworkPolicy"]
    dns, server, gateway = policy["egress"]
    assert {port["port"] for rule in (dns, server, gateway) for port in rule["ports"]} == {
        53,
        443,
        6443,
        9091,
    }
    assert all(rule["to"] for rule in policy["egress"])
    (profile,) = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    (data,) = [one["data"] for one in objects if one["metadata"]["name"] == profile]
    assert "name: homelab" in data["profile.yaml"]
