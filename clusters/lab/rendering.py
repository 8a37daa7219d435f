"""Renders a kustomize overlay to objects, with MetalLB's manifest of a chosen version put in its place.

The committed base names `upstream/metallb-native.yaml` and does not have it; see the base's README. Rendering
is done on a copy, so the user's tree is never written to.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from clusters import files, yaml_text
from clusters.errors import UsageError
from clusters.lab.plan import LabOptions

EXAMPLES = files.shipped_folder("examples/platform")
UPSTREAM = Path("base/upstream/metallb-native.yaml")
_IMAGES = ("quay.io/metallb/controller", "quay.io/metallb/speaker")
_TAG = re.compile(r"^v?(\d+\.\d+\.\d+\S*)$")


def chosen(options: LabOptions) -> Path:
    """The overlay of these options: the user's own, or the shipped one that fits the address families."""
    files = EXAMPLES / "metallb" / "overlays" / _shipped(options)
    return Path(options.overlay) if options.overlay else files


def consumers(options: LabOptions) -> Path:
    """The shipped consumers that fit the address families."""
    return EXAMPLES / "consumers" / _shipped(options)


def _shipped(options: LabOptions) -> str:
    return "lab" if options.families == "ipv4" else f"lab-{options.families}"


def pinned_version(overlay: Path) -> str:
    """MetalLB's version that the overlay's image tags name, without the `v`; empty when it names none.

    Follows `resources` that are folders, the overlay's own tags first.
    """
    settings = _settings(overlay)
    for image in settings.get("images", []):
        tag = _TAG.match(str(image.get("newTag", "")))
        if image.get("name") in _IMAGES and tag:
            return tag.group(1)
    parents = [
        overlay / resource for resource in settings.get("resources", []) if (overlay / resource).is_dir()
    ]
    return next((version for parent in parents if (version := pinned_version(parent))), "")


def render(
    overlay_dir: Path,
    *,
    metallb_version: str,
    manifest: Path,
    kubectl: Path,
    components: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The overlay's objects, in the order in which kustomize gives them.

    `overlay_dir` is `<tree>/overlays/<name>` of a tree with a `base`; `manifest` is the release manifest of
    `metallb_version` (without `v`). Where the overlay pins image tags, they are set to that version.
    `components` are names of shipped kustomize components to add where the overlay does not include them yet, for
    example `helm-names`.
    Raises `UsageError` with kustomize's own words when it cannot be rendered.
    """
    overlay_dir = overlay_dir.resolve()
    tree = overlay_dir.parent.parent
    with tempfile.TemporaryDirectory(prefix="metallb-overlay-") as folder:
        copy = Path(folder) / tree.name
        shutil.copytree(tree, copy)
        if (copy / "base").is_dir():
            (copy / UPSTREAM).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest, copy / UPSTREAM)
        for settings in copy.rglob("kustomization.yaml"):
            _set_tags(settings, metallb_version)
        wanted = copy / overlay_dir.relative_to(tree)
        added = [name for name in components if name not in _included(wanted)]
        return build(_with_components(wanted, added) if added else wanted, kubectl=kubectl)


def _included(overlay: Path) -> set[str]:
    """The names of the components of the overlay and of the folders that it stands on."""
    settings = _settings(overlay)
    found = {Path(component).name for component in settings.get("components", [])}
    parents = [overlay / resource for resource in settings.get("resources", [])]
    return found.union(*(_included(parent) for parent in parents if parent.is_dir()))


def _with_components(overlay: Path, names: Sequence[str]) -> Path:
    """A folder beside `overlay` that renders it with shipped components over it."""
    folder = overlay.with_name(f"{overlay.name}-with-components")
    folder.mkdir()
    for name in names:
        shutil.copytree(EXAMPLES / "metallb" / "components" / name, folder / name)
    settings = {"resources": [f"../{overlay.name}"], "components": list(names)}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def build(folder: Path, *, kubectl: Path) -> list[dict[str, Any]]:
    """`kubectl kustomize` on a folder as it is.

    Raises `UsageError` with kustomize's own words.
    """
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UsageError(f"The overlay {folder.name} cannot be rendered: {done.stderr.strip()}")
    return yaml_text.documents(done.stdout)


def _settings(overlay: Path) -> dict[str, Any]:
    file = overlay / "kustomization.yaml"
    if not file.is_file():
        return {}
    return yaml_text.parsed(file.read_text(encoding="utf-8")) or {}


def _set_tags(file: Path, version: str) -> None:
    settings = _settings(file.parent)
    images = [
        image for image in settings.get("images", []) if image.get("name") in _IMAGES and "newTag" in image
    ]
    for image in images:
        image["newTag"] = f"v{version}"
    if images:
        file.write_text(yaml.safe_dump(settings), encoding="utf-8")
