"""Rendering an overlay in whichever form a repository keeps it, as one list of objects.

A folder with a kustomization is kustomize's, one with a Chart.yaml is Helm's, any other holds plain manifests, as one
file does. What is rendered may be told to Flux or Argo CD to bring more: that is followed (`clusters.gitops.flux`,
`clusters.gitops.argo_cd`), within the repository and what is at hand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from clusters.confinement import Folder, RefusedPath, Tree, joined, shown
from clusters.gitops import kustomization, overlay_copy
from clusters.gitops.documents import (
    FileError,
    NeedsNetworkError,
    OverlayError,
    listing,
    mapping,
    mappings,
)
from clusters.gitops.helm import ChartUse, GivenUp
from clusters.gitops.history import Frozen
from clusters.gitops.kustomize import Kustomize, Render, version_of
from clusters.gitops.pool_objects import key
from clusters.objects import Object, metadata_of

_ENDINGS = (".yaml", ".yml", ".json")
#: How often what is brought may bring more, and how many files of a folder are read, or searched for an object.
_DEEPEST, _MOST_FILES = 6, 2000
#: How many objects one overlay may have followed, and the characters that are searched for others.
_MOST_FOLLOWED, _MOST_SEARCHED = 500, 64 << 20


class Published(Frozen):
    """A chart that is installed from where it is published, with values of the overlay's.

    `values` are files of values, by paths from the repository's root.
    """

    name: str
    repository: str
    version: str
    release: str
    namespace: str
    values: tuple[str, ...] = ()


#: Gives what an object brings.
Bring = Callable[["Rendering", Object], list[Object]]


@dataclass(frozen=True)
class Renderer:
    """Renders overlays; `published` is the chart that the cluster's own overlay is the values of, None for none.

    `followers` know which objects bring more, as Flux's and Argo CD's do, and how that is followed. `application`
    chooses among the Argo CD applications that an ApplicationSet makes, "" where there is but one.
    """

    kustomize: Kustomize
    followers: tuple[Callable[[Object], Bring | None], ...] = ()
    published: Published | None = None
    application: str = ""

    def attempt(self, root: Path, overlay: str, *, version: str = "", own: bool = True) -> Render:
        """What an overlay renders, with what prevents it in the Render's `problem`.

        `version` is of a cluster that was asked to run another MetalLB than is pinned; `own` is False for overlays of
        other clusters.
        """
        try:
            return Rendering(self, root, version, self.published if own else None).whole(overlay)
        except RefusedPath as error:
            problem, remedy = f"The overlay {shown(overlay)} is not rendered: {error.args[0]}", error.remedy
            return Render(overlay=overlay, problem=problem, remedy=remedy)
        except (FileError, GivenUp) as error:
            return Render(
                overlay=overlay,
                problem=str(error.args[0]),
                remedy=error.remedy,
                needs_network=isinstance(error, NeedsNetworkError),
                given_up=isinstance(error, GivenUp),
            )


@dataclass
class Rendering:
    """One overlay being rendered: what was found so far, and the ways to more."""

    renderer: Renderer
    root: Path
    version: str
    published: Published | None = None
    left_out: list[str] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)
    deliverers: list[str] = field(default_factory=list)
    known: list[Object] = field(default_factory=list)
    pinned: str = ""
    remedy: str = ""
    _searched: dict[str, tuple[list[Object], Iterator[Object]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tree = Tree(self.root)

    def whole(self, overlay: str) -> Render:
        """The overlay with all that it has brought. Raises OverlayError, NeedsNetworkError, GivenUp."""
        found = self._parts(overlay)
        if self.published is not None:
            found += self._of_published(self.published)
        objects = overlay_copy.kept(list(self.expanded(found, depth=0)))
        return Render(
            overlay=overlay,
            objects=objects,
            version=version_of(objects) or self.pinned,
            left_out=tuple(self.left_out),
            brought=tuple(self.brought),
            patches=tuple(self.patches),
            deliverers=tuple(self.deliverers),
            remedy=self.remedy,
        )

    def expanded(self, objects: Sequence[Object], *, depth: int) -> Iterator[Object]:
        """The objects, with those that Flux and Argo CD are told to bring in place of what tells them so."""
        self.known += objects
        for obj in objects:
            bring = next(filter(None, (each(obj) for each in self.renderer.followers)), None)
            if bring is None:
                yield obj
            elif key(obj) not in self.deliverers:
                if depth >= _DEEPEST:
                    raise OverlayError(
                        f"{shown(key(obj))} is brought by {_DEEPEST} others, one by the other."
                    )
                if len(self.deliverers) >= _MOST_FOLLOWED:
                    raise OverlayError(f"More than {_MOST_FOLLOWED} objects are to bring something here.")
                self.deliverers.append(key(obj))
                yield from self.expanded(bring(self, obj), depth=depth + 1)

    def at(self, path: str, *, plain: Callable[[str], bool] | None = None) -> list[Object]:
        """What a folder or file of the repository renders; `plain` chooses files where they are plain manifests."""
        found = self.tree.find(joined("", path))
        if found.kind == "file":
            return list(self._manifests(found.path))
        if found.kind != "folder":
            raise OverlayError(
                f"The overlay {shown(path)} does not exist in {self.root}.",
                remedy="Correct gitops in the profile, or add the folder.",
            )
        if kustomization.file_in(self.tree, found.path) is not None:
            return self._kustomized(self.root, found.path)
        if self.tree.find(joined(found.path, "Chart.yaml")).kind == "file":
            use = ChartUse(
                where=f"{found.path}/Chart.yaml", name=found.path.rpartition("/")[2], path=found.path
            )
            return self.chart(use)
        return self._plain(found.path, plain)

    def chart(self, use: ChartUse) -> list[Object]:
        """What a chart renders, each object in the namespace that it is released to."""
        found = self.renderer.kustomize.helm.render(use, self.tree, version=self.version)
        self.brought += [found.source] if found.source else []
        if found.left_out is not None:
            self.left_out.append(f"its chart ({use.where})")
            self.remedy = self.remedy or found.left_out.remedy
            self.pinned = self.pinned or found.left_out.release
        return list(found.objects)

    def changed(self, objects: Sequence[Object], fields: Object) -> list[Object]:
        """The objects as a kustomization with these fields makes them."""
        if not any(fields.values()):
            return list(objects)
        with tempfile.TemporaryDirectory(prefix="changed-") as scratch:
            target = Folder(Path(scratch).resolve())
            target.write("overlay/objects.yaml", yaml.safe_dump_all(objects).encode("utf-8"))
            content = {
                **{name: value for name, value in fields.items() if value},
                "resources": ["objects.yaml"],
            }
            target.write("overlay/kustomization.yaml", yaml.safe_dump(content).encode("utf-8"))
            return self._kustomized(target.root, "overlay")

    def values_at(self, path: str, *, where: str) -> bytes:
        """The content of a file of values."""
        found = self.tree.find(joined("", path))
        if found.kind != "file":
            raise OverlayError(f"{where} names {shown(path)}, which does not exist.")
        return self.tree.read(found.path)

    def object_of(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """An object that an overlay refers to: among those that were rendered, else in any file of the repository."""

        def is_it(obj: Object) -> bool:
            metadata = metadata_of(obj)
            there = not namespace or metadata.get("namespace") in (None, "", namespace)
            return obj.get("kind") == kind and metadata.get("name") == name and there

        here = next(filter(is_it, self.known), None)
        return here or next(filter(is_it, self._elsewhere(kind)), None)

    def _elsewhere(self, kind: str) -> Iterator[Object]:
        """Those of a kind in the repository's files, each read once however often something is looked for."""
        seen, more = self._searched.setdefault(kind, ([], self._in_files(kind)))
        yield from seen
        for obj in more:
            seen.append(obj)
            yield obj

    def _in_files(self, kind: str) -> Iterator[Object]:
        left = _MOST_SEARCHED
        for number, path in enumerate(self.tree.entries("", without=frozenset({".git"}))):
            if number >= _MOST_FILES:
                return
            if path.endswith(_ENDINGS[:2]):
                try:
                    text = self.tree.text(path)
                    left -= len(text)
                    if left < 0:
                        return
                    if kind in text:
                        found = [each.data for each in mappings(text, shown(path))]
                        yield from (each for each in found if each.get("kind") == kind)
                except (FileError, RefusedPath):  # other people's files need not be YAML
                    continue

    def _parts(self, overlay: str) -> list[Object]:
        """The overlay's own folder; with a published chart, the files of values in it are no manifests."""
        if self.published is None:
            return self.at(overlay)
        values = {joined("", path) for path in self.published.values}
        return self.at(overlay, plain=lambda path: path not in values)

    def _of_published(self, chart: Published) -> list[Object]:
        where = "The profile's gitops.chart"
        return self.chart(
            ChartUse(
                where=where,
                name=chart.name,
                repository=chart.repository,
                version=chart.version,
                release=chart.release,
                namespace=chart.namespace,
                values=tuple(self.values_at(path, where=where) for path in chart.values),
            )
        )

    def _kustomized(self, root: Path, folder: str) -> list[Object]:
        found = self.renderer.kustomize.render(root, folder, version=self.version)
        self.left_out += found.left_out
        self.remedy = self.remedy or found.remedy
        self.brought += found.brought
        self.patches += found.patches
        self.pinned = self.pinned or found.version
        return list(found.objects)

    def _plain(self, folder: str, wanted: Callable[[str], bool] | None) -> list[Object]:
        """The manifests of a folder, as `kubectl apply -f` takes them; those below it too where `wanted` chooses."""
        names = (f"{folder}/{name}" if folder else name for name in self.tree.names(folder))
        paths = [path for path in names if path.endswith(_ENDINGS) and (wanted is None or wanted(path))]
        found = [obj for path in paths[:_MOST_FILES] for obj in self._manifests(path)]
        if not found and self.published is None:
            raise OverlayError(
                f"{shown(folder) or self.root} has no {kustomization.NAMES[0]}, no Chart.yaml and no manifest.",
                remedy="Add one, or name the folder that has it.",
            )
        return found

    def _manifests(self, path: str) -> Iterator[Object]:
        """The objects in a file; those in a List one by one."""
        for document in mappings(self.tree.text(path), shown(path)):
            data = mapping(document.data)
            if not data.get("kind"):
                raise OverlayError(
                    f"{shown(path)} line {document.line()} holds no Kubernetes object: it has no kind.",
                    remedy="If it holds the values of a chart, say of which under gitops.chart in the profile.",
                )
            yield from _flat(data)


def _flat(data: Object) -> Iterable[Object]:
    if str(data.get("kind", "")).endswith("List") and "items" in data:
        return [each for each in listing(data["items"]) if isinstance(each, dict)]
    return [data]
