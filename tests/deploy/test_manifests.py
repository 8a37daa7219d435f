"""deploy/cluster and deploy/sharded as kubectl renders them, and what the image's command makes of its settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.lab.parts.making import ensure

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
    (tmp_path / "own" / "kustomization.yaml").write_text(text)
    mine = (ROOT / "deploy/cluster/profile.yaml").read_text().replace("name: in-cluster", "name: homelab")
    (tmp_path / "own" / "profile.yaml").write_text(mine)

    objects = rendered(tmp_path / "own")

    pod = pod_of(objects, "CronJob")
    assert pod["containers"][0]["image"] == "registry.example/metallb-conformance:1"
    (profile,) = [volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume]
    (data,) = [one["data"] for one in objects if one["metadata"]["name"] == profile]
    assert "name: homelab" in data["profile.yaml"]


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """The image's command, in a folder of its own, with a pytest and a Python that print what they are given."""
    for name in ("pytest", "python"):
        (tmp_path / name).write_text('#!/bin/sh\nfor each; do echo "$each"; done\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "results").mkdir()
    return Path(shutil.copy(ROOT / "deploy/cluster/run.sh", tmp_path / "run.sh"))


def told(command: Path, *arguments: str, **settings: str) -> list[str]:
    environment = {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "RESULTS": str(command.parent / "results"),
    }
    done = subprocess.run(
        [command, *arguments], env=environment | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def after(line: list[str], option: str) -> str:
    assert line.count(option) == 1, (option, line)
    return line[line.index(option) + 1]


def test_a_whole_run_is_named_after_its_job(command: Path) -> None:
    line = told(command, "--push-gateway", "http://gateway:9091", RUN="night-7")

    results = command.parent / "results"
    assert after(line, "--run-id") == "night-7"
    assert after(line, "--report-dir") == str(results / "night-7")
    assert after(line, "--history") == str(results / "history.db")
    assert after(line, "-m") == "not wire and not repository"
    assert after(line, "--push-gateway") == "http://gateway:9091"
    assert "--shard" not in line


def test_a_part_knows_which_one_it_is_and_begins_anew(command: Path) -> None:
    old = command.parent / "results" / "night.3" / "results.json"
    old.parent.mkdir()
    old.touch()
    other = command.parent / "results" / "night.2"
    other.mkdir()

    line = told(command, RUN="night", SHARDS="4", JOB_COMPLETION_INDEX="2", CHECKS="not wire")

    assert after(line, "--shard") == "3/4"
    assert after(line, "--run-id") == "night.3"
    assert after(line, "-m") == "not wire"
    assert not old.parent.exists()
    assert other.exists()


def test_the_parts_are_joined_on_demand(command: Path) -> None:
    results = command.parent / "results"
    for number in (1, 2):
        (results / f"night.{number}").mkdir()

    line = told(command, "merge", RUN="night")

    assert line[:3] == ["-m", "reports", "merge"]
    assert line[3:] == [
        str(results / "night.1"),
        str(results / "night.2"),
        "--output",
        str(results / "night"),
    ]


def test_without_a_name_nothing_is_touched(command: Path) -> None:
    done = subprocess.run(
        [command],
        env={"PATH": os.environ["PATH"], "RESULTS": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "RUN" in done.stderr
