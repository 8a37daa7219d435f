"""A copy of an overlay's folders, with release manifests put in place or left out with their patches."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from clusters.gitops import kustomization
from clusters.gitops.documents import Json, parse
from clusters.gitops.kustomization import Kustomization, OverlayError
from clusters.gitops.pools import CONFIGURATION, GROUP

PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")
_SECRET = frozenset({"data", "stringData"})
_MARK = "conformance.metallb/placeholder"


def copy(tree: Kustomization, *, root: Path, target: Path) -> None:
    """Copy the top folders that the tree lies in. Raises OverlayError where it leaves the repository."""
    tops = {Path(os.path.relpath(each.folder, root)).parts[0] for each in tree.walk()}
    if ".." in tops:
        raise OverlayError(
            f"An overlay below {root} stands on a folder outside of it.",
            remedy="Name the folder above both as gitops.repository.",
        )
    for top in sorted(tops):
        ignored = shutil.ignore_patterns(".git")
        shutil.copytree(root / top, target / top, ignore=ignored, symlinks=True, dirs_exist_ok=True)


def place(tree: Kustomization, *, root: Path, target: Path, manifest: Path | None) -> tuple[str, ...]:
    """Put `manifest` wherever the tree misses one; returns the places where there was none to put.

    kustomize wants a file there; a ConfigMap stands in, and `kept` takes it out again.
    """
    left_out: list[str] = []
    for entry in (missing for each in tree.walk() for missing in each.missing):
        path = os.path.relpath(entry.path, root)
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if manifest is not None:
            shutil.copyfile(manifest, target / path)
            continue
        left_out.append(path)
        metadata = {"name": f"placeholder-{len(left_out)}", "annotations": {_MARK: "true"}}
        stub = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        (target / path).write_text(yaml.safe_dump(stub), encoding="utf-8")
    return tuple(left_out)


def kept(objects: list[Json]) -> tuple[Json, ...]:
    """The rendered objects without the stand-ins, and without what a Secret holds."""
    return tuple(
        {key: value for key, value in found.items() if found.get("kind") != "Secret" or key not in _SECRET}
        for found in objects
        if _MARK not in (found.get("metadata", {}).get("annotations") or {})
    )


def rewrite(each: Kustomization, folder: Path, *, version: str, bare: bool) -> None:
    """Write the copy's kustomization file, for `version` if one is given.

    A `bare` one is without patches of objects that only the manifest has.
    """
    data = dict(each.data)
    if version and data.get("images"):
        data["images"] = [_retagged(image, version) for image in data["images"]]
    if bare:
        for key in (key for key in PATCHES if data.get(key)):
            data[key] = [patch for patch in data[key] if _of_configuration(patch, each.folder)]
        for key in ("replicas", "replacements"):
            data.pop(key, None)
    path = kustomization.file_in(folder) or folder / kustomization.NAMES[0]
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def patch_labels(each: Kustomization) -> list[str]:
    """What a kustomization file patches: "patch quick-probes.yaml", "patch Deployment controller"."""
    labels = []
    for patch in (patch for key in PATCHES for patch in each.data.get(key) or ()):
        entry = patch if isinstance(patch, dict) else {"path": patch}
        target = entry.get("target") or {}
        aimed = " ".join(str(target[part]) for part in ("kind", "name") if target.get(part))
        labels.append(f"patch {str(entry.get('path') or aimed or 'inline').splitlines()[0]}")
    return labels


def _retagged(image: Json, version: str) -> Json:
    if "metallb/" not in str(image.get("name", "")):
        return image
    return {**image, "newTag": f"v{version.removeprefix('v')}"}


def _of_configuration(patch: Any, folder: Path) -> bool:
    """Whether a patch is of MetalLB's configuration, by its target or by its own content."""
    entry: Json = (
        patch if isinstance(patch, dict) else {"patch" if "\n" in str(patch) else "path": str(patch)}
    )
    if target := entry.get("target"):
        return target.get("group") == GROUP or target.get("kind") in CONFIGURATION
    text = entry.get("patch") or (folder / str(entry.get("path"))).read_text(encoding="utf-8")
    contents = [found.data for found in parse(str(text), "patch") if isinstance(found.data, dict)]
    return bool(contents) and all(str(found.get("apiVersion", "")).startswith(GROUP) for found in contents)
