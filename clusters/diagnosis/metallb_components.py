"""MetalLB's two workloads as they stand: which version, how set up, which pod on which node, and in what state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from packaging.version import Version

from clusters.diagnosis.signals import Signals, lasting, seconds
from clusters.metallb import install, selectors, versions
from clusters.metallb.install import Install, Settings, component_of
from clusters.metallb.selectors import LabelSelector, Requirement, SelectorError
from clusters.observation.snapshot import Json, Objects, Snapshot
from clusters.subject import Subject

#: How long a pod may take to become ready before that counts as trouble: MetalLB's own readiness probe looks
#: first after 10 s and then every 10 s.
STARTING = 30.0
#: A container that came up this recently after repeated failures is still in its crash loop, ready or not.
FRESH_RESTART = 30.0
#: The DaemonSet controller adds these tolerations by itself (k8s.io/kubernetes pkg/controller/daemon/util).
_TOLERATED_BY_DAEMONS = frozenset(
    f"node.kubernetes.io/{name}"
    for name in (
        "not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable",
        "network-unavailable",
    )
)  # fmt: skip
_STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "ErrImageNeverPull",
    }
)

#: What to do about a pod that the API server refuses to create.
POD_REFUSED = (
    "Fix what the API server's answer names: a quota, the namespace's Pod Security label, an admission policy. "
    "The pod is then created without anything else being done."
)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod of MetalLB's. `node` is where it runs or is meant to run; `age` in seconds.

    `waiting` and `message` say what its main container waits for; `started` is how long it has been running,
    None where it is not, and `ready_for` how long it has been ready; `unscheduled` is the scheduler's
    sentence, or empty.
    """

    name: str
    uid: str
    component: str
    node: str
    ready: bool
    running: bool
    deleting: bool
    age: float
    restarts: int
    image: str
    waiting: str = ""
    message: str = ""
    started: float | None = None
    ready_for: float = 0.0
    last_exit: str = ""
    unscheduled: str = ""

    @property
    def crashing(self) -> bool:
        """Whether it is in a crash loop: backing off, or just up again after failing more than once."""
        if self.waiting == "CrashLoopBackOff":
            return True
        fresh = self.started is not None and self.started < FRESH_RESTART
        failed = bool(self.last_exit) and not self.ready
        return self.restarts > 0 and (failed or (self.restarts > 1 and fresh and bool(self.last_exit)))

    @property
    def stuck(self) -> bool:
        """Whether it waits for something that does not come by itself."""
        return self.waiting in _STUCK

    @property
    def short_of_resources(self) -> bool:
        """Whether no node has room for it. The scheduler says so in its sentence, and nowhere else."""
        return "Insufficient" in self.unscheduled

    @property
    def starting(self) -> bool:
        """Whether it is simply young: nothing is wrong yet."""
        return not (self.ready or self.crashing or self.stuck or self.unscheduled) and self.age < STARTING

    def describe(self, who: str) -> str:
        """What a pod that is not ready is doing, in one sentence about `who` ("The controller")."""
        if self.unscheduled:
            return f"{who} cannot be scheduled: {self.unscheduled}"
        if self.crashing:
            return f"{who} keeps crashing: {self.restarts} restarts, the last container ended with {self.last_exit}."
        if self.waiting:
            return f"{who} does not start: {self.waiting}: {self.message}".rstrip(": ")
        if self.running:
            return f"{who} has been running for {lasting(self.started or 0)} and is not ready."
        return f"{who} does not run; its pod is {lasting(self.age)} old."

    def evidence(self, signals: Signals) -> tuple[str, ...]:
        """Its state, its latest warnings, and where it crashes the end of the log before its last restart."""
        ready = "ready" if self.ready else "not ready"
        lines = [f"pod {self.name} on node {self.node or '(none)'}: {ready}, {self.restarts} restarts"]
        lines += [str(event) for event in signals.of_pod(self.name) if event.warning][:2]
        tail = signals.earlier_logs.get(self.name) if self.crashing else None
        return tuple(lines) + (tail.lines[-3:] if tail else ())


