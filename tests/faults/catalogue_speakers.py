"""Faults of the speakers: where they run, how, and what they need to find each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api.resources import (
    DAEMON_SETS,
    PODS,
    SECRETS,
)
from clusters.metallb import versions
from tests.faults.catalogue_fault import ALL_BY_CONFIGURATION, ALL_BY_METALLB, UNTOUCHED, Fault, drift
from tests.faults.catalogue_stage import EDGE_ADDRESS, NAMESPACE, WHY, Stage
from tests.faults.catalogue_workloads import arguments, logs_of, until_crashing

NODE = "node3"
_SPEAKER = "daemonset speaker"
_DAEMON_SET = drift("DaemonSet metallb-system/speaker")
_ON_NODE = f"node {NODE}"


@contextmanager
def speaker_crashes(stage: Stage) -> Iterator[None]:
    with arguments(stage, DAEMON_SETS, "speaker", "--no-such-flag"):
        until_crashing(stage, "speaker")
        yield


@contextmanager
def too_large(stage: Stage) -> Iterator[None]:
    """Speakers that ask for more than any node has; the first one that is replaced stays pending."""
    path = "/spec/template/spec/containers/0/resources"
    patch = [{"op": "add", "path": path, "value": {"requests": {"cpu": "1000"}}}]
    with stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, kind="json", foreign=WHY):
        wait.until(
            "a speaker waits for a node with enough room",
            read=lambda: [
                condition.get("message", "")
                for pod in stage.api.list(PODS, NAMESPACE, labels="component=speaker")
                for condition in pod["status"].get("conditions", ())
                if condition["type"] == "PodScheduled"
            ],
            accept=lambda said: any("Insufficient cpu" in text for text in said),
            budget=budgets.get(budgets.ROLLOUT),
        )
        yield


@contextmanager
def no_sockets(stage: Stage) -> Iterator[None]:
    """Speakers whose container has lost the capability for raw sockets, as a policy that rewrites pods takes it."""
    path = "/spec/template/spec/containers/0/securityContext/capabilities"
    patch = [{"op": "add", "path": path, "value": {"drop": ["ALL"]}}]
    with stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, kind="json", foreign=WHY):
        stage.metallb.speakers_ready()
        wait.until(
            "every speaker says that it may not reply",
            read=lambda: ["operation not permitted" in log for log in logs_of(stage, "speaker")],
            accept=lambda told: sum(told) >= len(stage.lab.nodes),
            budget=budgets.get(budgets.PODS_READY),
        )
        yield
    stage.metallb.speakers_ready()
    stage.until_reached(EDGE_ADDRESS)


@contextmanager
def not_replaced(stage: Stage) -> Iterator[None]:
    """Speakers that are upgraded and keep their old pods, which nobody deletes."""
    other = next(each for each in versions.IN_THE_LAB if each != (stage.version or versions.IN_THE_LAB[-1]))
    patch: list[Any] = [
        {"op": "replace", "path": "/spec/updateStrategy", "value": {"type": "OnDelete"}},
        {
            "op": "replace",
            "path": "/spec/template/spec/containers/0/image",
            "value": f"quay.io/metallb/speaker:v{other}",
        },
    ]
    with stage.changes.patched(DAEMON_SETS, "speaker", patch, NAMESPACE, kind="json", foreign=WHY):
        yield
    stage.metallb.speakers_ready()


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
        budget=budgets.get(budgets.POD_GONE),
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
def untouched(stage: Stage) -> Iterator[None]:
    """Nothing is done to the cluster: it is the profile that still names a node which has left."""
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
        stage.until_reached(EDGE_ADDRESS)
        yield


FAULTS = (
    Fault(
        name="speakers that are upgraded and wait until somebody deletes their pods",
        cause="version-skew",
        make=not_replaced,
        says=UNTOUCHED,
        shows={"overlay.version-skew": _SPEAKER},
        also=_DAEMON_SET,
        full=True,
    ),
    Fault(
        name="speakers that may not open raw sockets",
        cause="speaker-unprivileged",
        make=no_sockets,
        says=ALL_BY_METALLB,
        shows={"health.speaker-log": _SPEAKER},
        also=_DAEMON_SET,
        full=True,
    ),
    Fault(
        name="a speaker with an argument that it does not know",
        cause="speaker-crashing",
        make=speaker_crashes,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": "node .*"},
        also=_DAEMON_SET,
        full=True,
    ),
    Fault(
        name="a taint keeps a speaker away",
        cause="speaker-unschedulable",
        make=tainted,
        says=ALL_BY_METALLB._replace(
            scaling="no scale change is needed; a taint or selector keeps a speaker away"
        ),
        shows={"scaling.speaker-scheduling": _ON_NODE},
        profile={"announcers": {"nodes": ["node1", "node2", "node3"]}},
    ),
    Fault(
        name="speakers that ask for more than a node has",
        cause="speaker-unschedulable",
        make=too_large,
        says=ALL_BY_METALLB._replace(scaling="a scale change is needed"),
        shows={"scaling.speaker-scheduling": "node .*"},
        also=_DAEMON_SET,
        full=True,
    ),
    Fault(
        name="a quota keeps a speaker from being made",
        cause="speaker-down",
        make=no_pod_made,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": _ON_NODE},
    ),
    Fault(
        name="the speakers' DaemonSet leaves a node out",
        cause="speaker-missing-on-node",
        make=not_selected,
        says=ALL_BY_METALLB,
        shows={"traffic.speakers-placed": _ON_NODE},
        also=_DAEMON_SET,
        profile={"announcers": {"nodes": ["node1", "node2", "node3"]}},
        full=True,
    ),
    Fault(
        name="a node that is expected to announce has left the cluster",
        cause="speaker-missing-on-node",
        make=untouched,
        says=ALL_BY_METALLB,
        shows={"traffic.speakers-placed": "node gone"},
        profile={"announcers": {"nodes": ["node1", "node2", "node3", "gone"]}},
    ),
    Fault(
        name="a node is labelled out of load balancing",
        cause="node-excluded",
        make=excluded,
        says=ALL_BY_CONFIGURATION,
        shows={"traffic.speakers-placed": _ON_NODE},
        profile={"announcers": {"nodes": ["node1", "node2", "node3"]}},
    ),
    Fault(
        name="the memberlist secret is gone",
        cause="memberlist-secret-missing",
        make=secret_gone,
        says=ALL_BY_METALLB,
        shows={"health.pods-ready": "secret metallb-system/memberlist"},
    ),
    Fault(
        name="speakers without memberlist",
        cause="memberlist-disabled",
        make=no_memberlist,
        says=ALL_BY_METALLB,
        shows={"health.speaker-log": _SPEAKER},
        also=_DAEMON_SET,
        full=True,
    ),
)
