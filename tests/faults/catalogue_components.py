"""Faults of MetalLB's own parts: pods, their set-up, their rights, their versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api.resources import (
    CLUSTER_ROLES,
    CUSTOM_RESOURCE_DEFINITIONS,
    DAEMON_SETS,
    DEPLOYMENTS,
    PODS,
    SECRETS,
)
from tests.faults.catalogue_fault import Also, Fault, drift
from tests.faults.catalogue_stage import NAMESPACE, WHY, Stage

NODE = "node3"
_CONTROLLER, _SPEAKER = "deployment controller", "daemonset speaker"


@contextmanager
def no_controller(stage: Stage) -> Iterator[None]:
    with stage.changes.scaled(DEPLOYMENTS, "controller", 0, namespace=NAMESPACE, foreign=WHY):
        yield


@contextmanager
def _arguments(stage: Stage, res: Any, name: str, *more: str) -> Iterator[None]:
    """Another argument for a workload; the controller's old pod goes before the new one comes."""
    found = stage.api.get(res, name, NAMESPACE)
    args = [*found["spec"]["template"]["spec"]["containers"][0]["args"], *more]
    patch: list[Any] = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": args},
    ]
    if res is DEPLOYMENTS:
        patch.append({"op": "replace", "path": "/spec/strategy", "value": {"type": "Recreate"}})
    with stage.changes.patched(res, name, patch, NAMESPACE, kind="json", foreign=WHY):
        yield


def _until_crashing(stage: Stage, name: str) -> None:
    wait.until(
        f"a {name} keeps crashing",
        read=lambda: [
            (pod["status"].get("containerStatuses") or [{}])[0].get("restartCount", 0)
            for pod in stage.api.list(PODS, NAMESPACE, labels=f"component={name}")
        ],
        accept=lambda restarts: any(count > 1 for count in restarts),
        budget=budgets.get("rollout"),
    )


@contextmanager
def controller_crashes(stage: Stage) -> Iterator[None]:
    with _arguments(stage, DEPLOYMENTS, "controller", "--no-such-flag"):
        _until_crashing(stage, "controller")
        yield


@contextmanager
def speaker_crashes(stage: Stage) -> Iterator[None]:
    with _arguments(stage, DAEMON_SETS, "speaker", "--no-such-flag"):
        _until_crashing(stage, "speaker")
        yield


@contextmanager
def tainted(stage: Stage) -> Iterator[None]:
    with stage.metallb.held_away(NODE):
        stage.metallb.delete_speaker(NODE)
        _until_gone(stage)
        yield


@contextmanager
def no_pod_made(stage: Stage) -> Iterator[None]:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-more-pods", "namespace": NAMESPACE},
        "spec": {"hard": {"pods": "0"}},
    }
    with stage.changes.created(quota, foreign=WHY):
        stage.metallb.delete_speaker(NODE)
        _until_gone(stage)
        yield
    stage.metallb.speaker_ready_on(NODE)


def _until_gone(stage: Stage) -> None:
    wait.until(
        f"no speaker is on {NODE}",
        read=lambda: [
            pod["spec"].get("nodeName") for pod in stage.api.list(PODS, NAMESPACE, labels="component=speaker")
        ],
        accept=lambda nodes: NODE not in nodes,
        budget=budgets.get("pod_gone"),
    )


@contextmanager
def not_selected(stage: Stage) -> Iterator[None]:
    others = [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [NODE]}]
    term = {"nodeSelectorTerms": [{"matchExpressions": others}]}
    rule = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}
    patch = {"spec": {"template": {"spec": {"affinity": rule}}}}
    with stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, foreign=WHY):
        _until_gone(stage)
        stage.metallb.speakers_ready()
        yield


@contextmanager
def excluded(stage: Stage) -> Iterator[None]:
    label = {"node.kubernetes.io/exclude-from-external-load-balancers": ""}
    with stage.changes.labelled_node(NODE, label):
        yield


@contextmanager
def secret_gone(stage: Stage) -> Iterator[None]:
    with stage.changes.deleted(SECRETS, "memberlist", NAMESPACE, foreign=WHY):
        yield


@contextmanager
def no_memberlist(stage: Stage) -> Iterator[None]:
    found = stage.api.get(DAEMON_SETS, "speaker", NAMESPACE)
    env = found["spec"]["template"]["spec"]["containers"][0]["env"]
    kept = [one for one in env if one["name"] != "METALLB_ML_BIND_ADDR"]
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/env", "value": kept}]
    with stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, kind="json", foreign=WHY):
        stage.metallb.speakers_ready()
        yield


