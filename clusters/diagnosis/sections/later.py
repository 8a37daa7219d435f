"""Sections 3, 4 and 6 of the runbook, as far as a look decides them: scope, routes, scaling, stale consumers."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.checks.causes import Layer, get
from clusters.diagnosis import scope, workloads
from clusters.diagnosis.answer import Answer, Figure, missing, sentence, told
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.pods import Pod as MetalLBPod
from clusters.diagnosis.roots import Explanation, Root
from clusters.diagnosis.telling import fields
from clusters.diagnosis.times import lasting
from clusters.metallb import services
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import parse_address
from clusters.observation.snapshot import Status

#: What a pending speaker's condition says where a node is short of something, and does not merely refuse it.
_SHORT = "Insufficient"
#: metrics-server asks every kubelet each 15 to 60 s, and tells of a pod that it has seen twice.
_MEASURED_BY = 120.0


def incident_scope(diagnosis: Diagnosis) -> Answer:
    """It is said where the trouble lies; nodes or network in trouble fail this check."""
    seen = diagnosis.snapshot
    places: dict[str, dict[str, None]] = {}
    for root in diagnosis.roots:
        places.setdefault(scope.where(root), {})[root.cause] = None
    alone = " alone" if len(places) == 1 else ""
    listed = [f"{place}{alone} ({', '.join(causes)})" for place, causes in sorted(places.items())]
    shown = [
        Explanation(root=root, subject=root.subject, summary=root.summary)
        for root in diagnosis.roots
        if get(root.cause).layer is Layer.NODES_AND_NETWORK
    ]
    return Answer(
        findings=told("recovery.incident-scope", diagnosis, shown),
        notes=(f"in trouble: {', '.join(listed) or 'nothing'}",),
        missing=missing(("the nodes", seen.nodes), ("MetalLB's pods", seen.pods)),
    )


def address_routable(diagnosis: Diagnosis) -> Answer:
    """The address block of every pool can be reached from the vantage."""
    wire = diagnosis.snapshot.wire
    judged = [_routable(diagnosis, pool) for pool in diagnosis.facts.pools]
    shown = [each for each in judged if isinstance(each, Explanation)]
    unsure = [each for each in judged if isinstance(each, str)]
    return Answer(
        findings=told("recovery.address-routable", diagnosis, shown),
        missing=(
            *missing(("the pools", diagnosis.snapshot.ip_address_pools), ("what answers from outside", wire)),
            *(unsure if wire.ok else ()),
        ),
    )


def _routable(diagnosis: Diagnosis, pool: Pool) -> Explanation | str | None:
    """Why a pool's addresses cannot be reached; a sentence where nothing tells; None where they can."""
    if not pool.ranges:
        return None
    hearing = diagnosis.facts.hearing
    held = {str(address): holders for address, holders in diagnosis.facts.usage[pool.name].held}
    tries = [each for each in diagnosis.snapshot.wire.reached if each.address in held]
    routes = [route for address, route in hearing.routes.items() if _inside(pool, address)]
    if any(route.on_link for route in routes) or any(
        each.outcome in {"answered", "refused"} for each in tries
    ):
        return None
    for each in tries:
        if each.service in diagnosis.unreached:
            explained = diagnosis.unreached[each.service]
            return explained if explained.root.at == "traffic.l2-segment" else None
    if any(route.problem for route in routes):
        problem = next(route for route in routes if route.problem)
        place = fields(diagnosis.facts, pool=pool.name, address=problem.address)
        root = Root(
            cause="vantage-not-on-segment",
            subject=f"pool {pool.name}",
            summary=f"From the vantage there is no way to {problem.address}: {problem.problem}",
            home="recovery.address-routable",
            fields=place,
        )
        return Explanation(root=root, subject=root.subject, summary=root.summary)
    return f"Nothing of pool {pool.name} is on a segment of the vantage, and no address of it could be tried."


