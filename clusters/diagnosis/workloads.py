"""What is wrong with the nodes, with the controller, and with the speakers that nodes are meant to have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.spec import DAEMON_SETS
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.metallb_components import POD_REFUSED, STARTING, Pod
from clusters.diagnosis.root_cause import RootCause
from clusters.diagnosis.signals import seconds
from clusters.metallb import install, services
from clusters.metallb.nodes import Node
from clusters.metallb.signature_table import Component
from clusters.objects import quantity
from clusters.observation.snapshot import Json
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
    own = facts.components.install.controller
    if bound := cpu_bound(facts):
        yield bound
    elif (
        working
        and own
        and own.settings.only_webhook
        and not install.assigning(facts.snapshot.deployments.items)
    ):
        text = "The controller runs with --webhook-mode=onlywebhook: it answers the webhook and assigns no address."
        yield replace(_down(facts, text), remedy="Start a controller without --webhook-mode=onlywebhook.")
    elif not working and not any(pod.starting for pod in pods):
        yield _controller_root(facts, pods)


def _doubled(facts: Facts, pods: tuple[Pod, ...]) -> Iterator[RootCause]:
    """More than one controller: MetalLB has no leader election, so each of them gives addresses out.

    Source: `LeaderElection: false` in internal/k8s/k8s.go, 0.15.2 and 0.16.2.
    """
    several = install.assigning(facts.snapshot.deployments.items)
    if len(several) > 1:
        names = ", ".join(each.name for each in several)
        yield RootCause(
            cause=CauseId.CONTROLLER_DOUBLED,
            subject=facts.components.workload("controller"),
            summary=f"{len(several)} Deployments run a controller ({names}), and each of them assigns addresses.",
            evidence=tuple(f"pod {pod.name} on node {pod.node}" for pod in pods),
            remedy="Remove the Deployments that are left over, so that one controller decides.",
            fields=facts.command_fields(),
        )
        return
    replicas = ((facts.components.deployment or {}).get("spec") or {}).get("replicas") or 0
    if replicas > 1:
        yield RootCause(
            cause=CauseId.CONTROLLER_DOUBLED,
            subject=facts.components.workload("controller"),
            summary=f"The controller's Deployment asks for {replicas} replicas, and each of them assigns addresses.",
            evidence=tuple(f"pod {pod.name} on node {pod.node}" for pod in pods),
            fields=facts.command_fields(),
        )
    if pods:
        yield from _second_metallb(facts)


def _second_metallb(facts: Facts) -> Iterator[RootCause]:
    """Controllers of MetalLBs in other namespaces that serve the same services as this one.

    What tells them apart is the class alone: a controller without one takes every service that names none.
    """
    ours = facts.components.lb_class
    beside: dict[str, list[str]] = {}
    for raw in facts.snapshot.metallb_pods_elsewhere.items:
        runs = raw.get("status", {}).get("phase") == "Running"
        decides = runs and install.container_of(raw, Component.CONTROLLER)
        if decides and install.settings(raw, Component.CONTROLLER).lb_class == ours:
            beside.setdefault(raw["metadata"]["namespace"], []).append(raw["metadata"]["name"])
    served = f"services of class {ours}" if ours else "services that name no class"
    for namespace, names in sorted(beside.items()):
        yield RootCause(
            cause=CauseId.CONTROLLER_DOUBLED,
            subject=Subject("namespace", namespace),
            summary=f"A second MetalLB runs in namespace {namespace}, and its controller serves {served} as well.",
            evidence=tuple(f"pod {namespace}/{name} runs a controller" for name in names[:3]),
            remedy=(
                f"Give one of the two a class of its own (--lb-class of its controller and speakers), or remove the "
                f"MetalLB in namespace {namespace}."
            ),
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
    """The controller uses up its CPU limit, or its node without one, by the metrics API; None where it does not.

    None as well where nobody knows.
    """
    for pod in facts.components.controllers:
        used, limit = usage(facts, pod)
        most = limit or _cores_of_node(facts, pod.node)
        if used is not None and most and used >= BOUND * most:
            whose = "its CPU limit of" if limit else f"all that node {pod.node} can give, which is"
            has = f"{used * 1000:.1f}m of {whose} {most * 1000:.0f}m"
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


def _cores_of_node(facts: Facts, node: str) -> float | None:
    """The CPU that a node can give to pods, in cores; None where it is not known."""
    allocatable = (facts.raw_nodes.get(node) or {}).get("status", {}).get("allocatable") or {}
    return _cores(allocatable["cpu"]) if allocatable.get("cpu") else None


def _cores(cpu: str) -> float:
    return float(quantity(cpu) or 0)


def classes(facts: Facts) -> Iterator[RootCause]:
    """Controller and speakers that serve different classes: what the one gives an address, the others ignore."""
    giving, speaking = facts.components.install.controller, facts.components.install.speaker
    if giving is None or speaking is None or giving.settings.lb_class == speaking.settings.lb_class:
        return
    one, other = giving.settings.lb_class, speaking.settings.lb_class
    yield RootCause(
        cause=CauseId.CLASS_MISMATCH,
        subject=facts.components.workload("speaker" if other else "controller"),
        summary=f"The controller gives addresses to {services.served_by(one)}, and the speakers announce "
        f"{services.served_by(other)}: what is given an address is not announced.",
        evidence=(
            f"--lb-class of the controller: {one or '(unset)'}",
            f"--lb-class of the speakers: {other or '(unset)'}",
        ),
        remedy="Start the controller and the speakers with the same --lb-class, or both without it (Helm: "
        "loadBalancerClass).",
        reporter=CheckId.TRAFFIC_SPEAKERS_PLACED,
        rests_on=("deployments", DAEMON_SETS),
        fields=facts.command_fields(),
    )


def speakers(facts: Facts) -> Iterator[RootCause]:
    """One root for each node that is meant to have a speaker and has no ready one, nodes in trouble apart."""
    if not (facts.snapshot.pods.ok and facts.snapshot.daemon_sets.ok and facts.snapshot.nodes.ok):
        return
    if facts.components.daemon_set is None and not facts.components.speakers:
        if facts.needs_no_speaker:
            return
        yield _everywhere(
            facts, CauseId.SPEAKER_DOWN, "There is no speaker DaemonSet in MetalLB's namespace."
        )
        return
    yield from _secret_missing(facts)
    selected = [name for name, node in facts.nodes.items() if facts.components.placement.selects(node.labels)]
    if facts.nodes and not selected:
        summary = "The speakers' DaemonSet selects no node at all, so nothing is announced."
        wanted = f"its nodeSelector is {dict(facts.components.placement.selector)}"
        yield _everywhere(facts, CauseId.SPEAKER_MISSING_ON_NODE, summary, wanted)
    for name in selected:
        pod = facts.components.speakers.get(name)
        if facts.nodes[name].ready and not (pod and pod.ready and not pod.crashing):
            yield from _missing(facts, name, pod)


def _missing(facts: Facts, node: str, pod: Pod | None) -> Iterator[RootCause]:
    """What keeps the speaker of one ready node from being ready, if it is not just on its way."""
    taint = facts.components.placement.repelled(facts.raw_nodes[node]["spec"].get("taints") or ())
    if taint and (pod is None or pod.deleting):
        text = f"{taint['key']}={taint.get('value', '')}:{taint.get('effect')}"
        summary = f"The taint {text} keeps the speaker away from node {node}."
        if node in _needed(facts):
            yield _on_node(
                facts, CauseId.SPEAKER_UNSCHEDULABLE, node, summary, f"node {node} has the taint {text}"
            )
    elif pod is None:
        if not _young(facts, node):
            why = facts.signals.pods_refused_for("DaemonSet")
            summary = f"Node {node} has no speaker pod" + (
                f": the API server refuses it: {why}" if why else "."
            )
            found = _on_node(
                facts, CauseId.SPEAKER_DOWN, node, summary, *facts.signals.warnings_on("DaemonSet")
            )
            yield replace(found, remedy=POD_REFUSED) if why else found
    elif pod.unscheduled:
        summary = f"The speaker for node {node} cannot be scheduled: {pod.unscheduled}"
        yield _on_node(facts, CauseId.SPEAKER_UNSCHEDULABLE, node, summary, *pod.evidence(facts.signals))
    elif not (pod.starting or pod.deleting or _waits_for_secret(facts, pod)):
        cause = CauseId.SPEAKER_CRASHING if pod.crashing else CauseId.SPEAKER_DOWN
        summary = pod.describe(f"The speaker on node {node}")
        yield _on_node(facts, cause, node, summary, *pod.evidence(facts.signals))


def _needed(facts: Facts) -> frozenset[str]:
    """The nodes that cannot do without a speaker.

    By the profile those that it names. Else a node that repels speakers is as its owner wants it, while others
    announce; one that holds all endpoints of a service whose traffic stays local is needed for that.
    """
    wishes = facts.snapshot.expectations
    if wishes.announcers or wishes.announcer_selector or not facts.members:
        return expected(facts)
    alone: set[str] = set()
    for key, service in facts.layer2.items():
        places = {each.node for each in facts.endpoints.get(key, ()) if each.servable and each.node}
        if service.local_policy and not places & facts.members:
            alone |= places
    return frozenset(alone)


def expected(facts: Facts) -> frozenset[str]:
    """The nodes that are expected to announce: by the profile where it says so, else all of the cluster's."""
    wishes = facts.snapshot.expectations
    if wishes.announcers:
        return frozenset(wishes.announcers)
    if facts.announcer_selector:
        return frozenset(
            name for name, node in facts.nodes.items() if facts.announcer_selector.matches(node.labels)
        )
    return frozenset(facts.nodes)


