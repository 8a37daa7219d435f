"""A copy of what an overlay stands on, with release manifests put in place or left out with their patches."""

from __future__ import annotations

from typing import Any

import yaml

from clusters.confinement import Folder, Tree
from clusters.gitops.documents import mapping, parse
from clusters.gitops.kustomization import Kustomization
from clusters.gitops.pool_objects import CONFIGURATION, GROUP
from clusters.gitops.release_manifests import Manifest
from clusters.objects import Object, metadata_of

PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")
_SECRET = frozenset({"data", "stringData"})
_MARK = "conformance.metallb/placeholder"


def copy(overlay: Kustomization, *, target: Folder) -> None:
    """Lay out what was read of an overlay and of all that it stands on, links as links, and nothing else."""
    everything = tuple(overlay.walk())
    for each in everything:
        for path, content in each.files.items():
            target.write(path, content)
    for each in everything:
        for path, link in each.links.items():
            target.link(path, link)


def place(overlay: Kustomization, *, target: Folder, manifest: Manifest | None) -> tuple[str, ...]:
    """Put `manifest` wherever the overlay misses one; returns the places where there was none to put.

    kustomize wants a file there; a ConfigMap stands in, and `kept` takes it out again.
    """
    left_out: list[str] = []
    for path in (missing for each in overlay.walk() for missing in each.missing):
        if manifest is not None:
            target.write(path, manifest.read_bytes())
            continue
        left_out.append(path)
        metadata = {"name": f"placeholder-{len(left_out)}", "annotations": {_MARK: "true"}}
        stub = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        target.write(path, yaml.safe_dump(stub).encode("utf-8"))
    return tuple(left_out)


def kept(objects: list[Object]) -> tuple[Object, ...]:
    """The rendered objects without the stand-ins, and without what a Secret holds."""
    return tuple(
        {key: value for key, value in found.items() if found.get("kind") != "Secret" or key not in _SECRET}
        for found in objects
        if _MARK not in mapping(metadata_of(found).get("annotations"))
    )


def rewrite(each: Kustomization, *, tree: Tree, target: Folder, version: str, bare: bool) -> None:
    """Write the copy's kustomization file, for `version` if one is given.

    A `bare` one is without patches of objects that only the manifest has.
    """
    data = dict(each.data)
    if version and data.get("images"):
        data["images"] = [_retagged(image, version) for image in data["images"]]
    if bare:
        for key in (key for key in PATCHES if data.get(key)):
            data[key] = [patch for patch in data[key] if _of_configuration(patch, each, tree)]
        for key in ("replicas", "replacements"):
            data.pop(key, None)
    target.write(tree.find(each.path).path, yaml.safe_dump(data, sort_keys=False).encode("utf-8"))


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
