"""The legacy overlay is brought to the shared base's version, or it is known until when not."""

from __future__ import annotations

from clusters.gitops import version_skew
from clusters.gitops.repository_snapshot import RepositorySnapshot
from suites.plugin import OBSERVE, Findings, check


@check(
    "maintenance.legacy-version",
    runbook="5",
    level=OBSERVE,
    needs={"repository"},
    causes=("version-skew",),
    commands=("git grep -n newTag -- metallb/base metallb/legacy", "cat metallb/waivers.yaml"),
)
def test_the_legacy_overlay_has_the_base_version_or_a_waiver(
    repository: RepositorySnapshot, findings: Findings
) -> None:
    """The legacy prod overlay runs the shared base's version, or an unexpired waiver says until when not."""
    findings.extend(version_skew.legacy_version(repository))