def expected_announcers(facts: Facts) -> Iterator[RootCause]:
    """Nodes that the profile expects to announce and that by their set-up never will."""
    wishes = facts.snapshot.expectations
    if not (wishes.announcers or wishes.announcer_selector) or facts.components.daemon_set is None:
        return
    ignored = facts.components.speaking is not None and facts.components.speaking.ignore_exclude_label
    for name in sorted(expected(facts) - facts.nodes.keys() if facts.snapshot.nodes.known else ()):
        gone = _on_node(
            facts,
            CauseId.SPEAKER_MISSING_ON_NODE,
            name,
            f"Node {name} is expected to announce, and the cluster has no node of that name.",
            f"the cluster's nodes: {', '.join(sorted(facts.nodes)[:8])}",
        )
        yield replace(
            gone, remedy="Let the node join again, or take it out of announcers.nodes in the profile."
        )
    for name in sorted(expected(facts) & facts.nodes.keys()):
        node = facts.nodes[name]
        if not facts.components.placement.selects(node.labels):
            summary = f"Node {name} is expected to announce, but the speakers' DaemonSet does not select it."
            yield _on_node(facts, CauseId.SPEAKER_MISSING_ON_NODE, name, summary)
        elif node.excluded and not ignored:
            summary = f"Node {name} is expected to announce, but a label excludes it from load balancing."
            yield _on_node(facts, CauseId.NODE_EXCLUDED, name, summary)