def _inside(pool: Pool, address: str) -> bool:
    return any(str(each.first) == address for each in pool.ranges) or parse_address(address) in pool


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
                f"The metrics API has nothing of pod {pod.name} on node {pod.node}{_how_late(pod)}."
            )
            continue
        figures[f"CPU of {pod.name}"] = Figure(value=round(used, 6), unit="cores")
        notes.append(
            f"pod {pod.name} uses {used * 1000:.1f}m CPU of {f'{limit * 1000:.0f}m' if limit else 'no limit'}"
        )
    return Answer(
        findings=told("scaling.controller-cpu", diagnosis),
        notes=tuple(notes),
        missing=(*missing(("MetalLB's pods", seen.pods), ("the metrics API", seen.pod_usage)), *unknown),
        figures=figures,
    )


def speaker_scheduling(diagnosis: Diagnosis) -> Answer:
    """Every desired speaker is scheduled."""
    seen = diagnosis.snapshot
    return Answer(
        findings=told("scaling.speaker-scheduling", diagnosis),
        missing=missing(
            ("MetalLB's pods", seen.pods), ("its DaemonSet", seen.daemon_sets), ("the nodes", seen.nodes)
        ),
    )


def verdict(diagnosis: Diagnosis) -> Answer:
    """It is said whether a scale change is needed; only that fails this check."""
    scaling = [root for root in diagnosis.roots if _is_scaling(root)]
    configured = sorted(
        {root.cause for root in diagnosis.roots if get(root.cause).layer is Layer.CONFIGURATION}
    )
    kept_away = [root.subject for root in diagnosis.ground.get("speaker-unschedulable", ())]
    if scaling:
        text = "a scale change is needed"
    elif configured:
        text = f"no scale change is needed; the configuration is to blame ({', '.join(configured)})"
    elif kept_away:
        text = f"no scale change is needed; a node refuses its speaker ({', '.join(kept_away)})"
    else:
        text = "no scale change is needed"
    usage = diagnosis.snapshot.pod_usage
    notes = (text, *([sentence("CPU use", usage)] if not usage.ok else []))
    shown = [Explanation(root=root, subject=root.subject, summary=root.summary) for root in scaling]
    return Answer(
        findings=told("scaling.verdict", diagnosis, shown),
        notes=notes,
        missing=missing(("MetalLB's pods", diagnosis.snapshot.pods), ("the nodes", diagnosis.snapshot.nodes)),
    )


def _is_scaling(root: Root) -> bool:
    """Whether more resources would help: a taint or selector that keeps a speaker away is no lack of them."""
    short = root.cause == "speaker-unschedulable" and any(
        _SHORT in line for line in (root.summary, *root.evidence)
    )
    return short or root.cause == "controller-cpu-bound"


def stale_consumers(diagnosis: Diagnosis) -> Answer:
    """No service keeps asking for an address that no pool holds any more."""
    seen = diagnosis.snapshot
    stale = [each for each in diagnosis.pending.values() if each.root.cause == "requested-outside-pools"]
    return Answer(
        findings=told("rollback.stale-consumers", diagnosis, (*stale, *_clinging(diagnosis))),
        missing=missing(("the services", seen.services), ("the pools", seen.ip_address_pools)),
    )


def _clinging(diagnosis: Diagnosis) -> Iterator[Explanation]:
    """Services that hold, and ask for, an address which no pool holds."""
    for key, explained in diagnosis.stray.items():
        asked = services.request(diagnosis.facts.services[key]).addresses
        if any(diagnosis.facts.pool_of(each) is None for each in asked):
            yield explained


ANSWERS = {
    "recovery.incident-scope": incident_scope,
    "recovery.address-routable": address_routable,
    "scaling.controller-cpu": controller_cpu,
    "scaling.speaker-scheduling": speaker_scheduling,
    "scaling.verdict": verdict,
    "rollback.stale-consumers": stale_consumers,
}
