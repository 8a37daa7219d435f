"""Collecting a RepositorySnapshot: what reads the repository's files, git, kubectl and the cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from clusters.errors import Inconclusive
from clusters.gitops import example, history, kustomization, live
from clusters.gitops.git import Git, NoHistory
from clusters.gitops.history import History
from clusters.gitops.kustomize import Kustomize, Render, manifest_version
from clusters.gitops.pools import is_configuration
from clusters.gitops.snapshot import Layout, RepositorySnapshot

_AT_ONCE = 2
#: A page longer than this is no page; it is cut rather than kept.
_LONGEST = 1_000_000
_SMALLEST_MANIFEST = 20_000


@dataclass(frozen=True)
class Tools:
    """What a collection works with: kubectl, release manifests by version, and the cluster's door."""

    kubectl: Path | None
    manifests: Mapping[str, Path] = field(default_factory=dict)
    reader: live.Reader | None = None


def collect(repository: Path, layout: Layout, tools: Tools) -> RepositorySnapshot:
    """Everything of the repository that is judged. Raises Inconclusive where it or kubectl is not there.

    What is wrong with single files stands in the snapshot, for the checks that need them to say. It holds no
    secret; what is to be applied again is read by `intended`.
    """
    if not repository.is_dir():
        raise Inconclusive(
            f"The GitOps repository {repository} does not exist.",
            remedy="Correct gitops.repository in the profile.",
        )
    if tools.kubectl is None:
        raise Inconclusive("kubectl was not found, so no overlay can be rendered.", remedy="Install kubectl.")
    with example.opened(repository) as root:
        return _Collection(root, layout, tools, tools.kubectl).snapshot(shown=repository).without_secrets()


def intended(repository: Path, layout: Layout, tools: Tools) -> tuple[str, Render]:
    """The last commit and what it renders for this cluster, whole: to be applied, and written nowhere."""
    assert tools.kubectl is not None, "collect has seen to it"
    with example.opened(repository) as root:
        return _Collection(root, layout, tools, tools.kubectl).committed()


class _Collection:
    def __init__(self, root: Path, layout: Layout, tools: Tools, kubectl: Path) -> None:
        self._root, self._layout, self._reader = root, layout, tools.reader
        self._git = Git(root)
        # A manifest that somebody put beside the base serves the revisions that lack it, too.
        self._kustomize = Kustomize(kubectl, {**tools.manifests, **_manifests_below(root / layout.tree)})

    def snapshot(self, *, shown: Path) -> RepositorySnapshot:
        layout = self._layout
        past = history.read(self._git, layout.tree)
        renders = self._renders()
        intended = self._revision("HEAD", past) if past.dirty and past.head else renders[layout.overlay]
        previous = self._previous(past)
        wanted = [*intended.objects, *(previous.objects if previous else ())]
        return RepositorySnapshot(
            taken_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            root=str(shown),
            layout=layout,
            files=self._files(),
            renders={name: self._kept(render) for name, render in renders.items()},
            intended=intended,
            previous=previous,
            history=past,
            live=live.counterparts(self._reader, intended.objects) if self._reader else None,
            schemas=live.schemas(self._reader, wanted) if self._reader else {},
        )

    def committed(self) -> tuple[str, Render]:
        past = history.read(self._git, self._layout.tree)
        if past.dirty and past.head:
            return past.head, self._revision("HEAD", past)
        return past.head, self._attempt(self._layout.overlay)

    def _renders(self) -> dict[str, Render]:
        """Every overlay beside the cluster's own, and the base and the legacy one, in the working tree."""
        layout = self._layout
        folder = self._root / layout.overlays
        siblings = sorted(folder.iterdir()) if folder.is_dir() else []
        names = [f"{layout.overlays}/{each.name}" for each in siblings if kustomization.file_in(each)]
        wanted = dict.fromkeys(name for name in (layout.overlay, layout.base, layout.legacy, *names) if name)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(zip(wanted, pool.map(self._attempt, wanted), strict=True))

    def _attempt(self, overlay: str) -> Render:
        version = self._layout.version if overlay == self._layout.overlay else ""
        return _bare(self._kustomize.attempt(self._root, overlay, version=version))

    def _kept(self, render: Render) -> Render:
        """Other clusters' overlays are judged by their configuration alone."""
        if render.overlay in {self._layout.overlay, self._layout.base, self._layout.legacy}:
            return render
        return render.model_copy(update={"objects": tuple(filter(is_configuration, render.objects))})

    def _previous(self, past: History) -> Render | None:
        """The revision to go back to: what the last change of the folder, committed or not, was made to."""
        if past.problem:
            return None
        revision = "HEAD" if past.dirty else past.previous
        return self._revision(revision, past) if revision else None

    def _revision(self, revision: str, past: History) -> Render:
        overlay = self._layout.overlay
        try:
            files = self._git.files(revision, [self._layout.tree])
        except NoHistory as error:
            return Render(overlay=overlay, problem=str(error.args[0]), remedy=error.remedy)
        name = (past.head if revision == "HEAD" else revision)[:12]
        with tempfile.TemporaryDirectory(prefix="revision-") as scratch:
            root = Path(scratch) / f"commit {name}"
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            root.mkdir(exist_ok=True)
            render = self._kustomize.attempt(root, overlay, version=self._layout.version)
            return _bare(render.model_copy(update={"problem": render.problem.replace(str(root), root.name)}))

    def _files(self) -> dict[str, str]:
        layout = self._layout
        plans = sorted((self._root / layout.plans).glob("*.y*ml"))
        pages = (layout.service_page, layout.changelog, layout.runbook, layout.steps, layout.follow_ups)
        names = [*pages, layout.accepted, layout.waivers, *(f"{layout.plans}/{plan.name}" for plan in plans)]
        found = ((name, self._root / name) for name in names if name)
        return {
            name: path.read_text("utf-8", errors="replace")[:_LONGEST]
            for name, path in found
            if path.is_file()
        }


def _bare(render: Render) -> Render:
    return render.model_copy(update={"objects": tuple(live.bare(found) for found in render.objects)})


def _manifests_below(folder: Path) -> dict[str, Path]:
    """Release manifests that lie in the working tree, by version; large files only, for others hold none."""
    found = {}
    for path in sorted(folder.rglob("metallb*.y*ml")):
        if path.is_file() and path.stat().st_size > _SMALLEST_MANIFEST:
            found[manifest_version(path.read_text("utf-8", errors="replace"))] = path
    return found
