"""The way back is open: what was there before the last change can be applied again."""

from __future__ import annotations

from clusters.gitops import revisions
from clusters.gitops.repository_snapshot import RepositorySnapshot
from suites.plugin import OBSERVE, Findings, check


@check(
    "rollback.previous-renders",
    runbook="6",
    level=OBSERVE,
    needs={"cluster", "repository"},
    causes=("overlay-invalid",),
    commands=("git log -2 -- metallb/", "kubectl kustomize metallb/overlays/<cluster>"),
)
def test_the_previous_overlay_still_renders(repository: RepositorySnapshot, findings: Findings) -> None:
    """The previous revision of the overlay still renders and is valid against the installed CRDs."""
    findings.extend(revisions.previous_renders(repository))
