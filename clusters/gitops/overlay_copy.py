"""A copy of what an overlay stands on, with MetalLB's releases and charts put in place of what only names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from clusters.confinement import Folder, Tree, joined, shown
from clusters.gitops.documents import mapping, parse
from clusters.gitops.helm import Helm
from clusters.gitops.kustomization import Kustomization
from clusters.gitops.kustomization_fields import CHARTS, GLOBALS
from clusters.gitops.pool_objects import CONFIGURATION, GROUP
from clusters.gitops.release_manifests import NATIVE, Manifest
from clusters.objects import Object, metadata_of

PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")
_SECRET = frozenset({"data", "stringData"})
_MARK = "conformance.metallb/placeholder"
_OURS = "conformance.metallb-"


@dataclass
class Placed:
    """What stands in for something that was only named: a sentence each; and what there was nothing to put in for."""

    left_out: list[str] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)
    #: How to have what is left out, and the version of a chart that is.
    remedy: str = ""
    version: str = ""

    def leave_out(self, what: str, remedy: str) -> None:
        """Note that there is nothing to put in for `what`."""
        self.left_out.append(what)
        self.remedy = self.remedy or remedy


@dataclass(frozen=True)
class OverlayCopy:
    """The copy of an overlay in `target`, for MetalLB `version`, or for the one that it pins where that is empty.

    `manifests` are at hand by version, `helm` has MetalLB's modules.
    """

    overlay: Kustomization
    tree: Tree
    target: Folder
    manifests: Mapping[str, Manifest]
    helm: Helm
    version: str = ""

    def lay_out(self, wanted: str) -> Placed:
        """Lay out what was read, links as links, and nothing else; `wanted` is the version of missing manifests."""
        everything, placed = tuple(self.overlay.walk()), Placed()
        for each in everything:
            for path, content in each.files.items():
                self.target.write(path, content)
        for each in everything:
            for path, link in each.links.items():
                self.target.link(path, link)
        for each in everything:
            for path in each.missing:
                self._place(placed, path, what=shown(path), version=wanted, name=NATIVE)
        added = {id(each): (self._releases(each, placed), self._charts(each, placed)) for each in everything}
        for each in everything:
            releases, charts = added[id(each)]
            if self.version or placed.left_out or releases or charts:
                self._rewrite(each, releases, charts, bare=bool(placed.left_out))
        return placed

    def _releases(self, each: Kustomization, placed: Placed) -> dict[str, str]:
        """Put MetalLB's releases beside a kustomization that names them: the file by what it calls them."""
        found = {}
        for number, (text, release) in enumerate(each.releases.items()):
            found[text] = f"{_OURS}release-{number}.yaml"
            version = self.version.removeprefix("v") or release.version
            path = joined(each.folder, found[text])
            self._place(placed, path, what=shown(release.text), version=version, name=release.manifest)
        return found

    def _charts(self, each: Kustomization, placed: Placed) -> list[str]:
        """Put what each chart renders beside the kustomization that names it; the files."""
        files = []
        for number, use in enumerate(each.charts):
            found = self.helm.render(use, self.tree, version=self.version)
            placed.brought += [found.source] if found.source else []
            if found.left_out is not None:
                placed.leave_out(f"its chart ({use.where})", found.left_out.remedy)
                placed.version = placed.version or found.left_out.release
            files.append(f"{_OURS}chart-{number}.yaml")
            objects = found.objects or (_stand_in(len(placed.left_out)),)
            self.target.write(joined(each.folder, files[-1]), yaml.safe_dump_all(objects).encode("utf-8"))
        return files

    def _place(self, placed: Placed, path: str, *, what: str, version: str, name: str) -> None:
        """Put a manifest at `path`, where `what` is named; where there is none, a stand-in that `kept` takes out."""
        manifest, source = self._manifest(version, name)
        if manifest is not None:
            self.target.write(path, manifest.read_bytes())
            called = f"{name}.yaml{version and f' of MetalLB {version}'}"
            placed.brought.append(f"{what} stands for {called}, taken from {source}")
            return
        placed.leave_out(
            what, "Name the release manifest by --manifest FILE, or commit it where the overlay names it."
        )
        self.target.write(path, yaml.safe_dump(_stand_in(len(placed.left_out))).encode("utf-8"))

    def _manifest(self, version: str, name: str) -> tuple[Manifest | None, str]:
        """The manifest at hand, and where it comes from."""
        found = self.manifests.get(version) if name == NATIVE or not version else None
        if found is None and version:
            found = self.helm.modules.manifest(version, name)
        return found, shown(str(found), most=200)

    def _rewrite(
        self, each: Kustomization, releases: Mapping[str, str], charts: list[str], *, bare: bool
    ) -> None:
        """Write the copy's kustomization file; a `bare` one is without patches of objects that the manifest has."""
        data = {key: value for key, value in each.data.items() if key not in {CHARTS, GLOBALS}}
        if self.version and data.get("images"):
            data["images"] = [_retagged(image, self.version) for image in data["images"]]
        for key in ("resources", "bases"):
            if data.get(key):
                data[key] = [releases.get(entry, entry) for entry in data[key]]
        if charts:
            data["resources"] = [*(data.get("resources") or ()), *charts]
        if bare:
            for key in (key for key in PATCHES if data.get(key)):
                data[key] = [patch for patch in data[key] if _of_configuration(patch, each, self.tree)]
            for key in ("replicas", "replacements"):
                data.pop(key, None)
        self.target.write(
            self.tree.find(each.path).path, yaml.safe_dump(data, sort_keys=False).encode("utf-8")
        )


def _stand_in(number: int) -> Object:
    """An object that `kept` takes out again."""
    metadata = {"name": f"placeholder-{number}", "annotations": {_MARK: "true"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def kept(objects: list[Object]) -> tuple[Object, ...]:
    """The rendered objects without the stand-ins, and without what a Secret holds."""
    return tuple(
        {key: value for key, value in found.items() if found.get("kind") != "Secret" or key not in _SECRET}
        for found in objects
        if _MARK not in mapping(metadata_of(found).get("annotations"))
    )


def patch_labels(each: Kustomization) -> list[str]:
    """What a kustomization file patches: "patch quick-probes.yaml", "patch Deployment controller"."""
    labels = []
    for patch in (patch for key in PATCHES for patch in each.data.get(key) or ()):
        entry = patch if isinstance(patch, dict) else {"path": patch}
        target = entry.get("target") or {}
        aimed = " ".join(str(target[part]) for part in ("kind", "name") if target.get(part))
        labels.append(f"patch {str(entry.get('path') or aimed or 'inline').splitlines()[0]}")
    return labels


def _retagged(image: Object, version: str) -> Object:
    if "metallb/" not in str(image.get("name", "")):
        return image
    return {**image, "newTag": f"v{version.removeprefix('v')}"}


def _of_configuration(patch: Any, each: Kustomization, tree: Tree) -> bool:
    """Whether a patch is of MetalLB's configuration, by its target or by its own content."""
    entry: Object = patch if isinstance(patch, dict) else {"patch" if "\n" in patch else "path": patch}
    if target := entry.get("target"):
        return target.get("group") == GROUP or str(target.get("kind")) in CONFIGURATION
    text = entry.get("patch") or each.text_of(tree, str(entry.get("path") or ""))
    contents = [found.data for found in parse(text, "patch") if isinstance(found.data, dict)]
    return bool(contents) and all(str(found.get("apiVersion", "")).startswith(GROUP) for found in contents)
