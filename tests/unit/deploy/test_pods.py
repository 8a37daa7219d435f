"""What deploy/ runs in a cluster may do little: every pod, namespace and policy in it, whichever file it is in."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import __version__
from clusters.workloads import builders
from tests.unit.deploy.restricted import breaches, containers

Json = dict[str, Any]
DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
OUR_IMAGE = "metallb-conformance"


def documents() -> Iterator[tuple[str, Json]]:
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            if isinstance(found, dict) and "kind" in found:
                yield str(path.relative_to(DEPLOY)), found


def pod_of(found: Json) -> Json | None:
    spec = found.get("spec") or {}
    spec = spec.get("jobTemplate", {}).get("spec") or spec
    pod: Json | None = spec.get("template", {}).get("spec")
    return pod or (spec if found["kind"] == "Pod" else None)


PODS = {f"{path}/{found['kind']}": pod for path, found in documents() if (pod := pod_of(found))}
every_pod = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


def test_the_pods_are_found() -> None:
    assert {"cluster/cronjob.yaml/CronJob", "sharded/job.yaml/Job"} <= PODS.keys()


@every_pod
def test_a_pod_keeps_the_restricted_standard(pod: Json) -> None:
    assert breaches(pod) == []


@pytest.mark.parametrize(
    "made",
    [
        builders.echo_deployment("echo", namespace="n"),
        builders.probe_deployment("probe", namespace="n", targets={"x": ("192.0.2.1", 80)}, replicas=1),
    ],
    ids=["echo", "probe"],
)
def test_the_workloads_of_a_run_keep_it_too(made: Json) -> None:
    pod = pod_of(made)

    assert pod is not None
    assert breaches(pod) == []
    assert pod["automountServiceAccountToken"] is False


def broken(change: Callable[[Json, Json], object]) -> list[str]:
    pod = copy.deepcopy(PODS["cluster/cronjob.yaml/CronJob"])
    change(pod, pod["containers"][0])
    return breaches(pod)


@pytest.mark.parametrize(
    "change",
    [
        lambda pod, _: pod.update(hostNetwork=True),
        lambda pod, _: pod["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        lambda pod, _: pod["securityContext"].pop("seccompProfile"),
        lambda pod, _: pod["securityContext"].update(runAsNonRoot=False),
        lambda _, container: container["securityContext"].update(privileged=True),
        lambda _, container: container["securityContext"].pop("allowPrivilegeEscalation"),
        lambda _, container: container["securityContext"]["capabilities"].update(add=["NET_RAW"]),
        lambda _, container: container["securityContext"].pop("capabilities"),
    ],
)
def test_what_breaks_it_would_be_seen(change: Callable[[Json, Json], object]) -> None:
    assert broken(change)


@every_pod
def test_a_pod_is_bounded(pod: Json) -> None:
    for container in containers(pod):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"].keys() >= {"memory", "ephemeral-storage"}
        assert container["resources"]["requests"].keys() >= {"cpu", "memory", "ephemeral-storage"}
    for volume in pod.get("volumes") or ():
        assert volume.get("emptyDir") is None or volume["emptyDir"].get("sizeLimit")


@every_pod
def test_a_pod_says_whether_it_gets_a_token(pod: Json) -> None:
    accounts = {
        found["metadata"]["name"]: found["automountServiceAccountToken"]
        for _, found in documents()
        if found["kind"] == "ServiceAccount"
    }

    assert accounts[pod["serviceAccountName"]] is False
    assert isinstance(pod["automountServiceAccountToken"], bool)


@every_pod
def test_a_run_has_a_name_on_every_kubernetes_that_is_supported(pod: Json) -> None:
    """The label batch.kubernetes.io/job-name is of 1.27; job-name is there before and since."""
    for container in containers(pod):
        fields = {
            entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"]
            for entry in container.get("env") or ()
            if "fieldRef" in entry.get("valueFrom", {})
        }
        assert "RUN" not in fields or fields["JOB_NAME"] == "metadata.labels['job-name']"


def test_every_namespace_takes_restricted_pods_alone() -> None:
    spaces = [found["metadata"] for _, found in documents() if found["kind"] == "Namespace"]

    assert spaces
    assert {each["labels"]["pod-security.kubernetes.io/enforce"] for each in spaces} == {"restricted"}


def test_no_image_is_named_by_a_tag_that_moves() -> None:
    tags = {
        each.get("digest") or each.get("newTag")
        for path, found in documents()
        if found["kind"] == "Kustomization"
        for each in found.get("images", ())
    }

    assert tags == {__version__}
    assert {container["image"] for pod in PODS.values() for container in containers(pod)} == {OUR_IMAGE}


def test_nothing_reaches_the_pods_and_they_reach_little() -> None:
    (policy,) = [found for _, found in documents() if found["kind"] == "NetworkPolicy"]

    assert policy["metadata"]["namespace"] == "metallb-conformance"
    assert policy["spec"]["podSelector"] == {}
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["spec"]["ingress"] == []
    dns, server = policy["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns["to"]
    assert {(port["protocol"], port["port"]) for port in server["ports"]} == {("TCP", 443), ("TCP", 6443)}


@pytest.mark.parametrize(
    ("base", "taken"),
    [
        (f"docker.io/library/python:3.11-slim@sha256:{'0a' * 32}", True),
        (f"docker.io/library/python@sha256:{'0a' * 32}", True),
        ("localhost/python:3.11", True),
        ("docker.io/library/python:3.11-slim", False),
        ("docker.io/library/python:latest", False),
        ("docker.io/library/python@sha256:", False),
        ("registry.example/localhost/python:3.11", False),
        ("", False),
    ],
)
def test_the_image_is_built_on_a_digest_alone(base: str, *, taken: bool) -> None:
    text = (DEPLOY / "cluster" / "Containerfile").read_text()
    assert re.findall(r"^ARG BASE.*$", text, flags=re.MULTILINE) == ["ARG BASE", "ARG BASE"]
    (check,) = re.findall(r"^RUN (case .*?esac)$", text, flags=re.MULTILINE | re.DOTALL)

    done = subprocess.run(
        ["sh", "-c", check], env={"BASE": base}, capture_output=True, text=True, check=False
    )

    assert (done.returncode == 0) == taken
    assert done.stderr.startswith("error: BASE is ") != taken


def test_what_the_image_copies_is_let_into_its_build_and_is_there() -> None:
    text = (DEPLOY / "cluster" / "Containerfile").read_text()
    copied = {
        source.rstrip("/")
        for line in re.findall(r"^COPY (.*)$", text, flags=re.MULTILINE)
        for source in line.split()[:-1]
    }
    root = DEPLOY.parent
    let_in = {
        line[1:] for line in (root / ".containerignore").read_text().splitlines() if line.startswith("!")
    }

    assert copied == let_in
    assert all((root / source).exists() for source in copied)
