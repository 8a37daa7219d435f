"""A run that judges a GitOps repository alone: no cluster is asked, and no profile is needed, as in a pull request."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from clusters.errors import UsageError

# Imported when first used, as elsewhere in this plugin: it is loaded for the project's own tests as well.
if TYPE_CHECKING:
    from clusters.profile import Profile
    from clusters.profile.models import GitOps

WHY_NOT = "needs a cluster, and --repository without --cluster judges the repository alone"
#: Where a repository has its pages as a rule; what is not there is not judged.
_PAGES = {
    "changelog": "CHANGELOG.md",
    "service_page": "services/metallb.md",
    "runbook": "runbooks/metallb.md",
}


def gitops_of(repository: Path | None, overlay: str) -> GitOps | None:
    """What --repository and --overlay name, None without both. Raises UsageError for one without the other."""
    if repository is None and not overlay:
        return None
    if repository is None or not overlay:
        given, lacking = ("--overlay", "--repository DIR") if overlay else ("--repository", "--overlay PATH")
        raise UsageError(f"{given} needs {lacking} beside it.", remedy="Give both.")
    root = repository.expanduser().resolve()
    if not (root / overlay).is_dir():
        raise UsageError(
            f"There is no folder {overlay} in {repository}.", remedy="Give --overlay from the root."
        )
    from clusters.profile.models import GitOps  # noqa: PLC0415 - see above

    tree = PurePosixPath(overlay).parts[0]
    folders = {"base": f"{tree}/base", "legacy_overlay": f"{tree}/legacy/prod"}
    found = {name: path for name, path in folders.items() if (root / path).is_dir()}
    found |= {name: path for name, path in _PAGES.items() if (root / path).is_file()}
    return GitOps(repository=root, overlay=overlay, **found)


def profile_of(gitops: GitOps) -> Profile:
    """A profile that names the repository, and a cluster that is never asked.

    Its name is no cluster's, so that no run of this kind counts for one in the history.
    """
    from clusters.profile import Profile, Provider  # noqa: PLC0415 - see above

    name = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(gitops.overlay).name.lower()).strip("-")[:50]
    return Profile(
        name=f"repository-{name}".strip("-"),
        provider=Provider.EXISTING,
        context="repository-alone",
        gitops=gitops,
    )
