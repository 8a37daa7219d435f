"""Pods of one check's own: echo workloads behind a service, and probe pods in front of one.

What probe pods reach says nothing of what is reached from outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import DEPLOYMENTS, PODS
from clusters.changes import Changes
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import Inconclusive
from clusters.wait import NotWithinBudget
from clusters.workloads import builders
from suites.scenes.own_services import Service


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


PODS_WANTED = 2
"""Probe pods, spread over the nodes: on two of them where there are two."""
CONTROL = "backend"
"""The target that no kube-proxy has a part in: whoever does not reach it proves nothing by what else it misses."""

#: What each probe pod reaches, or does not, as a sentence says it: ("node1", "backend", True).
Readings = tuple[tuple[str, str, bool], ...]


class InClusterProbes:
    """Makes probe pods; they leave with the check."""

    def __init__(self, api: Api, changes: Changes, *, image: str, stack: ExitStack) -> None:
        self._api, self._changes, self._image, self._stack = api, changes, image, stack

    def reach(self, service: Service, backend: Echo) -> frozenset[str]:
        """Wait until the pods reach the service both ways; the nodes that they are on.

        BrokenPromise where they reach its one backend's pod and not the service, Inconclusive where not even that.
        """
        address, port = service.assigned(), builders.HTTP_PORT
        targets = {
            CONTROL: (backend.address(), builders.CONTAINER_HTTP),
            "cluster-ip": (service.cluster_ip(), port),
            "load-balancer": (address, port),
        }
        name = self._changes.name("inside")
        namespace = self._changes.namespace()
        made = builders.probe_deployment(
            name, namespace=namespace, targets=targets, replicas=PODS_WANTED, image=self._image
        )
        self._stack.enter_context(self._changes.created(made))
        self._running(namespace, name, tries := PODS_WANTED * len(targets))
        try:
            seen = wait.until(
                f"the cluster's own pods reach service {service.key} at its cluster IP and at {address}",
                read=lambda: self._reached(namespace, name),
                accept=lambda found: _whole(found, tries),
                budget=budgets.get(budgets.SERVED),
            )
        except NotWithinBudget as late:
            raise self._broken(service, late, address) from None
        return frozenset(node for node, *_ in seen)

    def _running(self, namespace: str, name: str, tries: int) -> None:
        try:
            wait.until(
                f"{PODS_WANTED} probe pods of deployment {namespace}/{name} run",
                read=lambda: len(self._reached(namespace, name)),
                accept=lambda count: count == tries,
                budget=budgets.get(budgets.PODS_READY),
            )
        except NotWithinBudget as seen:
            raise Inconclusive(
                f"The probe pods did not start in namespace {namespace}: {seen}",
                remedy="See whether the image (field image of the profile) can be pulled and its pods be scheduled.",
            ) from None

    def _reached(self, namespace: str, name: str) -> Readings:
        """What the containers that run say: each is ready while it reaches its one target."""
        pods = self._api.list(PODS, namespace, labels=f"app={name}")
        return tuple(sorted(each for pod in pods for each in _readings_of(pod)))

    @staticmethod
    def _broken(service: Service, late: NotWithinBudget, address: str) -> Exception:
        last: Readings = late.readings[-1][1]
        missed = ", ".join(f"{target} from {node}" for node, target, reached in last if not reached)
        if not missed:
            return Inconclusive(f"Probe pods stopped while they were asked: {late}")
        blind = sorted({node for node, target, reached in last if target == CONTROL and not reached})
        if blind:
            return Inconclusive(
                f"The probe pods on {', '.join(blind)} do not reach even the service's pod itself: {late}",
                remedy="Look at the pod network (network plugin, NetworkPolicies), and whether the image is agnhost.",
            )
        text = f"Pods of the cluster reach the service's pod and not the service: {missed}. "
        return service.broken_promise(
            Symptom.UNREACHED_INSIDE,
            f"{text}Whether it is reached from outside is not said by this.\n{late}",
            address=address,
        )


def _whole(found: Readings, tries: int) -> bool:
    """Whether every container of every pod says that it reaches its target; one that says nothing does not."""
    return len(found) == tries and all(reached for *_, reached in found)


def _readings_of(pod: dict[str, Any]) -> Readings:
    node = pod["spec"].get("nodeName", "")
    return tuple(
        (node, each["name"], bool(each["ready"]))
        for each in pod.get("status", {}).get("containerStatuses") or ()
        if "running" in each.get("state", {})
    )
