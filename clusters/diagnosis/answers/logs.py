"""The logs of controller and speakers (section 1): lines that tell of a failure that still holds.

A line proves what was true when it was written. Where the rest of the observation can tell whether that still
holds (a service waits, a pod is not ready), it decides; what only logs can tell stands as long as
`clusters.metallb.signatures` lets it stand. What has been fixed since is a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.spec import ALLOCATION
from clusters.diagnosis.answer import Answer, sentence
from clusters.diagnosis.diagnosis import Diagnosis
from clusters.diagnosis.metallb_components import Pod
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.metallb.signatures import Hit
from clusters.subject import Subject

#: Causes that nothing but a log tells; a certain line about one of them is a root by itself.
_ONLY_LOGS = frozenset({CauseId.CRD_OUTDATED, CauseId.CONFIG_REJECTED})
#: Causes for which MetalLB has the same words as for another one.
_SAME_WORDS = {
    CauseId.POOL_EXHAUSTED: frozenset(
        {CauseId.POOL_AUTOASSIGN_OFF, CauseId.POOL_RESTRICTED, CauseId.FAMILY_UNAVAILABLE}
    ),
    CauseId.FAMILY_UNAVAILABLE: frozenset({CauseId.POOL_EXHAUSTED, CauseId.POOL_RESTRICTED}),
    CauseId.REQUESTED_TAKEN: frozenset({CauseId.SHARING_REFUSED}),
}
#: Levels at which MetalLB leaves out lines that some failures are told by.
_QUIET = frozenset({"warn", "error", "none"})
_HOMES = {"controller": CheckId.HEALTH_CONTROLLER_LOG, "speaker": CheckId.HEALTH_SPEAKER_LOG}
#: What shows whether a line still holds.
_NEEDS = {
    "controller": ("services", "ip_address_pools", "service_events", *ALLOCATION),
    "speaker": ("nodes", "daemon_sets", "ip_address_pools", "l2_advertisements", "node_leases"),
}


@dataclass
class _Read:
    """What was made of the logs of one component."""

    explanations: list[Explanation]
    roots: list[RootCause]
    notes: list[str]


def controller_log(diagnosis: Diagnosis) -> Answer:
    """The controller's last lines hold no known failure."""
    return _answer(diagnosis, "controller")


def speaker_log(diagnosis: Diagnosis) -> Answer:
    """The last lines of every speaker hold no known failure."""
    return _answer(diagnosis, "speaker")


def _answer(diagnosis: Diagnosis, component: str) -> Answer:
    pods = [pod for pod in diagnosis.facts.components.pods if pod.component == component]
    read = _Read([], [], [])
    for pod in pods:
        for hit in diagnosis.facts.hits.get(pod.name, ()):
            _sort(diagnosis, pod, hit, read)
    unread = [
        sentence(f"the log of pod {pod.name}", tail)
        for pod in pods
        if (tail := diagnosis.facts.signals.logs.get(pod.name)) and not tail.known
    ]
    roots = {root.key: root for root in (*read.roots, *diagnosis.root_causes)}
    if component == "speaker" and diagnosis.facts.needs_no_speaker:
        return Answer(unsupported="There is no speaker: something else announces every pool.")
    found = {explained.root.key: explained for explained in read.explanations}
    return Answer(
        needs=_NEEDS[component],
        explanations=tuple(found.values()),
        root_causes=tuple(roots.values()),
        notes=(*read.notes, *_how_much(diagnosis, pods)),
        missing=(*unread, *_unknown(diagnosis, component, pods)),
    )


def _how_much(diagnosis: Diagnosis, pods: list[Pod]) -> Iterator[str]:
    """How much there was to read: a log that says nothing proves little, and less where little is logged."""
    tails = [tail for pod in pods if (tail := diagnosis.facts.signals.logs.get(pod.name)) and tail.known]
    lines = [len(tail.lines) + tail.noise for tail in tails]
    if tails:
        noise = sum(tail.noise for tail in tails)
        repeated = f", {noise} of them noise that repeats" if noise else ""
        since = min((tail.since for tail in tails if tail.since), default="")
        from_then = f", the oldest of {since}" if since else ""
        yield f"{sum(lines)} lines of {_pods(len(tails))} were read{repeated}{from_then}"
    if silent := [tail.pod for tail, count in zip(tails, lines, strict=True) if not count]:
        yield f"the log of {', '.join(silent[:5])} is empty, so it tells of no failure and of no health"
    levels = {
        each.settings.log_level
        for each in (
            diagnosis.facts.components.install.controller,
            diagnosis.facts.components.install.speaker,
        )
        if each and pods and each.component == pods[0].component
    }
    if quiet := sorted(levels & _QUIET):
        yield f"the {pods[0].component} logs at level {quiet[0]} only: what it does at level info goes unseen"


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"


def _unknown(diagnosis: Diagnosis, component: str, pods: list[Pod]) -> Iterator[str]:
    if not diagnosis.snapshot.pods.ok:
        yield sentence("MetalLB's pods", diagnosis.snapshot.pods)
    elif not pods:
        yield f"There is no {component} whose log could be read."


def _sort(diagnosis: Diagnosis, pod: Pod, hit: Hit, read: _Read) -> None:
    """What one line comes to: a known root cause shows in it, it is one itself, or it has been fixed since."""
    line = f"pod {pod.name}: {hit.line}"
    if root := _known(diagnosis, pod, hit):
        told_of = Explanation(root=root, subject=root.subject, summary=root.summary, evidence=(line,))
        read.explanations.append(told_of)
    elif hit.signature.certain and hit.cause in _ONLY_LOGS:
        read.roots.append(
            RootCause(
                cause=hit.cause,
                subject=Subject(pod.component, pod.name),
                summary=f"Pod {pod.name} logged this {_times(hit.count)}: {hit.line}",
                evidence=(line,),
                reporter=_HOMES[pod.component],
                fields=diagnosis.facts.command_fields(node=pod.node),
            )
        )
    else:
        read.notes.append(f"logged earlier, and no longer the case ({hit.cause}): {line}")


def _known(diagnosis: Diagnosis, pod: Pod, hit: Hit) -> RootCause | None:
    """The root cause that a line is about, among those that are known to hold."""
    same = [root for root in diagnosis.root_causes if root.cause == hit.cause]
    named = [Subject(kind, name) for kind, name in hit.subjects.items()]
    named.append(diagnosis.facts.components.workload(pod.component))
    exact = [root for root in same if root.subject in named]
    if same:
        return (exact or same)[0]
    if not hit.signature.id.startswith("allocation-"):
        return None
    for key, explained in diagnosis.pending.items():
        since = diagnosis.facts.now - diagnosis.facts.age(key)
        written = hit.when.timestamp() if hit.when else since
        if explained.root.cause in _SAME_WORDS.get(hit.cause, ()) and written >= since:
            return explained.root
    return None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