def pods(found: Iterable[Json], *, now: float) -> tuple[Pod, ...]:
    """Controller and speaker pods of MetalLB's namespace; pods that have ended are left out."""
    return tuple(
        _pod(each, part, now)
        for each in found
        if (part := component_of(each)) and each.get("status", {}).get("phase") not in {"Succeeded", "Failed"}
    )


def _pod(found: Json, part: str, now: float) -> Pod:
    about, spec, status = found["metadata"], found["spec"], found.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    main = _main(status.get("containerStatuses", ()), part)
    state = main.get("state", {})
    waiting = state.get("waiting", {})
    ended = main.get("lastState", {}).get("terminated") or state.get("terminated") or {}
    placed = conditions.get("PodScheduled", {})
    return Pod(
        name=about["name"],
        uid=about.get("uid", ""),
        component=part,
        node=spec.get("nodeName") or _meant_for(spec),
        ready=conditions.get("Ready", {}).get("status") == "True",
        running="running" in state,
        deleting="deletionTimestamp" in about,
        age=now - (seconds(about.get("creationTimestamp")) or now),
        restarts=main.get("restartCount", 0),
        image=main.get("image") or _image(spec, part),
        waiting=waiting.get("reason", ""),
        message=waiting.get("message", ""),
        started=_running_for(state, now),
        ready_for=now - (seconds(conditions.get("Ready", {}).get("lastTransitionTime")) or now),
        last_exit=_exit(ended),
        unscheduled=placed.get("message", "not scheduled") if placed.get("status") == "False" else "",
    )


def _running_for(state: Json, now: float) -> float | None:
    began = seconds(state.get("running", {}).get("startedAt"))
    return None if began is None else now - began


def _exit(ended: Json) -> str:
    """How the last container ended, empty where it ended well or never did."""
    if not ended or ended.get("exitCode") == 0:
        return ""
    return f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode', '?')}"


def _main(statuses: Iterable[Json], part: str) -> Json:
    found = list(statuses)
    return next((each for each in found if each["name"] == part), found[0] if found else {})


def _image(spec: Json, part: str) -> str:
    containers = spec.get("containers", ())
    image: str = next((each.get("image", "") for each in containers if each["name"] == part), "")
    return image


def _meant_for(spec: Json) -> str:
    """The node that a DaemonSet made this pod for: it says so by a node affinity on the node's name."""
    for term in _terms(spec):
        for field in term.get("matchFields", ()):
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def _terms(spec: Mapping[str, Any]) -> list[Json]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    wanted = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms: list[Json] = wanted.get("nodeSelectorTerms") or []
    return terms


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a DaemonSet puts its pods: the template's node selector, affinity and tolerations."""

    selector: Mapping[str, str]
    terms: tuple[LabelSelector, ...]
    tolerations: tuple[Json, ...]

    @classmethod
    def of(cls, daemon_set: Json) -> Placement:
        """Read from a DaemonSet. A term that cannot be read counts as met: nothing is guessed from it."""
        spec = daemon_set.get("spec", {}).get("template", {}).get("spec", {})
        terms = [term for term in _terms(spec) if term.get("matchExpressions")]
        return cls(
            selector=spec.get("nodeSelector") or {},
            terms=tuple(_selector(term) for term in terms),
            tolerations=tuple(spec.get("tolerations") or ()),
        )

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is one that the DaemonSet is meant for."""
        if any(labels.get(key) != value for key, value in self.selector.items()):
            return False
        return not self.terms or selectors.any_matches(self.terms, labels)

    def repelled(self, taints: Iterable[Json]) -> Json | None:
        """The first taint that keeps the DaemonSet's pod away from a node, or None."""
        for taint in taints:
            harmless = taint.get("effect") == "PreferNoSchedule" or taint["key"] in _TOLERATED_BY_DAEMONS
            if not harmless and not any(_tolerates(each, taint) for each in self.tolerations):
                return taint
        return None


