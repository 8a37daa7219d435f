"""Section 1 of the runbook: pods, configuration, addresses, probes, events, and how far trouble reaches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks import Scope
from clusters.checks.causes import Effect, Layer, get, having
from clusters.checks.spec import ALLOCATION, ELECTION
from clusters.diagnosis import root_cause, unread_lists
from clusters.diagnosis.answer import Answer, missing, sentence, unpermitted
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.metallb_components import Pod
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.diagnosis.signals import Event, lasting
from clusters.metallb import signatures, versions
from clusters.metallb.install import component_of
from clusters.metallb.versions import Feature
from clusters.observation import surroundings
from clusters.observation.snapshot import Part, PodMetrics, Snapshot
from clusters.subject import Subject

#: A warning counts as current while it is repeated: kubelet probes every 10 s.
_CURRENT, _REPEATED = 30.0, 3
#: As many objects that cannot be read are told one by one.
_TOLD = 20
_ALLOCATION = frozenset({"AllocationFailed", "LoadBalancerFailed", "InternalError", "not enough clusterips"})

#: The event of a service that prefers both families and gets one.
_SECOND_FAMILY = "AdditionalAssignFailed"
_DOWN = {"controller": CauseId.CONTROLLER_DOWN, "speaker": CauseId.SPEAKER_DOWN}


def pods_ready(diagnosis: Diagnosis) -> Answer:
    """Controller and speakers run and are ready wherever they are meant to."""
    seen, found = diagnosis.snapshot, diagnosis.facts.components
    unready = {Subject.node(pod.node) for pod in found.speakers.values() if not pod.ready}
    unready |= {Subject.node(pod.node) for pod in found.controllers if not pod.ready}
    shown = [
        _as_is(root)
        for cause in having(Effect.PODS_NOT_READY)
        for root in diagnosis.known.get(cause, ())
        if root.subject in unready
        or root.cause == CauseId.SPEAKER_UNSCHEDULABLE
        or not any(_ready(found.controllers))
    ]
    restarts = [f"pod {pod.name} has restarted {pod.restarts} times" for pod in found.pods if pod.restarts]
    starting = [
        f"pod {pod.name} is only {pod.age:.0f} s old and not ready yet" for pod in found.pods if pod.starting
    ]
    return Answer(
        explanations=tuple(shown),
        notes=(*restarts, *starting, *_beside(seen)),
        missing=missing(
            ("MetalLB's pods", seen.pods),
            ("its Deployment", seen.deployments),
            ("its DaemonSet", seen.daemon_sets),
            ("the nodes", seen.nodes),
        ),
    )


def _beside(seen: Snapshot) -> Iterator[str]:
    """A sentence on each pod of MetalLB's namespace that is neither controller nor speaker and is not ready."""
    for raw in seen.pods.items:
        status = raw.get("status") or {}
        ready = any(
            each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ()
        )
        if not ready and not component_of(raw) and status.get("phase") not in {"Succeeded", "Failed"}:
            yield f"pod {raw['metadata']['name']}, which is neither controller nor speaker, is not ready"


def _ready(pods: Iterable[Pod]) -> Iterator[bool]:
    return (pod.ready for pod in pods)


def _as_is(root: RootCause) -> Explanation:
    return Explanation(root=root, subject=root.subject, summary=root.summary)


def config_present(diagnosis: Diagnosis) -> Answer:
    """There are pools and advertisements, and every pool is advertised."""
    seen = diagnosis.snapshot
    bgp = [f"pool {name} is announced by BGP alone" for name in sorted(diagnosis.facts.bgp_only)]
    bgp += [f"pool {name}: {why}" for name, why in sorted(diagnosis.facts.announced_by_others.items())]
    return Answer(
        needs=("nodes", "bgp_advertisements"),
        notes=(*bgp, *_not_looked_for(diagnosis)),
        missing=missing(("the pools", seen.ip_address_pools), ("the advertisements", seen.l2_advertisements)),
    )


def _not_looked_for(diagnosis: Diagnosis) -> Iterator[str]:
    seen = diagnosis.snapshot
    known = (surroundings.gateways(seen), surroundings.networks(seen))
    yield from list(surroundings.unknown(diagnosis.facts.pools, *known))[:_TOLD]


