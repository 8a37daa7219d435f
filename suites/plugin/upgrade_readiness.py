"""Whether the cluster is ready for --target-version: by its observation, the repository, and that release itself."""

from __future__ import annotations

from clusters import yaml_text
from clusters.gitops import release_manifests
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb import versions
from clusters.observation.snapshot import Json, Snapshot
from clusters.upgrade.decision import Decision, decide
from clusters.upgrade.decision_record import FILE
from clusters.upgrade.rule import Situation
from suites.plugin.record import Record
from suites.plugin.settings import Settings


def decided(
    settings: Settings, record: Record, snapshot: Snapshot, repository: RepositorySnapshot | None
) -> Decision:
    """The decision about the upgrade to --target-version; it is kept among the check's evidence."""
    target = versions.parse(settings.target_version)
    assert target is not None  # the check is not run without one
    found = decide(
        Situation(
            snapshot=snapshot,
            target=target,
            repository=repository,
            manifest=_manifest(settings.target_version),
            values=settings.helm_values,
        )
    )
    record.attach(FILE, found.record.as_json())
    for rule, seen in found.heed:
        record.note(f"{seen.summary} {rule.consequence} {rule.remedy}")
    return found


def _manifest(version: str) -> tuple[Json, ...] | None:
    """The objects of the target's release, from the manifest in MetalLB's own module; None where it is not at hand."""
    place = release_manifests.of_lab_parts().get(version)
    if place is None:
        return None
    return tuple(yaml_text.documents(place.read_text(encoding="utf-8")))
