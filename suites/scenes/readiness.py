"""Whether a workload of the run is ready to be tested with. That it is not says nothing of MetalLB."""

from __future__ import annotations

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import DEPLOYMENTS
from clusters.errors import Inconclusive
from clusters.wait import NotWithinBudget


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
