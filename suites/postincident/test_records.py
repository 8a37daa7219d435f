"""After an incident: change log, service page, runbook and follow-ups say what is now true."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.gitops import runbook, service_documentation, version_skew
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation.snapshot import Snapshot
from suites.plugin import OBSERVE, Findings, Record, check


@check(
    "postincident.changelog",
    runbook="7",
    level=OBSERVE,
    needs={"cluster", "repository"},
    causes=(CauseId.CHANGE_UNDOCUMENTED,),
    commands=("kubectl get svc -A | grep LoadBalancer", "git log -p -3 -- CHANGELOG.md"),
)
def test_a_moved_address_is_in_the_change_log(
    repository: RepositorySnapshot, snapshot: Snapshot, earlier: Snapshot | None, findings: Findings
) -> None:
    """An address that moved since the baseline has its entry in CHANGELOG.md.

    The baseline is the observation beside the results that --baseline names; without it, the addresses by which the
    profile or the service page know consumers.
    """
    findings.extend(service_documentation.changelog(repository, snapshot, earlier=earlier))


@check(
    "postincident.service-page",
    runbook="7",
    level=OBSERVE,
    needs={"cluster", "repository"},
    commands=(
        "kubectl -n {metallb_namespace} get ipaddresspools -o yaml",
        "git log -3 -- services/metallb.md",
    ),
)
def test_the_service_page_says_what_runs(
    repository: RepositorySnapshot, snapshot: Snapshot, findings: Findings
) -> None:
    """The service page names the live ranges, clusters and versions."""
    findings.extend(service_documentation.service_page(repository, snapshot))


@check(
    "postincident.runbook-current",
    runbook="7",
    level=OBSERVE,
    needs={"repository"},
    commands=("grep -n 'Last validated' runbooks/metallb.md",),
)
def test_the_runbook_was_validated_and_is_encoded(
    repository: RepositorySnapshot, findings: Findings, record: Record
) -> None:
    """The runbook's "Last validated" is no older than its budget, and every step of it is encoded.

    Encoded by a check that there is, or marked as context. Statements that are encoded and gone are noted. Whether a
    check was missing in an incident is for whoever was there to say.
    """
    findings.extend(runbook.runbook_current(repository, note=record.note))


@check(
    "postincident.skew-follow-up",
    runbook="7",
    level=OBSERVE,
    needs={"repository"},
    commands=("git grep -n newTag -- metallb/", "cat follow-ups.md"),
)
def test_legacy_skew_has_its_follow_up(repository: RepositorySnapshot, findings: Findings) -> None:
    """While legacy skew exists, its follow-up is written down."""
    findings.extend(version_skew.skew_follow_up(repository))
