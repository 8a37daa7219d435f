"""Rendering an overlay as `kubectl kustomize` does, from the repository alone and without changing it.

kubectl sees a copy of the files that were read and checked, has bounds, and no network where that can be taken away.
MetalLB's release manifest is often not kept in the repository. Where a kustomization names one that is not
there, it is put in place in a copy, for the version that the overlay pins; where that version's manifest is
not at hand either, everything else is rendered: the pools, the advertisements, and what patches them.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clusters import budgets, sandbox
from clusters.confinement import Folder, RefusedPath, Tree, joined, shown
from clusters.errors import Inconclusive
from clusters.gitops import kustomization
from clusters.gitops.documents import FileError, listing, mapping, mappings, parse
from clusters.gitops.history import Frozen
from clusters.gitops.kustomization import Kustomization, NeedsNetworkError, OverlayError
from clusters.gitops.pool_objects import CONFIGURATION, GROUP
from clusters.gitops.release_manifests import IMAGE, Manifest
from clusters.metallb import versions
from clusters.objects import Object, metadata_of, spec_of
from clusters.sandbox import Finished, Limits, TooMuch, TooSlow

#: Bytes of memory for one render, and of what it prints: a whole release manifest takes 60 MiB, and prints 0.1.
_MEMORY, _PRINTED = 512 << 20, 16 << 20

_OUT_OF_MEMORY = ("fatal error: ", "runtime: ")  # how a program in Go ends where it gets no more
_STAMP = re.compile(r"^[EFIW]\d{4} [\d:.]+ +\d+ \S+\] ")  # what kubectl puts before some of its errors
# Nothing remote is left in the files; were it, these would make kubectl fail at once instead of fetching it, also
# where the kernel does not let it go without a network. A crash is to be told in one line.
_OFFLINE = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "GOTRACEBACK": "none",
    "KUBERC": "off",
    "KUBECONFIG": os.devnull,
}


class GivenUp(Inconclusive):
    """A render that was ended because it took more than it gets: that says nothing of the overlay."""


class Render(Frozen):
    """What an overlay renders. `problem` says in one sentence why it could not be; it then has no objects.

    `version` is the MetalLB version that it runs ("0.15.2"), empty where nothing says. `left_out` names the
    release manifests that were not at hand: only the configuration was rendered then. `patches` names what
    the overlay patches, for comparing one overlay's ways with another's.
    """

    overlay: str
    objects: tuple[Object, ...] = ()
    version: str = ""
    left_out: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    problem: str = ""
    remedy: str = ""
    needs_network: bool = False
    given_up: bool = False

    @property
    def broken(self) -> bool:
        """Whether the overlay itself is wrong: it was tried, and does not render."""
        return bool(self.problem) and not self.needs_network and not self.given_up

    @property
    def complete(self) -> bool:
        """Whether everything that the overlay stands for was rendered."""
        return not self.problem and not self.left_out


@dataclass(frozen=True)
class Kustomize:
    """`kubectl kustomize`, with the release manifests that are at hand: a file by version ("0.15.2")."""

    kubectl: Path
    manifests: Mapping[str, Manifest] = field(default_factory=dict)

    def attempt(self, root: Path, overlay: str, *, version: str = "") -> Render:
        """`render`, with what prevents it in the Render's `problem`."""
        try:
            return self.render(root, overlay, version=version)
        except (FileError, GivenUp) as error:
            return Render(
                overlay=overlay,
                problem=str(error.args[0]),
                remedy=error.remedy,
                needs_network=isinstance(error, NeedsNetworkError),
                given_up=isinstance(error, GivenUp),
            )

    def render(self, root: Path, overlay: str, *, version: str = "") -> Render:
        """What `overlay`, a folder of the repository at `root`, renders.

        `version` is for a cluster that was asked to run another MetalLB than the overlay pins. Raises
        OverlayError with one sentence, GivenUp, and Inconclusive where kubectl itself cannot be used.
        """
        tree = Tree(root)
        read = kustomization.read(tree, overlay)
        as_it_is = not version and not any(each.missing for each in read.walk())
        wanted = "" if as_it_is else (version or pinned(read)).removeprefix("v")
        with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
            target = Folder(Path(scratch).resolve())
            try:
                left_out = self._lay_out(read, tree, target, version=version, wanted=wanted)
            except RefusedPath as error:
                raise OverlayError(f"The overlay {shown(overlay)} is not rendered: {error.args[0]}") from None
            except OSError as error:
                raise GivenUp(
                    f"The overlay {shown(overlay)} cannot be copied to {scratch}: {error.strerror}."
                ) from None
            printed = self._run(target.root / joined("", overlay), target.root)
        return _finished(overlay, read, printed, version=wanted, left_out=left_out)

    def _lay_out(
        self, read: Kustomization, tree: Tree, target: Folder, *, version: str, wanted: str
    ) -> tuple[str, ...]:
        """Copy the overlay, with the manifest of the `wanted` version; returns where there was none to put."""
        copy(read, target=target)
        left_out = place(read, target=target, manifest=self.manifests.get(wanted))
        if version or left_out:
            for each in read.walk():
                rewrite(each, tree=tree, target=target, version=version, bare=bool(left_out))
        return left_out

    def _run(self, folder: Path, root: Path) -> str:
        overlay = shown(os.path.relpath(folder, root))
        try:
            # A home of its own, and empty: kubectl takes preferences from there, the enabling of programs included.
            with tempfile.TemporaryDirectory(prefix="home-") as home:
                done = sandbox.run_isolated(
                    (self.kubectl, "kustomize", folder),
                    directory=root,
                    environment={"PATH": sandbox.search_path(), "HOME": home, **_OFFLINE},
                    limits=Limits(
                        seconds=budgets.seconds(budgets.OVERLAY_RENDERED), output=_PRINTED, memory=_MEMORY
                    ),
                )
        except OSError as error:
            raise Inconclusive(
                f"kubectl at {self.kubectl} cannot be run: {error.strerror}.",
                remedy="Install kubectl, or run make setup.",
            ) from None
        except TooSlow:
            raise GivenUp(
                f"kubectl kustomize took longer than {budgets.seconds(budgets.OVERLAY_RENDERED):.0f} s for {overlay}."
            ) from None
        except TooMuch:
            raise GivenUp(
                f"For {overlay} the output of kubectl kustomize is larger than {_PRINTED >> 20} MiB."
            ) from None
        if done.errors.startswith(_OUT_OF_MEMORY) or done.code == -signal.SIGKILL:
            raise GivenUp(
                f"For {overlay} the memory that kubectl kustomize asks for is more than {_MEMORY >> 20} MiB."
            )
        if done.code != 0:
            raise OverlayError(f"{overlay} does not render: {_reason(done, root)}.")
        return done.output.decode("utf-8", errors="replace")