@contextmanager
def may_not_list(stage: Stage) -> Iterator[None]:
    """The controller may not watch pools any more, and starts anew."""
    found = stage.api.get(CLUSTER_ROLES, "metallb-system:controller")
    rules = [rule for rule in found["rules"] if "services" not in rule.get("resources", ())]
    patch = [{"op": "replace", "path": "/rules", "value": rules}]
    with stage.changes.patched(CLUSTER_ROLES, "metallb-system:controller", patch, kind="json", foreign=WHY):
        for pod in stage.api.list(PODS, NAMESPACE, labels="component=controller"):
            stage.changes.delete(PODS, pod["metadata"]["name"], NAMESPACE, foreign="another is made")
        wait.until(
            "the controller says what it may not do",
            read=lambda: _log_of(stage, "controller"),
            accept=lambda text: "forbidden" in text,
            budget=budgets.get("pods_ready"),
        )
        yield
    for pod in stage.api.list(PODS, NAMESPACE, labels="component=controller"):
        stage.changes.delete(PODS, pod["metadata"]["name"], NAMESPACE, foreign="another is made")


def _log_of(stage: Stage, component: str) -> str:
    pods = stage.api.list(PODS, NAMESPACE, labels=f"component={component}")
    running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
    return "".join(stage.api.logs(NAMESPACE, pod["metadata"]["name"], tail=100) for pod in running)


@contextmanager
def old_definition(stage: Stage) -> Iterator[None]:
    """A definition without a field that came with the installed version."""
    name = "l2advertisements.metallb.io"
    field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/interfaces"
    with stage.changes.patched(
        CUSTOM_RESOURCE_DEFINITIONS, name, [{"op": "remove", "path": field}], kind="json", foreign=WHY
    ):
        yield


@contextmanager
def other_version(stage: Stage) -> Iterator[None]:
    path = "/spec/template/spec/containers/0/image"
    patch = [{"op": "replace", "path": path, "value": "quay.io/metallb/controller:v0.16.2"}]
    with stage.changes.patched(DEPLOYMENTS, "controller", patch, NAMESPACE, kind="json", foreign=WHY):
        wait.until(
            "a controller of the other version runs",
            read=lambda: [
                pod["spec"]["containers"][0]["image"]
                for pod in stage.api.list(PODS, NAMESPACE, labels="component=controller")
            ],
            accept=lambda images: any(image.endswith(":v0.16.2") for image in images),
            budget=budgets.get("rollout"),
        )
        yield


_DEPLOYMENT = drift("Deployment metallb-system/controller")
_DAEMON_SET = drift("DaemonSet metallb-system/speaker")
_ON_NODE = f"node {NODE}"

FAULTS = (
    Fault(
        name="the controller is scaled to nothing",
        cause="controller-down",
        make=no_controller,
        shows={"health.pods-ready": _CONTROLLER},
        also=_DEPLOYMENT,
        undecided=frozenset({"health.controller-log"}),
    ),
    Fault(
        name="a controller with an argument that it does not know",
        cause="controller-crashing",
        make=controller_crashes,
        shows={"health.pods-ready": _CONTROLLER},
        also=_DEPLOYMENT,
        full=True,
    ),
    Fault(
        name="a speaker with an argument that it does not know",
        cause="speaker-crashing",
        make=speaker_crashes,
        shows={"health.pods-ready": "node .*"},
        also=_DAEMON_SET,
        full=True,
    ),
    Fault(
        name="a taint keeps a speaker away",
        cause="speaker-unschedulable",
        make=tainted,
        shows={"scaling.speaker-scheduling": _ON_NODE},
    ),
    Fault(
        name="a quota keeps a speaker from being made",
        cause="speaker-down",
        make=no_pod_made,
        shows={"health.pods-ready": _ON_NODE},
    ),
    Fault(
        name="the speakers' DaemonSet leaves a node out",
        cause="speaker-missing-on-node",
        make=not_selected,
        shows={"traffic.speakers-placed": _ON_NODE},
        also=_DAEMON_SET,
        profile={"announcers": {"nodes": ["node1", "node2", "node3"]}},
        full=True,
    ),
    Fault(
        name="a node is labelled out of load balancing",
        cause="node-excluded",
        make=excluded,
        shows={"traffic.speakers-placed": _ON_NODE},
        profile={"announcers": {"nodes": ["node1", "node2", "node3"]}},
    ),
    Fault(
        name="the memberlist secret is gone",
        cause="memberlist-secret-missing",
        make=secret_gone,
        shows={"health.pods-ready": "secret metallb-system/memberlist"},
    ),
    Fault(
        name="speakers without memberlist",
        cause="memberlist-disabled",
        make=no_memberlist,
        shows={"health.speaker-log": _SPEAKER},
        also=_DAEMON_SET,
        full=True,
    ),
    Fault(
        name="the controller may not read services",
        cause="permission-missing",
        make=may_not_list,
        shows={"health.controller-log": ".*"},
        also=drift("ClusterRole metallb-system:controller"),
        full=True,
    ),
    Fault(
        name="a definition that lacks a field",
        cause="crd-outdated",
        make=old_definition,
        shows={"overlay.version-skew": "cluster"},
    ),
    Fault(
        name="a controller of another version than its speakers",
        cause="version-skew",
        make=other_version,
        shows={"overlay.version-skew": "cluster"},
        also=(
            Also(check="overlay.version-skew", cause="crd-outdated"),
            Also(check="postincident.service-page", cause="page-outdated"),
        ),
        full=True,
    ),
)
