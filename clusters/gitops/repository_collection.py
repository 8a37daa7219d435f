"""Collecting a RepositorySnapshot: what reads the repository's files, git, kubectl and the cluster.

Of the cluster the live counterparts of what the overlay renders are read, one request for each object.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

from clusters.api.errors import ApiError, Forbidden, NotFound
from clusters.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource, for_kind
from clusters.checks.spec import Place, may
from clusters.confinement import Folder, RefusedPath, Tree, joined, shown
from clusters.errors import Inconclusive, UsageError
from clusters.gitops import (
    argo_cd,
    example,
    field_comparison,
    flux,
    history,
    kustomization,
    overlay_copy,
    reconcilers,
    release_manifests,
)
from clusters.gitops.documents import FileError, mappings
from clusters.gitops.field_comparison import schemas_in
from clusters.gitops.forms import Renderer
from clusters.gitops.git import Git, NoHistory
from clusters.gitops.helm import Helm
from clusters.gitops.history import History
from clusters.gitops.kustomize import Kustomize, Render, version_of
from clusters.gitops.pool_objects import CONFIGURATION, is_configuration, key
from clusters.gitops.reconcilers import Reconciler
from clusters.gitops.release_manifests import Manifest
from clusters.gitops.repository_snapshot import Layout, LiveObject, RepositorySnapshot
from clusters.objects import Object, metadata_of

_RENDERS_AT_ONCE = 2
#: A page longer than this is no page; it is cut rather than kept.
_LONGEST = 1_000_000
#: More overlays than this beside the cluster's own are not rendered.
_MOST_OVERLAYS = 100
#: Bytes of a rendering of somebody else's.
_LONGEST_RENDERED = 16 << 20


@dataclass(frozen=True)
class Tools:
    """What a collection works with: kubectl, release manifests by version, Helm, and the cluster's door.

    `rendered` is a file of what somebody else has rendered of the cluster's own overlay, None for none.
    """

    kubectl: Path | None
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    reader: Reader | None = None
    helm: Helm = field(default_factory=Helm)
    rendered: Path | None = None


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
        self._root, self._layout, self._reader, self._rendered = root, layout, tools.reader, tools.rendered
        self._git = Git(root)
        self._tree = Tree(root)
        # A manifest that somebody put beside the base serves the revisions that lack it, too.
        manifests = {**release_manifests.in_repository(self._tree, layout.tree), **tools.manifests}
        self._renderer = Renderer(
            Kustomize(kubectl, manifests, tools.helm),
            followers=(flux.deliverer_of, argo_cd.deliverer_of),
            published=layout.chart,
            application=layout.application,
        )

    def snapshot(self, *, shown: Path) -> RepositorySnapshot:
        layout = self._layout
        past = history.read(self._git, *layout.trees)
        renders = self._renders()
        latest = self._revision("HEAD", past) if past.dirty and past.head else renders[layout.overlay]
        previous = self._previous(past)
        living, found = self._living(latest)
        intended, deployed = self._deployed(latest, past, found)
        if intended is not latest:
            living, _ = self._living(intended)
        wanted = [*intended.objects, *(previous.objects if previous else ())]
        files, refused = self._files()
        return RepositorySnapshot(
            taken_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            root=str(shown),
            layout=layout,
            files=files,
            refused=refused,
            renders={name: self._kept(render) for name, render in renders.items()},
            intended=intended,
            previous=previous,
            history=past,
            live=living,
            reconcilers=found,
            deployed=deployed,
            committed=None if intended is latest else latest,
            schemas=schemas(self._reader, wanted) if self._reader else {},
        )

    def _living(self, render: Render) -> tuple[tuple[LiveObject, ...] | None, tuple[Reconciler, ...]]:
        """The live counterparts of a render, and what applies them."""
        if self._reader is None:
            return None, ()
        living = counterparts(self._reader, render.objects)
        marks = dict.fromkeys(render.deliverers, False)
        for each in living:
            configures = each.key.partition(" ")[0] in CONFIGURATION
            marks |= {mark: configures or marks.get(mark, False) for mark in each.applied_by}
        return living, reconcilers.read(self._reader, marks)

    def _deployed(self, latest: Render, past: History, found: Iterable[Reconciler]) -> tuple[Render, str]:
        """What was applied, by the revision that is said to be, and that revision; the last commit's where none is.

        A revision that the clone does not have is named all the same: then nothing of it can be rendered.
        """
        commit, _ = reconcilers.deployed(found)
        if not commit or not past.head or commit == past.head or self._rendered is not None:
            return latest, commit
        try:
            self._git.text("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
        except NoHistory:
            return latest, commit
        return self._revision(commit, past), commit

    def committed(self) -> tuple[str, Render]:
        past = history.read(self._git, *self._layout.trees)
        if past.dirty and past.head:
            return past.head, self._revision("HEAD", past)
        return past.head, self._attempt(self._layout.overlay)

    def _renders(self) -> dict[str, Render]:
        """Every overlay beside the cluster's own, and the base and the legacy one, in the working tree."""
        layout = self._layout
        wanted = dict.fromkeys(
            name for name in (layout.overlay, layout.base, layout.legacy, *self._siblings()) if name
        )
        tried, left = list(wanted)[:_MOST_OVERLAYS], list(wanted)[_MOST_OVERLAYS:]
        with ThreadPoolExecutor(_RENDERS_AT_ONCE) as pool:
            renders = dict(zip(tried, pool.map(self._attempt, tried), strict=True))
        for name in left:
            problem = f"{shown(name)} is not rendered: more than {_MOST_OVERLAYS} overlays lie beside it."
            renders[name] = Render(overlay=name, problem=problem, given_up=True)
        return renders

    def _siblings(self) -> list[str]:
        """The overlays of other clusters; what is refused there is none.

        Those that the profile's pattern names, else the neighbours of the cluster's own that say what they are.
        """
        found = []
        pattern = self._layout.pattern or f"{self._layout.overlays}/*"
        folder, after = pattern.partition("*")[0].rstrip("/"), pattern.partition("*")[2]
        with suppress(RefusedPath):
            for name in self._tree.names(folder):
                stem = name.removesuffix(after) if "/" not in after else name
                path = joined("", pattern.replace("*", stem))
                with suppress(RefusedPath):
                    if self._is_overlay(path):
                        found.append(path)
        return found

    def _is_overlay(self, path: str) -> bool:
        if self._layout.pattern:
            return bool(self._tree.find(path).kind)
        chart = self._tree.find(f"{path}/Chart.yaml").kind == "file"
        return chart or kustomization.file_in(self._tree, path) is not None

    def _attempt(self, overlay: str) -> Render:
        own = overlay == self._layout.overlay
        if own and self._rendered is not None:
            return _bare(_from_file(overlay, self._rendered))
        version = self._layout.version if own else ""
        return _bare(self._renderer.attempt(self._root, overlay, version=version, own=own))

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
        name = (past.head if revision == "HEAD" else revision)[:12]
        found = self._revision_of(revision, name, self._layout.trees)
        # What an overlay stands on may lie elsewhere: then all of the revision is laid out.
        return self._revision_of(revision, name, ("",)) if found.broken or found.needs_network else found

    def _revision_of(self, revision: str, name: str, folders: Sequence[str]) -> Render:
        overlay = self._layout.overlay
        with tempfile.TemporaryDirectory(prefix="revision-") as scratch:
            root = Path(scratch) / f"commit {name}"
            root.mkdir()
            try:
                for path, content in self._git.files(revision, [each or "." for each in folders]).items():
                    Folder(root).write(path, content)
            except NoHistory as error:
                return Render(overlay=overlay, problem=str(error.args[0]), remedy=error.remedy)
            except RefusedPath as error:
                return Render(overlay=overlay, problem=f"Commit {name} is not rendered: {error.args[0]}")
            except OSError as error:
                problem = f"Commit {name} cannot be laid out in {scratch}: {error.strerror}."
                return Render(overlay=overlay, problem=problem, given_up=True)
            render = self._renderer.attempt(root, overlay, version=self._layout.version)
            return _bare(render.model_copy(update={"problem": render.problem.replace(str(root), root.name)}))

    def _files(self) -> tuple[dict[str, str], dict[str, str]]:
        """The pages' and files' texts by path, and for those that are refused the one sentence why."""
        layout = self._layout
        pages = (layout.service_page, layout.changelog, layout.runbook, layout.steps, layout.follow_ups)
        files: dict[str, str] = {}
        refused: dict[str, str] = {}
        for name in (*pages, layout.accepted, layout.waivers, *self._plans(refused)):
            try:
                path = joined("", name)
                if path and self._tree.find(path).kind == "file":
                    files[name] = self._tree.text(path)[:_LONGEST]
            except RefusedPath as error:
                refused[name] = str(error.args[0])
        return files, refused

    def _plans(self, refused: dict[str, str]) -> list[str]:
        folder = self._layout.plans
        try:
            names = self._tree.names(folder)
        except RefusedPath as error:
            refused[f"{folder}/"] = str(error.args[0])
            return []
        return [f"{folder}/{name}" for name in names if fnmatch(name, "*.y*ml") and name[0] != "."]


