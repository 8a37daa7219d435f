"""The overlay of the cluster: it is what runs, its ranges are sound, and it keeps its distance to the others."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.gitops import drift, range_findings, reconciliation, repository_collection, version_skew
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation.snapshot import Snapshot
from suites.plugin import OBSERVE, Findings, Record, check

_LIVE_CONFIG = "kubectl -n {metallb_namespace} get ipaddresspools,l2advertisements -o yaml"
_LAST_CHANGE = "git diff HEAD~1 -- metallb/"


@check(
    "overlay.intended-config",
    runbook="2.3",
    level=OBSERVE,
    needs={"cluster", "repository"},
    causes=(CauseId.VERSION_SKEW, CauseId.CRD_OUTDATED),
    commands=(_LIVE_CONFIG, "kubectl diff -k {overlay}"),
    uses=repository_collection.READS,
)
def test_what_runs_is_what_the_overlay_renders(
    repository: RepositorySnapshot, snapshot: Snapshot, findings: Findings, record: Record
) -> None:
    """What runs equals what the cluster's overlay renders, object by object and field by field.

    The commit that Flux or Argo CD says it applied is compared, else the last one; and whether they still apply it.
    """
    record.notes(reconciliation.notes(repository))
    findings.extend(drift.intended_config(repository, snapshot))


@check(
    "overlay.legacy-divergence",
    runbook="2.3",
    level=OBSERVE,
    needs={"repository"},
    commands=("git diff --no-index metallb/base metallb/legacy/prod", "git log -p -3 -- metallb/legacy/"),
)
def test_the_legacy_overlay_has_not_moved_further(repository: RepositorySnapshot, findings: Findings) -> None:
    """The legacy prod overlay has not moved further from the shared base than the accepted baseline."""
    findings.extend(version_skew.legacy_divergence(repository))


@check(
    "overlay.ranges-valid",
    runbook="2.3",
    level=OBSERVE,
    needs={"either"},
    causes=(CauseId.OVERLAY_INVALID,),
    commands=(_LIVE_CONFIG, "kubectl get nodes -o wide"),
)
def test_every_range_is_sound(
    any_repository: RepositorySnapshot | None,
    any_snapshot: Snapshot | None,
    findings: Findings,
    record: Record,
) -> None:
    """No range overlaps another, is malformed, or holds a reserved address, in any overlay or live.

    Reserved are the addresses of nodes and gateways, and the network's own and broadcast addresses, as far as the
    profile (networks), the vantage, the nodes or the service page tell them; where none does, that is noted. Where the
    repository alone is judged, an overlay that does not render fails here. Which objects of MetalLB's own it renders
    is not judged then: one whose values turn the speakers off passes.
    """
    findings.extend(range_findings.ranges_valid(any_repository, any_snapshot, note=record.note))


@check(
    "overlay.recent-change",
    runbook="2.3",
    level=OBSERVE,
    needs={"cluster", "repository"},
    causes=(CauseId.CHANGE_UNPLANNED,),
    commands=(_LAST_CHANGE, "kubectl get svc -A | grep LoadBalancer"),
)
def test_the_last_change_takes_no_held_address_away(
    repository: RepositorySnapshot, snapshot: Snapshot, findings: Findings
) -> None:
    """The last change under metallb/ takes no address away from a service that holds it."""
    findings.extend(range_findings.recent_change(repository, snapshot))


@check(
    "overlay.version-skew",
    runbook="2.3",
    level=OBSERVE,
    needs={"cluster"},
    commands=(
        "kubectl -n {metallb_namespace} get pods -o custom-columns=POD:.metadata.name,IMAGE:.spec.containers[0].image",
        "git grep -n newTag -- metallb/",
    ),
    uses=repository_collection.READS,
)
def test_every_part_is_of_one_version(
    any_repository: RepositorySnapshot | None, snapshot: Snapshot, findings: Findings
) -> None:
    """Controller, speakers, CRDs and overlay are of one version, within the accepted skew to the base.

    Without a repository it is said of what runs alone.
    """
    findings.extend(version_skew.version_skew(any_repository, snapshot))
