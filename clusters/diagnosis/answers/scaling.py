"""Section 4 of the runbook: whether MetalLB is short of anything, or its configuration is the cause."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.checks.causes import Layer, get
from clusters.commands import command
from clusters.diagnosis import workloads
from clusters.diagnosis.answer import Answer, Figure, missing, sentence
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.metallb_components import Pod as MetalLBPod
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.diagnosis.signals import lasting
from clusters.observation.snapshot import Status

#: metrics-server asks every kubelet each 15 to 60 s, and tells of a pod that it has seen twice.
_MEASURED_BY = 120.0
#: Cores that a controller without a limit uses only while it has much to do, or works in vain.
_BUSY = 0.5


def _how_late(pod: MetalLBPod) -> str:
    """Whether it is too early for a figure, or metrics-server does not get one from the pod's kubelet."""
    return " yet" if (pod.started or 0) < _MEASURED_BY else f", which has run for {lasting(pod.started or 0)}"


def controller_cpu(diagnosis: Diagnosis) -> Answer:
    """The controller is not held back by its CPU limit."""
    seen = diagnosis.snapshot
    if seen.pod_usage.status is Status.ABSENT:
        return Answer(unsupported="The cluster has no metrics API (metrics.k8s.io), so CPU use is not known.")
    figures, notes, unknown = {}, [], []
    for pod in diagnosis.facts.components.controllers:
        used, limit = workloads.usage(diagnosis.facts, pod)
        if used is None:
            unknown.append(
                f"The metrics API has no figures of pod {pod.name} on node {pod.node}{_how_late(pod)}."
            )
            continue
        figures[f"CPU of {pod.name}"] = Figure(value=round(used, 6), unit="cores")
        notes.append(
            f"pod {pod.name} uses {used * 1000:.1f}m CPU of {f'{limit * 1000:.0f}m' if limit else 'no limit'}"
        )
        if not limit and used >= _BUSY:
            asked = command(
                "kubectl -n {metallb_namespace} top pod {pod}",
                metallb_namespace=diagnosis.facts.namespace,
                pod=pod.name,
            )
            notes.append(
                f"pod {pod.name} has no CPU limit, and at rest it uses a few m: whether it stays busy is told by "
                f"{asked}, some minutes on end"
            )
    return Answer(
        needs=("deployments",),
        notes=tuple(notes),
        missing=(*missing(("MetalLB's pods", seen.pods), ("the metrics API", seen.pod_usage)), *unknown),
        figures=figures,
    )


def speaker_scheduling(diagnosis: Diagnosis) -> Answer:
    """Every desired speaker is scheduled."""
    seen = diagnosis.snapshot
    return Answer(
        needs=("events",),
        missing=missing(
            ("MetalLB's pods", seen.pods), ("its DaemonSet", seen.daemon_sets), ("the nodes", seen.nodes)
        ),
    )


def verdict(diagnosis: Diagnosis) -> Answer:
    """Whether a scale change is needed is a note; only that it is fails this check."""
    scaling = [root for root in diagnosis.root_causes if _is_scaling(diagnosis, root)]
    configured = sorted(
        {root.cause for root in diagnosis.root_causes if get(root.cause).layer is Layer.CONFIGURATION}
    )
    kept_away = [root.subject for root in diagnosis.known.get(CauseId.SPEAKER_UNSCHEDULABLE, ())]
    if scaling:
        text = "a scale change is needed"
    elif configured:
        text = f"no scale change is needed; the cause is the configuration ({', '.join(configured)})"
    elif kept_away:
        text = f"no scale change is needed; a taint or selector keeps a speaker away ({', '.join(kept_away)})"
    else:
        text = "no scale change is needed"
    usage = diagnosis.snapshot.pod_usage
    notes = (text, *([sentence("CPU use", usage)] if not usage.ok else []))
    shown = [Explanation(root=root, subject=root.subject, summary=root.summary) for root in scaling]
    return Answer(
        needs=("deployments", "daemon_sets", "pod_usage"),
        explanations=tuple(shown),
        notes=notes,
        missing=missing(("MetalLB's pods", diagnosis.snapshot.pods), ("the nodes", diagnosis.snapshot.nodes)),
    )


def _is_scaling(diagnosis: Diagnosis, root: RootCause) -> bool:
    """Whether more resources would help: a taint or selector that keeps a speaker away is no lack of them."""
    speaker = diagnosis.facts.components.speakers.get(root.subject.name)
    short = root.cause == CauseId.SPEAKER_UNSCHEDULABLE and speaker is not None and speaker.short_of_resources
    return short or root.cause == CauseId.CONTROLLER_CPU_BOUND
