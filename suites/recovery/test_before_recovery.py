"""Section 3 of the runbook: what has to be known before anything is recovered."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.diagnosis.answers import recovery
from clusters.gitops import drift
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation.snapshot import Snapshot
from suites.causes import NODES_AND_NETWORK
from suites.plugin import OBSERVE, Findings, check
from suites.plugin.run_fixtures import Observed


@check(
    "recovery.incident-scope",
    runbook="3",
    level=OBSERVE,
    causes=NODES_AND_NETWORK,
    commands=("kubectl get nodes -o wide", "kubectl -n {metallb_namespace} get pods -o wide"),
)  # fmt: skip
def test_nodes_and_network_are_not_in_trouble(observed: Observed) -> None:
    """The run says whether the trouble is configuration alone or nodes and network too.

    It fails where nodes or network are in trouble, and passes with a note where only the configuration is.
    """
    observed.expect(recovery.incident_scope)


@check(
    "recovery.address-routable",
    runbook="3",
    level=OBSERVE,
    needs={"wire"},
    causes=(CauseId.VANTAGE_NOT_ON_SEGMENT, CauseId.WRONG_SEGMENT),
    commands=("ip route get {address}",),
)
def test_every_pool_is_routable(observed: Observed) -> None:
    """The address block is routable on the target network from the vantage.

    Range by range: it is on a segment of the vantage by the vantage's own routes, or an address of it gave a sign. That
    somebody serves there is for other checks to say; a range of which no address was looked at is noted.
    """
    observed.expect(recovery.address_routable)


@check(
    "recovery.pool-owner",
    runbook="3",
    level=OBSERVE,
    needs={"cluster", "repository"},
    causes=(CauseId.OVERLAY_DRIFT, CauseId.POOL_OVERLAP, CauseId.POOL_MISSING),
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
