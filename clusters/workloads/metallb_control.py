"""MetalLB's own pods: taken away from a node, and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, NODES, PODS
from clusters.changes import Changes
from clusters.errors import Inconclusive
from clusters.metallb import install
from clusters.objects import Object, status_of
from clusters.observation import announcers

HOLD = "metallb-conformance/hold"
"""The key of the taint that keeps a speaker's pod from coming back; only what tolerates all tolerates it."""


@dataclass(frozen=True)
class MetalLB:
    """The MetalLB of a cluster, as something that can be disturbed."""

    api: Api
    changes: Changes
    namespace: str

    def speaker_on(self, node: str) -> Object:
        """The speaker pod on a node. Raises Inconclusive where there is none."""
        for pod in announcers.speakers(self.api, self.namespace):
            if pod["spec"].get("nodeName") == node:
                return pod
        raise Inconclusive(f"No speaker runs on node {node}, so none can be taken away there.")

    def delete_speaker(self, node: str, *, grace: int | None = None) -> None:
        """Delete the speaker's pod on a node; its DaemonSet makes another as soon as it may."""
        self._delete(self.speaker_on(node), grace=grace)

    def restart_controller(self) -> None:
        """Delete the controller's pods and wait until its Deployment is available with others."""
        old = [
            pod for pod in self.api.list(PODS, self.namespace) if install.component_of(pod) == "controller"
        ]
        for pod in old:
            self._delete(pod)
        gone = {pod["metadata"]["uid"] for pod in old}
        wait.until(
            "another controller is ready",
            read=lambda: self._ready_controllers() - gone,
            accept=bool,
            budget=budgets.get(budgets.PODS_READY),
        )

    @contextmanager
    def held_away(self, node: str) -> Iterator[None]:
        """Keep new speakers from a node by a taint; after the block wait until one is ready there again."""
        taints = self.api.get(NODES, node)["spec"].get("taints") or []
        held = [*taints, {"key": HOLD, "value": "", "effect": "NoSchedule"}]
        with self.changes.patched(
            NODES, node, {"spec": {"taints": held}}, foreign="the speaker is held away"
        ):
            yield
        self.speaker_ready_on(node)

    @contextmanager
    def only_on(self, node: str) -> Iterator[None]:
        """Keep the speakers of all other nodes away for the block."""
        others = [
            pod["spec"]["nodeName"]
            for pod in announcers.speakers(self.api, self.namespace)
            if pod["spec"]["nodeName"] != node
        ]
        with ExitStack() as stack:
            for other in others:
                stack.enter_context(self.held_away(other))
                self.delete_speaker(other)
            wait.until(
                f"a speaker runs on {node} alone",
                read=lambda: {
                    one["spec"]["nodeName"] for one in announcers.speakers(self.api, self.namespace)
                },
                accept=lambda seen: seen == {node},
                budget=budgets.get(budgets.POD_GONE),
            )
            yield

    def speaker_ready_on(self, node: str) -> None:
        """Wait until a ready speaker runs on a node."""
        wait.until(
            f"a ready speaker runs on {node}",
            read=lambda: [
                pod["metadata"]["name"]
                for pod in announcers.speakers(self.api, self.namespace)
                if pod["spec"].get("nodeName") == node and _is_ready(pod)
            ],
            accept=bool,
            budget=budgets.get(budgets.PODS_READY),
        )

    def speakers_ready(self) -> None:
        """Wait until every speaker that is wanted is ready."""
        wait.until(
            "every speaker that its DaemonSet wants is ready",
            read=self._speaker_counts,
            accept=lambda seen: seen[0] == seen[1] > 0,
            budget=budgets.get(budgets.PODS_READY),
        )

    def rolled_out(self) -> None:
        """Wait until the controller's Deployment runs as it is now, and nothing of an earlier one is left."""
        wait.until(
            "the controller's Deployment is rolled out",
            read=self.deployment,
            accept=_is_rolled_out,
            budget=budgets.get(budgets.ROLLOUT),
        )

    def controller_ready(self) -> None:
        """Wait until the controller's Deployment has every replica that it wants."""
        wait.until(
            "the controller is ready",
            read=self._ready_controllers,
            accept=bool,
            budget=budgets.get(budgets.PODS_READY),
        )

    def unready(self) -> list[str]:
        """What of MetalLB does not run as it should, a sentence each; empty where all of it does."""
        try:
            speakers, wanted = self._speaker_counts()
            controllers = int(self.deployment()["spec"].get("replicas", 1))
        except Inconclusive as missing:
            return [str(missing).rstrip(".")]
        ready = len(self._ready_controllers())
        found = [f"{ready} of {controllers} controllers are ready"] if ready < max(controllers, 1) else []
        if not speakers == wanted > 0:
            found.append(f"{max(speakers, 0)} of {wanted} speakers are ready")
        return found

    def pods(self) -> list[str]:
        """The names of all pods of MetalLB, those that are ending included."""
        found = self.api.list(PODS, self.namespace)
        return [pod["metadata"]["name"] for pod in found if install.component_of(pod)]

    def daemon_set(self) -> Object:
        """The speakers' DaemonSet."""
        return self._workload(DAEMON_SETS, "speaker")

    def deployment(self) -> Object:
        """The controller's Deployment."""
        return self._workload(DEPLOYMENTS, "controller")

    def _workload(self, kind: Any, part: str) -> Object:
        for found in self.api.list(kind, self.namespace):
            if install.component_of(found) == part:
                return found
        raise Inconclusive(f"Namespace {self.namespace} has no {part} of MetalLB.")

    def _speaker_counts(self) -> tuple[int, int]:
        found = self.daemon_set()
        status = status_of(found)
        current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
        # The counts lag behind a pod that was just deleted; the pods themselves do not.
        alive = len(announcers.speakers(self.api, self.namespace))
        ready = min(status.get("numberReady", 0), alive)
        if found["spec"].get("updateStrategy", {}).get("type") != "OnDelete":
            ready = min(
                ready, status.get("updatedNumberScheduled", 0)
            )  # pods of before the change do not count
        return ready if current else -1, status.get("desiredNumberScheduled", 0)

    def _ready_controllers(self) -> frozenset[str]:
        return frozenset(
            pod["metadata"]["uid"]
            for pod in self.api.list(PODS, self.namespace)
            if install.component_of(pod) == "controller" and _is_ready(pod)
        )

    def _delete(self, pod: Object, *, grace: int | None = None) -> None:
        why = "its owner makes another"
        self.changes.delete(PODS, pod["metadata"]["name"], self.namespace, grace=grace, foreign=why)


def _is_ready(pod: Object) -> bool:
    conditions = status_of(pod).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _is_rolled_out(found: Object) -> bool:
    status, wanted = status_of(found), found["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")}
    return current and counts == {wanted}
