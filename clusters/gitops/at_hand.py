"""What profile and machine give to a collection: the repository's layout, release manifests at hand."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from clusters.errors import ConformanceError, UsageError
from clusters.gitops.snapshot import Layout
from clusters.profile import GitOps


def layout_of(gitops: GitOps, *, version: str = "") -> Layout:
    """The layout that a profile's `gitops` names; `version` for a cluster that runs another than is pinned.

    Raises UsageError for an overlay that is no folder below the repository's root.
    """
    try:
        return Layout(
            overlay=gitops.overlay.strip("/"),
            base=gitops.base.strip("/"),
            legacy=gitops.legacy_overlay.strip("/"),
            service_page=gitops.service_page,
            changelog=gitops.changelog,
            runbook=gitops.runbook,
            version=version,
        )
    except ValidationError as error:
        said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"gitops.overlay of the profile is {gitops.overlay!r}: {said}",
            remedy="Name the folder above it as gitops.repository.",
        ) from None


def manifests() -> dict[str, Path]:
    """MetalLB's release manifests among the lab's parts, by version; none where the parts were never made."""
    # Imported here: a run against an existing cluster needs nothing of the lab.
    from clusters.lab.parts import SUPPORTED_METALLB, cache_root, toolchain  # noqa: PLC0415 - see above
    from clusters.lab.parts.ready import Parts, slots  # noqa: PLC0415 - see above

    try:
        root = cache_root()
        parts = Parts(slots(root, toolchain.find(root).version))
    except ConformanceError:
        return {}
    found = {}
    for version in SUPPORTED_METALLB:
        try:
            found[version] = parts.manifest(version)
        except ConformanceError:
            continue
    return {version: path for version, path in found.items() if path.is_file()}