def _selector(term: Json) -> LabelSelector:
    try:
        return selectors.parse({"matchExpressions": term["matchExpressions"]})
    except SelectorError:  # Gt and Lt exist for nodes only
        return LabelSelector(tuple[Requirement, ...]())


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in {None, "", taint.get("effect")}:
        return False
    if not toleration.get("key"):
        return toleration.get("operator") == "Exists"
    if toleration["key"] != taint["key"]:
        return False
    return toleration.get("operator") == "Exists" or (toleration.get("value") or "") == (
        taint.get("value") or ""
    )


class Components:
    """Controller and speakers of one Snapshot."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot, self.now = snapshot, now

    @cached_property
    def install(self) -> Install:
        """Both workloads as they are set up; either may be missing."""
        return install.detect(
            self.snapshot.deployments.items,
            self.snapshot.daemon_sets.items,
            namespace=self.snapshot.metallb_namespace,
        )

    @cached_property
    def deployment(self) -> Json | None:
        """The controller's Deployment, None where there is none."""
        found = self.install.controller
        return _named(self.snapshot.deployments, found.name) if found else None

    @cached_property
    def daemon_set(self) -> Json | None:
        """The speakers' DaemonSet, None where there is none."""
        found = self.install.speaker
        return _named(self.snapshot.daemon_sets, found.name) if found else None

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """Controller and speaker pods that have not ended."""
        return pods(self.snapshot.pods.items, now=self.now)

    @cached_property
    def controllers(self) -> tuple[Pod, ...]:
        """The controller's pods; those that are on their way out only where there are no others."""
        found = [pod for pod in self.pods if pod.component == "controller"]
        return tuple(pod for pod in found if not pod.deleting) or tuple(found)

    @cached_property
    def speakers(self) -> dict[str, Pod]:
        """The speaker of each node, the newest where two overlap in a rollout."""
        found = [pod for pod in self.pods if pod.component == "speaker" and pod.node]
        found.sort(key=lambda pod: (not pod.deleting, -pod.age))
        return {pod.node: pod for pod in found}

    @property
    def installed(self) -> bool:
        """Whether anything of MetalLB is there."""
        return bool(self.deployment or self.daemon_set or self.pods)

    @cached_property
    def version(self) -> Version | None:
        """MetalLB's version by its workloads' images or labels, else its pods' images, else its own words in the log.

        None where none of them names one: then it is not known, and nothing is decided by a guess.
        """
        of_pods = (versions.of_image(pod.image) for pod in self.pods)
        of_logs = (versions.of_log(tail.lines) for tail in self.snapshot.logs if not tail.previous)
        known = self.install.version or next((found for found in of_pods if found), None)
        return known or next((found for found in of_logs if found), None)

    @property
    def assumed_version(self) -> Version:
        """The version to decide by where it makes a difference."""
        return self.version or versions.ASSUMED

    @property
    def lb_class(self) -> str:
        """The controller's --lb-class argument, empty where it serves services without a class."""
        return self.install.controller.settings.lb_class if self.install.controller else ""

    @property
    def speaking(self) -> Settings | None:
        """How the speakers are started, None where there is no DaemonSet."""
        return self.install.speaker.settings if self.install.speaker else None

    @cached_property
    def placement(self) -> Placement:
        """Where the speakers' DaemonSet puts its pods."""
        return Placement.of(self.daemon_set or {})

    @property
    def controller_name(self) -> str:
        """The controller's workload as kubectl takes it."""
        return self.install.controller.reference if self.install.controller else "deployment/controller"

    @property
    def speaker_name(self) -> str:
        """The speakers' workload as kubectl takes it."""
        return self.install.speaker.reference if self.install.speaker else "daemonset/speaker"

    def workload(self, component: str) -> Subject:
        """The workload of a component as a finding names it: "deployment controller"."""
        name = self.controller_name if component == "controller" else self.speaker_name
        return Subject(*name.split("/"))


def _named(found: Objects, name: str) -> Json | None:
    return next((each for each in found.items if each["metadata"]["name"] == name), None)
