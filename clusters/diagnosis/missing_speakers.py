"""What keeps a speaker from a node that is meant to have one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.metallb_pods import POD_REFUSED, STARTING, Pod
from clusters.diagnosis.root_cause import RootCause
from clusters.diagnosis.signals import seconds
from clusters.subject import Subject


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
