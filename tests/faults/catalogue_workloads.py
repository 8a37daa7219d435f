"""MetalLB's workloads, as faults change them and wait for what comes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api import NotFound
from clusters.api.resources import DEPLOYMENTS, POD_METRICS, PODS
from clusters.objects import quantity
from tests.faults.catalogue_stage import NAMESPACE, WHY, Stage


@contextmanager
def arguments(stage: Stage, res: Any, name: str, *more: str) -> Iterator[None]:
    """Another argument for a workload; the controller's old pod goes before the new one comes."""
    found = stage.api.get(res, name, NAMESPACE)
    args = [*found["spec"]["template"]["spec"]["containers"][0]["args"], *more]
    patch: list[Any] = [
        {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": args},
    ]
    if res is DEPLOYMENTS:
        patch.append({"op": "replace", "path": "/spec/strategy", "value": {"type": "Recreate"}})
    with stage.changes.patched(res, name, patch, NAMESPACE, kind="json", foreign=WHY):
        yield


def until_crashing(stage: Stage, name: str) -> None:
    wait.until(
        f"a {name} keeps crashing",
        read=lambda: [
            (pod["status"].get("containerStatuses") or [{}])[0].get("restartCount", 0)
            for pod in stage.api.list(PODS, NAMESPACE, labels=f"component={name}")
        ],
        accept=lambda restarts: any(count > 1 for count in restarts),
        budget=budgets.get(budgets.ROLLOUT),
    )


def logs_of(stage: Stage, component: str) -> list[str]:
    """The end of the log of each running pod of a component."""
    pods = stage.api.list(PODS, NAMESPACE, labels=f"component={component}")
    running = [pod for pod in pods if pod["status"].get("phase") == "Running"]
    return [stage.api.logs(NAMESPACE, pod["metadata"]["name"], tail=100) for pod in running]


def log_of(stage: Stage, component: str) -> str:
    return "".join(logs_of(stage, component))


def anew(stage: Stage, component: str) -> None:
    """Delete all pods of a component; others are made. One that is going already is left to go."""
    for pod in stage.api.list(PODS, NAMESPACE, labels=f"component={component}"):
        if not pod["metadata"].get("deletionTimestamp"):
            with contextlib.suppress(NotFound):
                stage.changes.delete(PODS, pod["metadata"]["name"], NAMESPACE, foreign="another is made")


def usage_of(stage: Stage, component: str) -> float | None:
    """The cores that a component's present pod uses, None before they were measured."""
    alive = {
        pod["metadata"]["name"] for pod in stage.api.list(PODS, NAMESPACE, labels=f"component={component}")
    }
    usages = [
        float(quantity(one["usage"]["cpu"]) or 0)
        for found in stage.api.list(POD_METRICS, NAMESPACE)
        if found["metadata"]["name"] in alive
        for one in found["containers"]
    ]
    return max((each for each in usages if each is not None), default=None)


def until_measured(stage: Stage) -> None:
    """Wait until the metrics API has measured the controller's present pod, so that its load can be judged."""
    wait.until(
        "the metrics API has measured the new controller",
        read=lambda: usage_of(stage, "controller"),
        accept=lambda cores: cores is not None,
        budget=budgets.get(budgets.ROLLOUT),
    )
