"""Echo workloads of one check's own: pinned to one replica, scaled away and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import DEPLOYMENTS, PODS
from clusters.changes import Changes
from clusters.errors import Inconclusive
from clusters.wait import NotWithinBudget
from clusters.workloads import builders


@dataclass(frozen=True)
class Echo:
    """One echo workload; `app` is the label that services select it by."""

    api: Api
    changes: Changes
    app: str

    @property
    def namespace(self) -> str:
        """The run's own namespace."""
        return self.changes.namespace()

    @contextmanager
    def scaled(self, replicas: int) -> Iterator[None]:
        """Another number of replicas during the block; afterwards the old one, ready."""
        with self.changes.scaled(DEPLOYMENTS, self.app, replicas, namespace=self.namespace):
            yield

    def nodes(self) -> frozenset[str]:
        """The nodes that its pods run on."""
        return frozenset(pod["spec"]["nodeName"] for pod in self._pods() if pod["spec"].get("nodeName"))

    def address(self) -> str:
        """The address of its one pod; it is ready, so it has one."""
        (pod,) = self._pods()
        return str(pod["status"]["podIP"])

    def _pods(self) -> list[dict[str, Any]]:
        return self.api.list(PODS, self.namespace, labels=f"app={self.app}")


class Echoes:
    """Makes echo workloads; each leaves with the check."""

    def __init__(self, api: Api, changes: Changes, *, image: str, stack: ExitStack) -> None:
        self._api, self._changes, self._image, self._stack = api, changes, image, stack

    def create(self, name: str, *, replicas: int) -> Echo:
        """A new echo workload, ready."""
        unique = self._changes.name(name)
        namespace = self._changes.namespace()
        made = builders.echo_deployment(unique, namespace=namespace, replicas=replicas, image=self._image)
        self._stack.enter_context(self._changes.created(made))
        ready(self._api, namespace, unique)
        return Echo(self._api, self._changes, unique)


def ready(api: Api, namespace: str, name: str) -> None:
    """Wait until every pod of a deployment is ready; Inconclusive where they do not become so."""
    try:
        wait.until(
            f"every pod of deployment {namespace}/{name} is ready",
            read=lambda: _counts(api, namespace, name),
            accept=lambda seen: seen[0] == seen[1],
            budget=budgets.get(budgets.PODS_READY),
        )
    except NotWithinBudget as seen:
        raise Inconclusive(
            f"The workload to test with did not become ready in namespace {namespace}: {seen}",
            remedy="See whether its image (field image of the profile) can be pulled and its pods be scheduled.",
        ) from None


def _counts(api: Api, namespace: str, name: str) -> tuple[int, int]:
    found = api.get(DEPLOYMENTS, name, namespace)
    status = found.get("status", {})
    current = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
    return status.get("readyReplicas", 0) if current else -1, found["spec"]["replicas"]