def services_addressed(diagnosis: Diagnosis) -> Answer:
    """Every service holds an address of a pool, and none is held twice without a sharing key."""
    seen = diagnosis.snapshot
    explanations = (*diagnosis.pending.values(), *diagnosis.outside_intended_pool.values())
    return Answer(
        needs=ALLOCATION,
        explanations=tuple(explanations),
        missing=missing(("the services", seen.services), ("the pools", seen.ip_address_pools)),
    )


def probes(diagnosis: Diagnosis) -> Answer:
    """Probes pass, and no current warning hangs on a pod of MetalLB's."""
    explanations = [found for pod in diagnosis.facts.components.pods for found in _probe(diagnosis, pod)]
    told = {line for each in explanations for line in each.evidence}
    return Answer(
        needs=("nodes", "deployments", "daemon_sets"),
        explanations=tuple(explanations),
        notes=tuple(line for line in _passing(diagnosis) if line.partition(": ")[2] not in told)[:_TOLD],
        missing=missing(
            ("MetalLB's pods", diagnosis.snapshot.pods), ("their events", diagnosis.snapshot.events)
        ),
    )


def _passing(diagnosis: Diagnosis) -> Iterator[str]:
    """Warnings on pods that are over, or too few to be a finding."""
    for pod in diagnosis.facts.components.pods:
        for event in diagnosis.facts.signals.of_pod(pod.name):
            if event.warning and _of(event, pod):
                yield f"pod {pod.name}, {lasting(event.age)} ago: {event}"


def _probe(diagnosis: Diagnosis, pod: Pod) -> Iterator[Explanation]:
    """What a pod's probes or warnings say, if that is current."""
    warnings = [
        event for event in diagnosis.facts.signals.of_pod(pod.name) if event.warning and _of(event, pod)
    ]
    # What was said before the pod became ready is over: probes fail while a pod starts.
    before = pod.ready_for if pod.ready else math.inf
    lasting = [each for each in warnings if each.age < min(_CURRENT, before) and each.count >= _REPEATED]
    if pod.deleting or pod.starting or (pod.ready and not lasting):
        return
    said = tuple(str(event) for event in (lasting or warnings)[:2])
    root = _behind(diagnosis, pod)
    if root is None and lasting:
        hit = signatures.match_event(lasting[0].reason, lasting[0].message, pod_of=pod.component)
        root = RootCause(
            cause=(hit.cause if hit else "") or _DOWN[pod.component],
            subject=Subject.node(pod.node) if pod.component == "speaker" else Subject("pod", pod.name),
            summary=f"Pod {pod.name} keeps getting warnings: {lasting[0].message}",
            reporter=CheckId.HEALTH_PROBES,
            fields=diagnosis.facts.command_fields(node=pod.node),
        )
    if root:
        summary = f"Pod {pod.name} is {'ready' if pod.ready else 'not ready'}: {root.summary}"
        yield Explanation(root=root, subject=root.subject, summary=summary, evidence=said)


def _of(event: Event, pod: Pod) -> bool:
    """Whether an event is of this very pod, rather than of one before it with the same name."""
    return not event.uid or not pod.uid or event.uid == pod.uid


def _behind(diagnosis: Diagnosis, pod: Pod) -> RootCause | None:
    """The root that keeps a pod from being ready."""
    causes = having(Effect.STOPS_CONTROLLER if pod.component == "controller" else Effect.STOPS_SPEAKER)
    places = {Subject.node(pod.node), diagnosis.facts.components.workload(pod.component)}
    for root in diagnosis.known_causes:
        if root.cause in causes and root.subject in places:
            return root
        if root.cause == CauseId.MEMBERLIST_SECRET_MISSING and pod.component == "speaker" and not pod.ready:
            return root
    return None


