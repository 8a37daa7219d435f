"""Section 6 of the runbook: the way back is open, and no consumer is left behind on it."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.diagnosis.answers import recovery
from clusters.gitops import revisions
from clusters.gitops.repository_snapshot import RepositorySnapshot
from suites.causes import PENDING
from suites.plugin import OBSERVE, Findings, Record, check
from suites.plugin.run_fixtures import Observed


@check(
    "rollback.previous-renders",
    runbook="6",
    level=OBSERVE,
    needs={"repository"},
    causes=(CauseId.OVERLAY_INVALID,),
    commands=("git log -2 -- metallb/", "kubectl kustomize {overlay}"),
)
def test_the_previous_overlay_still_renders(
    repository: RepositorySnapshot, findings: Findings, record: Record
) -> None:
    """The previous revision of the overlay still renders and is valid against the installed CRDs.

    Where the repository alone is judged, against those that the overlay renders, as far as it renders any. Rules in CEL
    are left to the API server; of MetalLB's configuration, BGPPeers and BGPAdvertisements alone have any.
    """
    findings.extend(revisions.previous_renders(repository, record.note))


@check(
    "rollback.stale-consumers",
    runbook="6",
    level=OBSERVE,
    causes=(CauseId.REQUESTED_OUTSIDE_POOLS, CauseId.POOL_MISSING, *PENDING),
    commands=("kubectl -n {namespace} describe svc {service}",),
)  # fmt: skip
def test_no_consumer_asks_for_a_lost_address(observed: Observed) -> None:
    """No consumer keeps asking for an address that the active pools no longer hold."""
    observed.expect(recovery.stale_consumers)
