"""What MetalLB released and is at hand: manifests by version, the chart, and the names that repositories give them.

A repository may name the release where MetalLB keeps it (https://metallb.io/installation/). Nothing is fetched:
what that would bring is taken from a file that was named, the lab's parts, or the Go module cache of this machine,
which holds MetalLB's module whole for every version that was ever built here.
"""

from __future__ import annotations

import os
import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs

from clusters.confinement import LARGEST_READ, RefusedPath, Tree
from clusters.errors import ConformanceError, UsageError
from clusters.metallb import versions

IMAGE = re.compile(r"metallb/(?:controller|speaker):(\S+)")
_SMALLEST = 20_000
#: The manifest that most clusters run, by its name in MetalLB's `config/manifests`.
NATIVE = "metallb-native"
_REPOSITORY = r"(?:git::)?(?:https?://|ssh://git@|git@)?(?:www\.)?github\.com[/:]metallb/metallb(?:\.git)?"
#: A kustomization of it, as MetalLB's documentation names it: github.com/metallb/metallb/config/native?ref=v0.16.2
_FOLDER = re.compile(rf"{_REPOSITORY}//?config/(?P<folder>[a-z0-9-]+)/?(?:\?(?P<query>[\w=&.-]*))?")
#: A file of it: https://raw.githubusercontent.com/metallb/metallb/v0.16.2/config/manifests/metallb-native.yaml
_FILE = re.compile(
    r"https://(?:raw\.githubusercontent\.com/metallb/metallb|github\.com/metallb/metallb/raw)"
    r"/(?:refs/(?:tags|heads)/)?(?P<ref>[\w.-]+)/(?:config/)?manifests/(?P<file>metallb[a-z0-9-]*)\.yaml"
)
_MANIFEST_OF = {
    "native": NATIVE,
    "frr": "metallb-frr",
    "frr-k8s": "metallb-frr-k8s",
    "prometheus-native": "metallb-native-prometheus",
    "prometheus-frr": "metallb-frr-prometheus",
    "prometheus-frr-k8s": "metallb-frr-k8s-prometheus",
}
#: Where MetalLB's own chart is published; others publish charts of that name.
CHART_REPOSITORY, CHART = "https://metallb.github.io/metallb", "metallb"
_MODULE, _MOST_MEMBERS = "go.universe.tf/metallb", 2000


class Manifest(Protocol):
    """A release manifest: a file of ours, or one that lies in the repository."""

    def read_bytes(self) -> bytes:
        """Its content."""
        ...


@dataclass(frozen=True)
class Release:
    """A release of MetalLB's as a repository names it: its version ("0.16.2"), and the manifest that it brings.

    `version` is empty where the name is that of a branch, which is another thing tomorrow.
    """

    text: str
    version: str
    manifest: str


def release_named(text: str) -> Release | None:
    """The release that a resource of a kustomization names, None for anything else."""
    if found := _FILE.fullmatch(text):
        return Release(text, str(versions.parse(found["ref"]) or ""), found["file"])
    found = _FOLDER.fullmatch(text)
    if found is None or found["folder"] not in _MANIFEST_OF:
        return None
    query = parse_qs(found["query"] or "")
    ref = (query.get("ref") or query.get("version") or [""])[-1]
    return Release(text, str(versions.parse(ref) or ""), _MANIFEST_OF[found["folder"]])


def is_chart(name: str, repository: str) -> bool:
    """Whether a chart is MetalLB's own, by its name and where it is published."""
    return name == CHART and repository.rstrip("/") == CHART_REPOSITORY


@dataclass(frozen=True)
class Modules:
    """MetalLB's modules in the Go module cache at `folder`; with no folder there is none."""

    folder: Path | None = None

    def manifest(self, version: str, name: str = NATIVE) -> Manifest | None:
        """A manifest of a version ("0.16.2"), by its name without the ending."""
        archive, member = self._archive(version), f"{_prefix(version)}config/manifests/{name}.yaml"
        if archive is None:
            return None
        with zipfile.ZipFile(archive) as found:
            return _Member(archive, member) if member in found.namelist() else None

    def chart(self, version: str) -> dict[str, bytes] | None:
        """The files of MetalLB's chart of a version, its subcharts among them, by their paths in it."""
        found = self._archive(version)
        if found is None:
            return None
        above = f"{_prefix(version)}charts/{CHART}/"
        with zipfile.ZipFile(found) as archive:
            members = [each for each in archive.infolist() if each.filename.startswith(above)]
            if (
                not members
                or len(members) > _MOST_MEMBERS
                or any(each.file_size > LARGEST_READ for each in members)
            ):
                return None
            return {
                each.filename.removeprefix(above): archive.read(each) for each in members if not each.is_dir()
            }

    def _archive(self, version: str) -> Path | None:
        if self.folder is None or not re.fullmatch(r"[\w.-]+", version):
            return None
        path = self.folder / "cache/download" / _MODULE / "@v" / f"v{version}.zip"
        with suppress(OSError):
            if zipfile.is_zipfile(path):
                return path
        return None


def _prefix(version: str) -> str:
    return f"{_MODULE}@v{version}/"


@dataclass(frozen=True)
class _Member:
    """A file in the archive of a module."""

    archive: Path
    name: str

    def read_bytes(self) -> bytes:
        with zipfile.ZipFile(self.archive) as found:
            if found.getinfo(self.name).file_size > LARGEST_READ:
                raise RefusedPath(f"{self.name} is larger than {LARGEST_READ >> 20} MiB.")
            return found.read(self.name)

    def __str__(self) -> str:
        return f"MetalLB's module in {self.archive}"


def of_module_cache() -> Modules:
    """The modules on this machine: GOMODCACHE, else below GOPATH, else where Go keeps it by default."""
    named = os.environ.get("GOMODCACHE")
    path = next(filter(None, os.environ.get("GOPATH", "").split(os.pathsep)), "")
    try:
        folder = Path(named) if named else (Path(path) if path else Path.home() / "go") / "pkg" / "mod"
    except RuntimeError:  # nobody's home
        return Modules()
    return Modules(folder if folder.is_dir() else None)


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


def at_hand(named: Path | None) -> dict[str, Manifest]:
    """The manifests by version: the one that a person named, which wins and serves where no version is, else the lab's.

    Raises UsageError for a file that is none.
    """
    found: dict[str, Manifest] = dict(of_lab_parts())
    if named is None:
        return found
    try:
        with named.open("rb") as file:
            text = file.read(LARGEST_READ).decode("utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"--manifest {named} cannot be read: {error.strerror or error}.") from None
    version = version_named_in(text)
    if not version:
        raise UsageError(
            f"--manifest {named} names no image of MetalLB's with a version.",
            remedy="Give metallb-native.yaml as MetalLB released it.",
        )
    return {**found, version: named, "": named}


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