def _secret_missing(facts: Facts) -> Iterator[RootCause]:
    name = _secret(facts)
    known = {raw["metadata"]["name"] for raw in facts.snapshot.secrets.items}
    stuck = [pod for pod in facts.components.speakers.values() if _waits_for_secret(facts, pod)]
    if name and (stuck or (facts.snapshot.secrets.ok and name not in known)):
        waiting = ", ".join(pod.name for pod in stuck) or "none yet"
        words = [line for pod in stuck[:1] for line in pod.evidence(facts.signals)]
        yield RootCause(
            cause=CauseId.MEMBERLIST_SECRET_MISSING,
            subject=Subject("secret", name, namespace=facts.namespace),
            summary=f"The speakers mount secret {name}, which does not exist: a speaker that restarts will not start.",
            evidence=(f"pods that wait for it: {waiting}", *words),
            fields=facts.command_fields(),
        )


def _secret(facts: Facts) -> str:
    return facts.components.speaking.secret if facts.components.speaking else ""


def _waits_for_secret(facts: Facts, pod: Pod) -> bool:
    """Whether the pod cannot start because the memberlist secret is not there."""
    name = _secret(facts)
    if not name or pod.ready or pod.running:
        return False
    texts = [pod.message, *(each.message for each in facts.signals.of_pod(pod.name))]
    return any(f'secret "{name}" not found' in text for text in texts)


def _everywhere(facts: Facts, cause: CauseId, summary: str, *evidence: str) -> RootCause:
    subject = facts.components.workload("speaker")
    return RootCause(
        cause=cause, subject=subject, summary=summary, evidence=evidence, fields=facts.command_fields()
    )


def _on_node(facts: Facts, cause: CauseId, node: str, /, *told: str) -> RootCause:
    """A root on a node; `told` is the summary and then the evidence."""
    pod = facts.components.speakers.get(node)
    place = facts.command_fields(node=node, pod=pod.name if pod else "")
    return RootCause(
        cause=cause, subject=Subject.node(node), summary=told[0], evidence=told[1:], fields=place
    )


def _young(facts: Facts, node: str) -> bool:
    made = seconds(facts.raw_nodes[node]["metadata"].get("creationTimestamp"))
    return made is not None and facts.now - made < STARTING
