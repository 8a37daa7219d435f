"""MetalLB's release manifests (metallb-native.yaml) that are at hand, by version: the lab's, the repository's own."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from clusters.confinement import RefusedPath, Tree
from clusters.errors import ConformanceError
from clusters.metallb import versions

IMAGE = re.compile(r"metallb/(?:controller|speaker):(\S+)")
_SMALLEST = 20_000


class Manifest(Protocol):
    """A release manifest: a file of ours, or one that lies in the repository."""

    def read_bytes(self) -> bytes:
        """Its content."""
        ...


def of_lab_parts() -> dict[str, Path]:
    """Those among the lab's parts; none where the parts were never made."""
    # Imported here: a run against an existing cluster needs nothing of the lab.
    from clusters.lab.parts import SUPPORTED_METALLB, cache_root, toolchain  # noqa: PLC0415 - see above
    from clusters.lab.parts.ready import Parts, slots  # noqa: PLC0415 - see above

    try:
        root = cache_root()
        parts = Parts(slots(root, toolchain.find(root).version))
    except ConformanceError:
        return {}
    found = {}
    for version in SUPPORTED_METALLB:
        try:
            found[version] = parts.manifest(version)
        except ConformanceError:
            continue
    return {version: path for version, path in found.items() if path.is_file()}


def in_repository(tree: Tree, folder: str) -> dict[str, Manifest]:
    """Those that lie in a folder of the working tree; large files only, for others hold none."""
    found: dict[str, Manifest] = {}
    with suppress(RefusedPath):
        for path in sorted(tree.entries(folder, without=frozenset({".git"}))):
            if not fnmatch(path.rpartition("/")[2], "metallb*.y*ml"):
                continue
            with suppress(RefusedPath):
                content = tree.read(path)
                version = version_named_in(content.decode("utf-8", errors="replace"))
                if len(content) > _SMALLEST:
                    found[version] = _FileOfTree(tree, path)
    return found


def version_named_in(text: str) -> str:
    """The version of a release manifest ("0.15.2"), from the images it names; empty where it names none."""
    match = IMAGE.search(text)
    return str(versions.parse(match[1]) or "") if match else ""


@dataclass(frozen=True)
class _FileOfTree:
    """A file of the repository that is read when it is needed."""

    tree: Tree
    path: str

    def read_bytes(self) -> bytes:
        return self.tree.read(self.path)
