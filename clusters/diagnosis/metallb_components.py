"""MetalLB's two workloads as they stand: which version, how set up, which pod on which node."""

from __future__ import annotations

from functools import cached_property

from packaging.version import Version

from clusters.diagnosis.metallb_pods import Placement, Pod, pods
from clusters.metallb import install, versions
from clusters.metallb.install import Install, Settings
from clusters.observation.snapshot import Json, Objects, Snapshot
from clusters.subject import Subject


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
