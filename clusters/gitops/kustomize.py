"""Rendering an overlay as `kubectl kustomize` does, from the repository alone and without changing it.

MetalLB's release manifest is often not kept in the repository. Where a kustomization names one that is not
there, it is put in place in a copy, for the version that the overlay pins; where that version's manifest is
not at hand either, everything else is rendered: the pools, the advertisements, and what patches them.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clusters.errors import Inconclusive
from clusters.gitops import kustomization, placing
from clusters.gitops.documents import FileError, Json
from clusters.gitops.history import Frozen
from clusters.gitops.kustomization import Kustomization, NeedsNetworkError, OverlayError
from clusters.metallb import versions

#: Seconds for one render; one of a whole release manifest takes about half of one.
PATIENCE = 60.0

_IMAGE = re.compile(r"metallb/(?:controller|speaker):(\S+)")
_STAMP = re.compile(r"^[EFIW]\d{4} [\d:.]+ +\d+ \S+\] ")  # what kubectl puts before some of its errors
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster on a release manifest
# Nothing remote is left in the files; were it, these would make kubectl fail at once instead of fetching it.
_OFFLINE = {
    "GIT_ALLOW_PROTOCOL": "file",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


class Render(Frozen):
    """What an overlay renders. `problem` says in one sentence why it could not be; it then has no objects.

    `version` is the MetalLB version that it runs ("0.15.2"), empty where nothing says. `left_out` names the
    release manifests that were not at hand: only the configuration was rendered then. `patches` names what
    the overlay patches, for comparing one overlay's ways with another's.
    """

    overlay: str
    objects: tuple[Json, ...] = ()
    version: str = ""
    left_out: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    needs_network: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that the overlay stands for was rendered."""
        return not self.problem and not self.left_out


@dataclass(frozen=True)
class Kustomize:
    """`kubectl kustomize`, with the release manifests that are at hand: a file by version ("0.15.2")."""

    kubectl: Path
    manifests: Mapping[str, Path] = field(default_factory=dict)

    def attempt(self, root: Path, overlay: str, *, version: str = "") -> Render:
        """`render`, with what prevents it in the Render's `problem`."""
        try:
            return self.render(root, overlay, version=version)
        except FileError as error:
            return Render(
                overlay=overlay,
                problem=str(error.args[0]),
                remedy=error.remedy,
                needs_network=isinstance(error, NeedsNetworkError),
            )

    def render(self, root: Path, overlay: str, *, version: str = "") -> Render:
        """What `overlay`, a folder of the repository at `root`, renders.

        `version` is for a cluster that was asked to run another MetalLB than the overlay pins. Raises
        OverlayError with one sentence, and Inconclusive where kubectl itself cannot be used.
        """
        tree = kustomization.read(root, overlay)
        if not version and not any(each.missing for each in tree.walk()):
            return _finished(overlay, tree, self._run(root / overlay, root))
        wanted = (version or pinned(tree)).removeprefix("v")
        with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
            target = Path(scratch)
            placing.copy(tree, root=root, target=target)
            left_out = placing.place(tree, root=root, target=target, manifest=self.manifests.get(wanted))
            for each in tree.walk():
                folder = target / os.path.relpath(each.folder, root)
                placing.rewrite(each, folder, version=version, bare=bool(left_out))
            printed = self._run(target / overlay, target)
        return _finished(overlay, tree, printed, version=wanted, left_out=left_out)

    def _run(self, folder: Path, root: Path) -> str:
        shown = os.path.relpath(folder, root)
        try:
            done = subprocess.run(
                (str(self.kubectl), "kustomize", str(folder)),
                env={"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", **_OFFLINE},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except OSError as error:
            raise Inconclusive(
                f"kubectl at {self.kubectl} cannot be run: {error.strerror}.",
                remedy="Install kubectl, or run make setup.",
            ) from None
        except subprocess.TimeoutExpired:
            raise Inconclusive(f"kubectl kustomize took longer than {PATIENCE:.0f} s for {shown}.") from None
        if done.returncode != 0:
            raise OverlayError(f"{shown} does not render: {_reason(done.stderr, root)}.")
        return done.stdout


def _finished(
    overlay: str, tree: Kustomization, printed: str, *, version: str = "", left_out: tuple[str, ...] = ()
) -> Render:
    objects = placing.kept([found for found in yaml.load_all(printed, Loader=_LOADER) if found])
    return Render(
        overlay=overlay,
        objects=objects,
        version=version_of(objects) or version or pinned(tree).removeprefix("v"),
        left_out=left_out,
        patches=tuple(label for each in tree.walk() for label in placing.patch_labels(each)),
    )


def pinned(tree: Kustomization) -> str:
    """The MetalLB version that the overlay's image tags pin ("v0.15.2"), or empty."""
    tags = tree.tags()
    known = {name.rpartition("/")[2]: tag for name, tag in tags.items() if versions.parse(tag)}
    return known.get("controller") or known.get("speaker") or ""


def version_of(objects: Iterable[Json]) -> str:
    """The MetalLB version of rendered objects by the controller's image, else the speakers'; or empty."""
    found = {versions.parse_image(image).repository.rpartition("/")[2]: image for image in images(objects)}
    known = (versions.of_image(found[name]) for name in ("controller", "speaker") if name in found)
    return next((str(version) for version in known if version), "")


def images(objects: Iterable[Json]) -> tuple[str, ...]:
    """The images of MetalLB's own containers in rendered or live Deployments and DaemonSets."""
    pods = (
        ((found.get("spec") or {}).get("template") or {}).get("spec") or {}
        for found in objects
        if found.get("kind") in {"Deployment", "DaemonSet"}
    )
    listed = (str(container.get("image", "")) for pod in pods for container in pod.get("containers") or ())
    return tuple(image for image in listed if _IMAGE.search(image))


def manifest_version(text: str) -> str:
    """The version of a release manifest ("0.15.2"), from the images it names; empty where it names none."""
    match = _IMAGE.search(text)
    return str(versions.parse(match[1]) or "") if match else ""


def _reason(said: str, root: Path) -> str:
    lines = [_STAMP.sub("", line).strip() for line in said.splitlines() if not line.startswith("#")]
    text = " ".join(filter(None, lines)).removeprefix("error: ").replace(f"{root}/", "")
    return (text[:400] or "kubectl gave no reason").rstrip(".")
