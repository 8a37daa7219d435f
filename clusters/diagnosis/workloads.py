"""What is wrong with the nodes and with the controller: one root for each that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.metallb_pods import POD_REFUSED, Pod
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb.nodes import Node
from clusters.observation.snapshot import Json
from clusters.quantity import quantity
from clusters.subject import Subject

#: Using this share of its limit means that the limit holds the controller back: the kernel throttles it in
#: every period in which it wants more, so that a mean over a window stays just below the limit.
BOUND = 0.9


def nodes(facts: Facts) -> Iterator[RootCause]:
    """Nodes that are not Ready, or whose network is said to be unavailable."""
    for node in facts.nodes.values():
        if not node.ready:
            yield _condition(facts, node, "Ready", CauseId.NODE_NOT_READY)
        if node.network_unavailable:
            yield _condition(facts, node, "NetworkUnavailable", CauseId.NODE_NETWORK_UNAVAILABLE)


def _condition(facts: Facts, node: Node, name: str, cause: CauseId) -> RootCause:
    conditions = facts.raw_nodes[node.name]["status"].get("conditions", ())
    said: Json = next((each for each in conditions if each["type"] == name), {})
    text = said.get("message") or said.get("reason") or "nothing is reported"
    value, since = said.get("status", "unset"), said.get("lastTransitionTime", "the beginning")
    return RootCause(
        cause=cause,
        subject=Subject.node(node.name),
        summary=f"Node {node.name} has the condition {name}={value}: {text}",
        evidence=(f"condition {name}={value} since {since}",),
        fields=facts.command_fields(node=node.name),
    )


def controller(facts: Facts) -> Iterator[RootCause]:
    """What keeps the controller from working."""
    if not (facts.snapshot.pods.ok and facts.snapshot.deployments.ok):
        return
    pods = facts.components.controllers
    yield from _doubled(facts, pods)
    working = any(pod.ready and not pod.crashing for pod in pods)
    if bound := cpu_bound(facts):
        yield bound
    elif not working and not any(pod.starting for pod in pods):
        yield _controller_root(facts, pods)


def _doubled(facts: Facts, pods: tuple[Pod, ...]) -> Iterator[RootCause]:
    """More than one controller: MetalLB has no leader election, so each of them gives addresses out.

    Source: `LeaderElection: false` in internal/k8s/k8s.go, 0.15.2 and 0.16.2.
    """
    replicas = ((facts.components.deployment or {}).get("spec") or {}).get("replicas") or 0
    if replicas > 1:
        yield RootCause(
            cause=CauseId.CONTROLLER_DOUBLED,
            subject=facts.components.workload("controller"),
            summary=f"The controller's Deployment asks for {replicas} replicas, and each of them assigns addresses.",
            evidence=tuple(f"pod {pod.name} on node {pod.node}" for pod in pods),
            fields=facts.command_fields(),
        )


def _controller_root(facts: Facts, pods: tuple[Pod, ...]) -> RootCause:
    deployment = facts.components.deployment
    if deployment is None and not pods:
        return _down(facts, "There is no controller Deployment in MetalLB's namespace.")
    if deployment is not None and deployment["spec"].get("replicas", 1) == 0:
        return _down(facts, "The controller's Deployment is scaled to 0.")
    if not pods:
        why = facts.signals.pods_refused_for("ReplicaSet")
        summary = "The controller's Deployment has no pod" + (
            f": the API server refuses it: {why}" if why else "."
        )
        found = _down(facts, summary, *facts.signals.warnings_on("ReplicaSet"))
        return replace(found, remedy=POD_REFUSED) if why else found
    node = facts.nodes.get(pods[0].node)
    if node and not node.ready:
        return _condition(facts, node, "Ready", CauseId.NODE_NOT_READY)
    cause = CauseId.CONTROLLER_CRASHING if pods[0].crashing else CauseId.CONTROLLER_DOWN
    found = _down(facts, pods[0].describe("The controller"), *pods[0].evidence(facts.signals), cause=cause)
    # A node that could not be read may be what keeps it from running.
    return replace(found, rests_on=("nodes",)) if node is None else found


def _down(facts: Facts, summary: str, *evidence: str, cause: CauseId = CauseId.CONTROLLER_DOWN) -> RootCause:
    subject = facts.components.workload("controller")
    return RootCause(
        cause=cause, subject=subject, summary=summary, evidence=evidence, fields=facts.command_fields()
    )


def cpu_bound(facts: Facts) -> RootCause | None:
    """The controller uses up its CPU limit, by the metrics API; None where it does not or nobody knows."""
    for pod in facts.components.controllers:
        used, limit = usage(facts, pod)
        if used is not None and limit and used >= BOUND * limit:
            has = f"{used * 1000:.1f}m of its CPU limit of {limit * 1000:.0f}m"
            return RootCause(
                cause=CauseId.CONTROLLER_CPU_BOUND,
                subject=facts.components.workload("controller"),
                summary=f"The controller uses {has}.",
                evidence=(f"metrics API: pod {pod.name} uses {has}", *pod.evidence(facts.signals)),
                fields=facts.command_fields(),
            )
    return None


def usage(facts: Facts, pod: Pod) -> tuple[float | None, float | None]:
    """CPU that the pod's main container uses, and its limit, in cores; None where unknown or unlimited."""
    raw: Json = next((each for each in facts.snapshot.pods.items if each["metadata"]["name"] == pod.name), {})
    own = [each for each in raw.get("spec", {}).get("containers", ()) if each["name"] == pod.component]
    limits = [(each.get("resources") or {}).get("limits", {}).get("cpu") for each in own]
    used = [
        _cores(one["usage"]["cpu"])
        for each in facts.snapshot.pod_usage.items
        if each["metadata"]["name"] == pod.name
        for one in each.get("containers", ())
        if one["name"] == pod.component
    ]
    return (sum(used) if used else None), (_cores(limits[0]) if limits and limits[0] else None)


def _cores(cpu: str) -> float:
    return float(quantity(cpu) or 0)