def allocation_events(diagnosis: Diagnosis) -> Answer:
    """No service's event stream holds an allocation failure that still holds."""
    said = diagnosis.facts.signals.of_services
    explanations = [
        explained
        for key, explained in diagnosis.pending.items()
        if any(event.reason in _ALLOCATION for event in said.get(key, ()))
    ]
    resolved = [
        f"service {key} has an address now; {event}"
        for key in diagnosis.facts.addressed
        for event in said.get(key, ())
        if event.reason in _ALLOCATION
    ]
    halves = [
        f"service {key} has an address of one family and not of the other, {lasting(event.age)} ago: {event}"
        for key, service in diagnosis.facts.addressed.items()
        for event in said.get(key, ())[:1]
        if event.reason == _SECOND_FAMILY and len({each.version for each in service.ingress}) == 1
    ]
    return Answer(
        needs=("ip_address_pools", *ALLOCATION),
        explanations=tuple(explanations),
        notes=(*(f"resolved: {line}" for line in resolved[:10]), *halves[:10]),
        missing=missing(
            ("the services", diagnosis.snapshot.services), ("their events", diagnosis.snapshot.service_events)
        ),
    )


def how_far(diagnosis: Diagnosis) -> Answer:
    """How far what was found reaches is a note; only trouble of the whole cluster fails this check.

    A login that may not read all of the cluster cannot tell that of it either.
    """
    seen = diagnosis.snapshot
    reach = root_cause.widest_reach(diagnosis.root_causes)
    wide = [root for root in diagnosis.root_causes if root_cause.reach_of(root) is Scope.CLUSTER]
    found = "nothing was found" if reach is Scope.NONE else f"it affects {_named(reach, diagnosis)}"
    return Answer(
        needs=unread_lists.lists(seen, but="secrets"),
        explanations=tuple(_as_is(root) for root in wide),
        notes=(f"scope {reach}: {found}", *_unreadable(seen)),
        missing=missing(
            ("the services", seen.services),
            ("the pools", seen.ip_address_pools),
            ("MetalLB's pods", seen.pods),
        )
        or unpermitted(seen),
    )


def _unreadable(seen: Snapshot) -> Iterator[str]:
    """The objects that nobody could judge, told once in a run."""
    yield from map(str, seen.unreadable[:_TOLD])
    if rest := len(seen.unreadable[_TOLD:]):
        yield f"And {rest} more objects cannot be read."


def _named(reach: Scope, diagnosis: Diagnosis) -> str:
    subjects = sorted({root.subject for root in diagnosis.root_causes if root_cause.reach_of(root) is reach})
    return ", ".join(subjects[:8]) + (" and more" if len(subjects) > 8 else "")


def config_accepted(diagnosis: Diagnosis) -> Answer:
    """MetalLB has accepted the configuration it is given."""
    seen = diagnosis.snapshot
    shown = [
        _as_is(root)
        for cause in having(Effect.REFUSES_CONFIGURATION)
        for root in diagnosis.known.get(cause, ())
        if diagnosis.refused
    ]
    if seen.dry_run.webhook_failed:
        down = [cause for cause in having(Effect.STOPS_CONTROLLER) if get(cause).layer is Layer.METALLB]
        shown += [_as_is(root) for cause in down for root in diagnosis.known.get(cause, ())]
    if diagnosis.cut_off:
        shown.append(diagnosis.cut_off)
    # Each pod reads the configuration by itself, so that one of them may refuse what the others take.
    metrics = next((page for page in seen.metrics if not page.ok), None) or _unread(seen.metrics)
    sources = (
        ("the answer to a dry run", seen.dry_run),
        ("MetalLB's ConfigurationStates", seen.configuration_states),
        ("its metrics", metrics),
    )
    unread = [sentence(what, part) for what, part in sources if not part.ok]
    gate = versions.supports(diagnosis.facts.components.version, Feature.CONFIGURATION_STATE)
    notes = [gate.reason] if not gate else []
    return Answer(
        needs=(*ELECTION, "deployments", "webhooks", "configuration_states"),
        explanations=tuple(shown),
        notes=(*notes, *unread),
        missing=tuple(unread) if len(unread) == len(sources) else (),
    )


def _unread(pages: Sequence[PodMetrics]) -> Part:
    return pages[0] if pages else Part(detail="MetalLB has no pods")
