"""The GitOps repository of a run: collected once, kept and read back beside the observation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from clusters import budgets, files
from clusters.errors import Inconclusive, UsageError
from clusters.gitops import helm, release_manifests, repository_collection, repository_snapshot
from clusters.gitops.repository_collection import Tools
from clusters.gitops.repository_snapshot import Layout, RepositorySnapshot
from clusters.observation import load
from clusters.observation.snapshot import Snapshot
from suites.plugin.run import Run
from suites.plugin.run_state import SNAPSHOT, repository_file_for


def of_run(run: Run) -> RepositorySnapshot:
    """What the repository says, and what is live of it. From beside --snapshot, where that is given."""
    settings = run.settings
    if settings.snapshot is not None:
        return read(repository_file_for(settings.snapshot))
    found = collected_once(run, repository_file_for(settings.directory / SNAPSHOT))
    if settings.save_snapshot is not None:
        keep(found, repository_file_for(settings.save_snapshot))
    return found


def earlier_observation(baseline: Path | None) -> Snapshot | None:
    """The observation beside the results that --baseline names, if there is one."""
    path = baseline.with_name(SNAPSHOT) if baseline else None
    return load(path) if path is not None and path.is_file() else None


def collected_once(run: Run, kept: Path) -> RepositorySnapshot:
    """One collection for all processes of a run: the first one collects, the others read what it kept."""
    files.private_directory(kept.parent)
    with FileLock(
        kept.with_suffix(".lock"), timeout=budgets.seconds(budgets.PROCESS_COLLECTED), mode=files.PRIVATE
    ):
        if not kept.exists():
            begun = run.ahead.pop("repository", None)
            keep(begun.result() if begun else collected(run), kept)
    return read(kept)


def keep(found: RepositorySnapshot, path: Path) -> None:
    """Write a repository's observation; a half-written file never stays."""
    files.write_atomically(path, found.to_json())


def collected(run: Run) -> RepositorySnapshot:
    """Collect the repository of the run's profile, and the live counterparts of what it renders."""
    repository, layout, tools = _sources(run)
    return repository_collection.collect(repository, layout, tools)


def collected_when(run: Run, permitted: Callable[[], None]) -> RepositorySnapshot:
    """The same, from the moment on in which it is `permitted`, which waits, and raises where it never is."""
    permitted()
    return collected(run)


def to_apply(run: Run, kept: RepositorySnapshot) -> RepositorySnapshot:
    """The same with what the last commit renders as it is, its secrets included: what is kept has none.

    Raises Inconclusive where another commit is the last by now.
    """
    repository, layout, tools = _sources(run)
    head, intended = repository_collection.intended(repository, layout, tools)
    if head != kept.history.head:
        raise Inconclusive(
            f"The repository {repository} has another last commit than when the run began, so nothing is applied.",
            remedy="Run the drill again when nobody commits.",
        )
    return kept.model_copy(update={"intended": intended})


def _sources(run: Run) -> tuple[Path, Layout, Tools]:
    profile = run.settings.profile
    if profile.gitops is None:
        raise Inconclusive(f"The profile {profile.name} names no repository.", remedy="Name it under gitops.")
    alone, installed = run.settings.repository_alone, shutil.which("kubectl")
    kubectl = (Path(installed) if installed else None) if alone else run.cluster.kubectl
    layout = repository_snapshot.layout_of(
        profile.gitops, version="" if alone else run.cluster.metallb, namespace=profile.namespace
    )
    around = {
        "networks": tuple(each.cidr for each in profile.networks),
        "gateways": tuple(each.gateway for each in profile.networks if each.gateway),
    }
    layout = layout.model_copy(update=around)
    tools = Tools(
        kubectl=kubectl,
        manifests=release_manifests.at_hand(run.settings.manifest),
        reader=None if alone else run.api,
        helm=helm.at_hand(release_manifests.of_module_cache()),
        rendered=run.settings.rendered,
    )
    return profile.gitops.repository, layout, tools


def read(path: Path) -> RepositorySnapshot:
    """A repository that was kept. Raises Inconclusive where none was, UsageError for what is none."""
    if not path.is_file():
        raise Inconclusive(
            f"The observation has no repository beside it: {path.name} does not exist.",
            remedy="Save it again with a profile that names gitops.",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    return RepositorySnapshot.from_json(text, name=str(path))
