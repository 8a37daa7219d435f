"""How trouble of a component is told: its state in a sentence, its own words as proof, its commands."""

from __future__ import annotations

from clusters.diagnosis.facts import Facts
from clusters.diagnosis.metallb_pods import Pod
from clusters.diagnosis.signals import Event
from clusters.diagnosis.times import lasting


def state(pod: Pod, who: str) -> str:
    """What a pod that is not ready is up to, in one sentence."""
    if pod.unscheduled:
        return f"{who} cannot be scheduled: {pod.unscheduled}"
    if pod.crashing:
        return (
            f"{who} keeps crashing: {pod.restarts} restarts, the last container ended with {pod.last_exit}."
        )
    if pod.waiting:
        return f"{who} does not start: {pod.waiting}: {pod.message}".rstrip(": ")
    if pod.running:
        return f"{who} has been running for {lasting(pod.started or 0)} and is not ready."
    return f"{who} does not run; its pod is {lasting(pod.age)} old."


def proof(facts: Facts, pod: Pod) -> tuple[str, ...]:
    """The pod's own words: its latest warnings, and the end of the log before its last restart."""
    ready = "ready" if pod.ready else "not ready"
    lines = [f"pod {pod.name} on node {pod.node or '(none)'}: {ready}, {pod.restarts} restarts"]
    lines += [str(event) for event in events(facts, pod) if event.warning][:2]
    tail = facts.saying.earlier_logs.get(pod.name) if pod.crashing else None
    return tuple(lines) + (tail.lines[-3:] if tail else ())


def events(facts: Facts, pod: Pod) -> tuple[Event, ...]:
    """The events of a pod, newest first."""
    return facts.saying.of_metallb.get(f"Pod/{pod.name}", ())


def warnings_on(facts: Facts, kind: str) -> tuple[str, ...]:
    """The latest warnings on the objects of one kind in MetalLB's namespace."""
    of_kind = (each for key, each in facts.saying.of_metallb.items() if key.startswith(f"{kind}/"))
    return tuple(str(event) for found in of_kind for event in found if event.warning)[:2]


#: What mends a pod that the API server refuses to make.
ALLOW = (
    "Mend what the API server's answer names: a quota, the namespace's Pod Security label, an admission policy. "
    "The pod is then made by itself."
)


def refused(facts: Facts, kind: str) -> str:
    """What the API server last answered to an owner of this kind that wants to make a pod; "" where it refused none."""
    of_kind = (each for key, each in facts.saying.of_metallb.items() if key.startswith(f"{kind}/"))
    found = sorted(
        (event for events_of in of_kind for event in events_of if event.reason == "FailedCreate"),
        key=lambda event: event.age,
    )
    return found[0].message.rpartition("Error creating: ")[2] if found else ""


def workload(facts: Facts, part: str) -> str:
    """The controller's or speakers' workload as a finding names it: "deployment controller"."""
    name = facts.components.controller_name if part == "controller" else facts.components.speaker_name
    return name.replace("/", " ")


def fields(facts: Facts, **more: str) -> dict[str, str]:
    """What commands need to name MetalLB's workloads, and `more`."""
    return {
        "metallb_namespace": facts.namespace,
        "controller": facts.components.controller_name,
        "speaker": facts.components.speaker_name,
    } | more