def _from_file(overlay: str, path: Path) -> Render:
    """What somebody else has rendered, as the overlay's."""
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_RENDERED + 1).decode("utf-8")
        if len(text) > _LONGEST_RENDERED:
            raise FileError(f"{path} is larger than {_LONGEST_RENDERED >> 20} MiB.")
        found = [document.data for document in mappings(text, str(path))]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}, named by --rendered, cannot be read: {error}.") from None
    objects = overlay_copy.kept([each for each in found if each.get("kind")])
    brought = (f"{overlay}: what it renders was taken from {path}",)
    return Render(overlay=overlay, objects=objects, version=version_of(objects), brought=brought)


def _bare(render: Render) -> Render:
    return render.model_copy(update={"objects": tuple(bare(found) for found in render.objects)})


#: What is read of what an overlay of MetalLB renders.
READS = (
    *may(
        "get",
        *("namespaces", "configmaps", "services", "serviceaccounts", "deployments.apps", "daemonsets.apps"),
        *("roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io"),
        *("ipaddresspools.metallb.io", "l2advertisements.metallb.io", "communities.metallb.io"),
        *("bgpadvertisements.metallb.io", "bgppeers.metallb.io", "bfdprofiles.metallb.io"),
        place=Place.METALLB,
    ),
    *may(
        "get",
        *("clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"),
        "customresourcedefinitions.apiextensions.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ),
    *reconcilers.READS,
)
_READS_AT_ONCE = 8
#: CRDs are named by plural; these are MetalLB's whose plural is not the kind with an s.
_PLURALS = {"Community": "communities"}


class Reader(Protocol):
    """What is needed of `clusters.api.Api`."""

    def get(self, res: Resource, name: str, namespace: str | None = None) -> Object:
        """One object. Raises ApiError."""


def counterparts(reader: Reader, rendered: Iterable[Object]) -> tuple[LiveObject, ...]:
    """The live object of each rendered one. Secrets are not read: what they hold is nobody's business."""
    wanted = [found for found in rendered if found.get("kind") != "Secret"]
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        return tuple(pool.map(lambda found: _counterpart(reader, found), wanted))


def _counterpart(reader: Reader, rendered: Object) -> LiveObject:
    name = key(rendered)
    resource = for_kind(str(rendered.get("apiVersion", "")), str(rendered.get("kind", "")))
    if resource is None:
        return LiveObject(key=name, unreadable=f"{name} is of a kind that this suite does not read.")
    metadata = metadata_of(rendered)
    try:
        found = reader.get(resource, metadata.get("name", ""), metadata.get("namespace"))
    except NotFound:
        return LiveObject(key=name)
    except Forbidden as error:
        return LiveObject(key=name, unreadable=str(error.args[0]), verb=error.verb, resource=error.resource)
    except ApiError as error:
        return LiveObject(key=name, unreadable=str(error.args[0]))
    return LiveObject(
        key=name,
        found=field_comparison.kept(bare(found), rendered),
        applied_by=tuple(reconcilers.applied_by(found)),
    )


def schemas(reader: Reader, rendered: Sequence[Object]) -> dict[str, Object]:
    """The installed schemas of the configuration kinds that were rendered, by kind and version.

    A kind whose CRD is not installed, or may not be read, is not in it.
    """
    kinds = sorted({str(found["kind"]) for found in rendered if is_configuration(found)})
    found: dict[str, Object] = {}
    for kind in kinds:
        plural = _PLURALS.get(kind, f"{kind.lower()}s")
        try:
            definition = reader.get(CUSTOM_RESOURCE_DEFINITIONS, f"{plural}.metallb.io")
        except ApiError:
            continue
        found |= schemas_in([bare(definition)])
    return found


def bare(found: Object) -> Object:
    """An object without the prose in a CRD's schemas, which is half of its size and never matters."""
    if found.get("kind") != "CustomResourceDefinition":
        return found
    stripped: Object = _without_prose(found)
    return stripped


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        # A property may itself be called "description"; its value is then a schema, not text.
        return {
            name: _without_prose(inner)
            for name, inner in value.items()
            if not (name == "description" and isinstance(inner, str))
        }
    if isinstance(value, list):
        return [_without_prose(inner) for inner in value]
    return value