def _finished(
    overlay: str, tree: Kustomization, printed: str, *, version: str = "", left_out: tuple[str, ...] = ()
) -> Render:
    rendered = [found.data for found in mappings(printed, f"What {shown(overlay)} renders")]
    objects = kept(rendered)
    return Render(
        overlay=overlay,
        objects=objects,
        version=version_of(objects) or version or pinned(tree).removeprefix("v"),
        left_out=left_out,
        patches=tuple(label for each in tree.walk() for label in patch_labels(each)),
    )


def pinned(tree: Kustomization) -> str:
    """The MetalLB version that the overlay's image tags pin ("v0.15.2"), or empty."""
    tags = tree.tags()
    known = {name.rpartition("/")[2]: tag for name, tag in tags.items() if versions.parse(tag)}
    return known.get("controller") or known.get("speaker") or ""


def version_of(objects: Iterable[Object]) -> str:
    """The MetalLB version of rendered objects by the controller's image, else the speakers'; or empty."""
    found = {versions.parse_image(image).repository.rpartition("/")[2]: image for image in images(objects)}
    known = (versions.of_image(found[name]) for name in ("controller", "speaker") if name in found)
    return next((str(version) for version in known if version), "")


def images(objects: Iterable[Object]) -> tuple[str, ...]:
    """The images of MetalLB's own containers in rendered or live Deployments and DaemonSets."""
    pods = (
        mapping(mapping(spec_of(found).get("template")).get("spec"))
        for found in objects
        if str(found.get("kind")) in {"Deployment", "DaemonSet"}
    )
    containers = (mapping(container) for pod in pods for container in listing(pod.get("containers")))
    return tuple(image for each in containers if IMAGE.search(image := str(each.get("image", ""))))


def _reason(done: Finished, root: Path) -> str:
    lines = [_STAMP.sub("", line).strip() for line in done.errors.splitlines() if not line.startswith("#")]
    text = " ".join(filter(None, lines)).removeprefix("error: ").replace(f"{root}/", "")
    return (shown(text, most=400) or "kubectl gave no reason").rstrip(".")


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
