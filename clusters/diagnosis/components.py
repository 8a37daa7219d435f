"""MetalLB's two workloads as they stand: which version, how set up, which pod on which node."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from packaging.version import Version

from clusters.diagnosis.pods import Placement, Pod, pods
from clusters.metallb import versions
from clusters.observation.pods import component
from clusters.observation.snapshot import Json, Objects, Snapshot

#: What is assumed of a MetalLB whose images name no version: the newest that this suite knows.
UNKNOWN_VERSION = Version("0.16.2")


class Components:
    """Controller and speakers of one Snapshot."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot, self.now = snapshot, now

    @cached_property
    def deployment(self) -> Json | None:
        """The controller's Deployment, None where there is none."""
        return _workload(self.snapshot.deployments, "controller")

    @cached_property
    def daemon_set(self) -> Json | None:
        """The speakers' DaemonSet, None where there is none."""
        return _workload(self.snapshot.daemon_sets, "speaker")

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
        """MetalLB's version by the controller's image, else the speakers'; None where the tags name none."""
        return next((found for image in self._images() if (found := versions.of_image(image))), None)

    @property
    def assumed_version(self) -> Version:
        """The version to decide by where it makes a difference."""
        return self.version or UNKNOWN_VERSION

    @cached_property
    def lb_class(self) -> str:
        """The controller's --lb-class argument, empty where it serves services without a class."""
        return _argument(self.deployment, "controller", "lb-class")

    @cached_property
    def ignores_exclude_label(self) -> bool:
        """Whether the speakers run with --ignore-exclude-lb."""
        return _argument(self.daemon_set, "speaker", "ignore-exclude-lb") in {"true", "True", "1"}

    @cached_property
    def memberlist(self) -> bool:
        """Whether the speakers look after each other; without METALLB_ML_BIND_ADDR they do not.

        Source: `speakerlist.New` in MetalLB's internal/speakerlist/speakerlist.go.
        """
        names = {entry["name"] for entry in _container(self.daemon_set, "speaker").get("env", ())}
        return self.daemon_set is None or "METALLB_ML_BIND_ADDR" in names

    @cached_property
    def memberlist_secret(self) -> str:
        """The secret whose key the speakers mount, empty where they mount none."""
        template = (self.daemon_set or {}).get("spec", {}).get("template", {}).get("spec", {})
        for volume in template.get("volumes", ()):
            name = (volume.get("secret") or {}).get("secretName", "")
            if "memberlist" in volume["name"] or name.endswith("memberlist"):
                return str(name)
        return ""

    @cached_property
    def placement(self) -> Placement:
        """Where the speakers' DaemonSet puts its pods."""
        return Placement.of(self.daemon_set or {})

    @property
    def controller_name(self) -> str:
        """The controller's workload as kubectl takes it."""
        return (
            f"deployment/{self.deployment['metadata']['name']}"
            if self.deployment
            else "deployment/controller"
        )

    @property
    def speaker_name(self) -> str:
        """The speakers' workload as kubectl takes it."""
        return f"daemonset/{self.daemon_set['metadata']['name']}" if self.daemon_set else "daemonset/speaker"

    def _images(self) -> Iterator[str]:
        for workload, part in ((self.deployment, "controller"), (self.daemon_set, "speaker")):
            yield _container(workload, part).get("image", "")
        yield from (pod.image for pod in self.pods)


def _workload(found: Objects, part: str) -> Json | None:
    return next((each for each in found.items if component(each) == part), None)


def _container(workload: Json | None, part: str) -> Json:
    template = (workload or {}).get("spec", {}).get("template", {}).get("spec", {})
    found: list[Json] = template.get("containers", [])
    return next((each for each in found if each["name"] == part), found[0] if found else {})


def _argument(workload: Json | None, part: str, name: str) -> str:
    """The value of a command line argument; "true" for a flag without one, "" where it is not given."""
    for given in _container(workload, part).get("args", ()):
        key, equals, value = str(given).lstrip("-").partition("=")
        if key == name:
            return value if equals else "true"
    return ""
