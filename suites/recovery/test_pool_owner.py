"""Before anything is reapplied: which overlay is this cluster's."""

from __future__ import annotations

from clusters.gitops import drift
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation.snapshot import Snapshot
from suites.plugin import OBSERVE, Findings, check


@check(
    "recovery.pool-owner",
    runbook="3",
    level=OBSERVE,
    needs={"cluster", "repository"},
    causes=("overlay-drift", "pool-overlap", "pool-missing"),
    commands=(
        "kubectl -n {metallb_namespace} get ipaddresspools -o yaml",
        "git grep -n -A3 'addresses:' -- metallb/",
    ),
)
def test_one_overlay_owns_the_active_pool(
    repository: RepositorySnapshot, snapshot: Snapshot, findings: Findings
) -> None:
    """Exactly one overlay owns the cluster's active pool."""
    findings.extend(drift.pool_owner(repository, snapshot))
