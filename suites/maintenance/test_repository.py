"""Pool changes written down, planned, and keeping the addresses that are meant; and the legacy overlay's version."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.gitops import range_findings, service_documentation, version_skew
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation.snapshot import Snapshot
from suites.plugin import OBSERVE, Findings, check


@check(
    "maintenance.pool-documented",
    runbook="5",
    level=OBSERVE,
    needs={"repository"},
    causes=(CauseId.PAGE_OUTDATED,),
    commands=("git log -p -5 -- metallb/", "git log -5 -- CHANGELOG.md services/metallb.md"),
)
def test_every_pool_change_is_written_down(repository: RepositorySnapshot, findings: Findings) -> None:
    """Every pool change in git has its entry in the change log and the service page, as far as the profile names them.

    It is judged on the branch's own line, at most 500 commits back; what a shallow clone hides leaves it undecided.
    """
    findings.extend(service_documentation.pool_documented(repository))


@check(
    "maintenance.single-address-pools",
    runbook="5",
    level=OBSERVE,
    needs={"cluster"},
    causes=(CauseId.ADDRESS_NOT_INTENDED,),
    commands=("kubectl -n {metallb_namespace} get ipaddresspools -o yaml",),
)
def test_a_pool_of_one_address_holds_the_intended_one(
    any_repository: RepositorySnapshot | None, snapshot: Snapshot, findings: Findings
) -> None:
    """A pool of one address still holds the intended one.

    Which one is intended says the profile, else the service page. Without a repository the live pool alone is judged.
    """
    findings.extend(range_findings.single_address_pools(any_repository, snapshot))


@check(
    "maintenance.change-plan",
    runbook="5",
    level=OBSERVE,
    needs={"repository"},
    commands=("git status --short metallb/", "git diff HEAD~1 -- metallb/", "ls metallb/plans/"),
)
def test_a_pending_pool_change_has_a_complete_plan(
    repository: RepositorySnapshot, any_snapshot: Snapshot | None, findings: Findings
) -> None:
    """A pending pool change states preconditions, impact window, rollback path and validation steps.

    Pending is what is not committed, or not applied. Where the repository alone is judged, nobody can tell what is
    applied: then the plans themselves are judged, and what is not committed. That every field is filled in is judged,
    and not whether it is true, nor whether somebody has reviewed it: git cannot prove either. Commits of a branch
    that was not merged count as committed.
    """
    findings.extend(service_documentation.change_plan(repository, any_snapshot))


@check(
    "maintenance.legacy-version",
    runbook="5",
    level=OBSERVE,
    needs={"repository"},
    causes=(CauseId.VERSION_SKEW,),
    commands=("git grep -n newTag -- metallb/base metallb/legacy", "cat metallb/waivers.yaml"),
)
def test_the_legacy_overlay_has_the_base_version_or_a_waiver(
    repository: RepositorySnapshot, findings: Findings
) -> None:
    """The legacy prod overlay runs the shared base's version, or an unexpired waiver says until when not."""
    findings.extend(version_skew.legacy_version(repository))
