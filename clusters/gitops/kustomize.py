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

from clusters import budgets, sandbox
from clusters.confinement import Folder, RefusedPath, Tree, joined, shown
from clusters.errors import Inconclusive
from clusters.gitops import kustomization, overlay_copy
from clusters.gitops.documents import (
    OverlayError,
    listing,
    mapping,
    mappings,
)
from clusters.gitops.helm import OFFLINE, GivenUp, Helm
from clusters.gitops.history import Frozen
from clusters.gitops.kustomization import Kustomization
from clusters.gitops.overlay_copy import OverlayCopy, Placed
from clusters.gitops.release_manifests import IMAGE, Manifest
from clusters.metallb import versions
from clusters.objects import Object, spec_of
from clusters.sandbox import Finished, Limits, TooMuch, TooSlow

#: Bytes of memory for one render, and of what it prints: a whole release manifest takes 60 MiB, and prints 0.1.
_MEMORY, _PRINTED = 512 << 20, 16 << 20

_OUT_OF_MEMORY = ("fatal error: ", "runtime: ")  # how a program in Go ends where it gets no more
_STAMP = re.compile(r"^[EFIW]\d{4} [\d:.]+ +\d+ \S+\] ")  # what kubectl puts before some of its errors
_OFFLINE = {
    **OFFLINE,
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "KUBERC": "off",
    "KUBECONFIG": os.devnull,
}


class Render(Frozen):
    """What an overlay renders. `problem` says in one sentence why it could not be; it then has no objects.

    `version` is the MetalLB version that it runs ("0.15.2"), empty where nothing says. `left_out` names the
    release manifests and charts of MetalLB's that were not at hand, `remedy` how to have them: only the configuration
    was rendered then. `brought` says, a sentence
    each, what stands in for something that the repository only names. `patches` names what the overlay patches, for
    comparing one overlay's ways with another's. `deliverers` are the objects of Flux and Argo CD that were followed.
    """

    overlay: str
    objects: tuple[Object, ...] = ()
    version: str = ""
    left_out: tuple[str, ...] = ()
    brought: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    deliverers: tuple[str, ...] = ()
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
    """`kubectl kustomize`, with the release manifests that are at hand: a file by version ("0.15.2").

    The one that a person named stands there for the empty version as well. `helm` renders charts, and has MetalLB's
    modules, whose manifests serve where none of the others does.
    """

    kubectl: Path
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    helm: Helm = field(default_factory=Helm)

    def render(self, root: Path, overlay: str, *, version: str = "") -> Render:
        """What `overlay`, a folder of the repository at `root`, renders.

        `version` is for a cluster that was asked to run another MetalLB than the overlay pins. Raises
        OverlayError with one sentence, GivenUp, and Inconclusive where kubectl itself cannot be used.
        """
        tree = Tree(root)
        read = kustomization.read(tree, overlay)
        wanted = (version or pinned(read)).removeprefix("v")
        with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
            target = Folder(Path(scratch).resolve())
            try:
                placed = OverlayCopy(read, tree, target, self.manifests, self.helm, version).lay_out(wanted)
            except RefusedPath as error:
                raise OverlayError(f"The overlay {shown(overlay)} is not rendered: {error.args[0]}") from None
            except OSError as error:
                raise GivenUp(
                    f"The overlay {shown(overlay)} cannot be copied to {scratch}: {error.strerror}."
                ) from None
            printed = self._run(target.root / joined("", overlay), target.root)
        return _finished(overlay, read, printed, version=wanted, placed=placed)

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


def _finished(overlay: str, tree: Kustomization, printed: str, *, version: str, placed: Placed) -> Render:
    rendered = [found.data for found in mappings(printed, f"What {shown(overlay)} renders")]
    objects = overlay_copy.kept(rendered)
    return Render(
        overlay=overlay,
        objects=objects,
        version=version_of(objects) or version or placed.version,
        left_out=tuple(placed.left_out),
        remedy=placed.remedy,
        brought=tuple(placed.brought),
        patches=tuple(label for each in tree.walk() for label in overlay_copy.patch_labels(each)),
    )


def pinned(tree: Kustomization) -> str:
    """The MetalLB version that the overlay's image tags pin ("v0.15.2"), else the release that it names; or empty."""
    tags = tree.tags()
    known = {name.rpartition("/")[2]: tag for name, tag in tags.items() if versions.parse(tag)}
    named = (release.version for each in tree.walk() for release in each.releases.values())
    return known.get("controller") or known.get("speaker") or next(filter(None, named), "")


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
