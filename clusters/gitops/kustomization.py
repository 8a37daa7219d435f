"""The tree of kustomization files below an overlay, read and checked before kubectl is asked to render it.

kustomize fetches what it does not find on disk. Here everything that would need the network is found first
and refused by file and line, so that a render depends on the repository alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clusters.gitops.documents import Document, FileError, Json, mappings, parse

#: The names under which kustomize looks for its file, in its order.
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FOLDERS = ("resources", "bases", "components")
_FILES = ("crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge")
_HELM = ("helmCharts", "helmChartInflationGenerator")
_REMOTE = re.compile(
    r"^[a-z][a-z0-9+.-]*://|^git@|^git::|[?&](ref|version)=|^(www\.)?(github|gitlab|bitbucket)\.[a-z]+[/:]"
)
# A release manifest is large and often not committed; it may be put in place when an overlay is rendered.
_MANIFEST = re.compile(r"metallb[\w.-]*\.ya?ml")


class OverlayError(FileError):
    """An overlay that cannot be rendered, with the one reason and where it stands."""


class NeedsNetworkError(OverlayError):
    """A kustomization that names something on another machine. It was not tried."""


@dataclass(frozen=True)
class Missing:
    """A release manifest that a kustomization names and that is not there."""

    folder: Path
    entry: str
    line: int

    @property
    def path(self) -> Path:
        """Where the file belongs."""
        return Path(os.path.normpath(self.folder / self.entry))


@dataclass(frozen=True)
class Kustomization:
    """One kustomization file: its folder, its content, and those that it stands on."""

    folder: Path
    document: Document
    stands_on: tuple[Kustomization, ...] = ()
    missing: tuple[Missing, ...] = field(default=())

    @property
    def data(self) -> Json:
        """The file's content."""
        content: Json = self.document.data
        return content

    def walk(self) -> Iterator[Kustomization]:
        """Itself and everything below it, once each, what is stood on last."""
        seen: set[Path] = set()
        for each in self._walk():
            if each.folder not in seen:
                seen.add(each.folder)
                yield each

    def _walk(self) -> Iterator[Kustomization]:
        yield self
        for each in self.stands_on:
            yield from each._walk()  # noqa: SLF001 - the same class

    def tags(self) -> dict[str, str]:
        """The tags that `images` sets, by image name; the nearest to the overlay wins, as for kustomize."""
        found: dict[str, str] = {}
        for each in self.walk():
            for image in each.data.get("images") or ():
                if isinstance(image, dict) and image.get("newTag"):
                    found.setdefault(str(image.get("name", "")), str(image["newTag"]))
        return found


def file_in(folder: Path) -> Path | None:
    """The kustomization file of a folder, or None."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read(root: Path, overlay: str) -> Kustomization:
    """The tree of `overlay`, a folder of the repository at `root`.

    Raises OverlayError for a folder that is not there, a file that is no YAML or names what does not exist,
    and NeedsNetworkError for what is not in the repository.
    """
    folder = Path(os.path.normpath(root / overlay))
    if not folder.is_dir():
        raise OverlayError(
            f"The overlay {overlay} does not exist in {root}.",
            remedy="Correct gitops in the profile, or add the folder.",
        )
    return _read(root, folder, above=())


def _read(root: Path, folder: Path, *, above: tuple[Path, ...]) -> Kustomization:
    shown = _shown(root, folder)
    path = file_in(folder)
    if path is None:
        raise OverlayError(f"{shown} has no {NAMES[0]}.", remedy="Add one, or name the folder that has it.")
    if folder in above:
        raise OverlayError(f"{_shown(root, path)} stands on itself, by way of {_shown(root, above[-1])}.")
    documents = tuple(mappings(read_text(path, root), _shown(root, path)))
    if len(documents) != 1:
        raise OverlayError(f"{_shown(root, path)} holds {len(documents)} documents where one is expected.")
    document = documents[0]
    _refuse_helm(document)
    below: list[Kustomization] = []
    missing: list[Missing] = []
    for entry, line in _entries(document):
        target = folder / entry
        if target.is_dir():
            below.append(_read(root, Path(os.path.normpath(target)), above=(*above, folder)))
        elif target.is_file():
            _must_parse(target, root)
        else:
            missing.append(_absent(document, folder, entry, line))
    return Kustomization(folder, document, tuple(below), tuple(missing))


def read_text(path: Path, root: Path) -> str:
    """A file's text. Raises OverlayError where it cannot be read, or is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise OverlayError(f"{_shown(root, path)} is not text in UTF-8.") from None
    except OSError as error:
        raise OverlayError(f"{_shown(root, path)} cannot be read: {error.strerror}.") from None


def _absent(document: Document, folder: Path, entry: str, line: int) -> Missing:
    if _REMOTE.search(entry):
        raise NeedsNetworkError(
            f"{document.name} line {line} needs the network for {entry}, which was not tried.",
            remedy="Commit that file beside it, and name the file.",
        )
    if _MANIFEST.fullmatch(Path(entry).name):
        return Missing(folder, entry, line)
    raise OverlayError(f"{document.name} line {line} names {entry}, which does not exist.")


def _entries(document: Document) -> Iterator[tuple[str, int]]:
    """Everything that the file names on disk, with its line."""
    for key in (*_FOLDERS, *_FILES):
        for number, entry in enumerate(document.data.get(key) or ()):
            if isinstance(entry, str) and "\n" not in entry:
                yield entry, document.line((key, number))
    for key in ("patches", "patchesJson6902", "replacements"):
        for number, entry in enumerate(document.data.get(key) or ()):
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                yield entry["path"], document.line((key, number, "path"))


def _refuse_helm(document: Document) -> None:
    for key in _HELM:
        if document.data.get(key):
            raise NeedsNetworkError(
                f"{document.name} line {document.line((key,))} renders a Helm chart and needs the network.",
                remedy="Commit what the chart renders, and name that file.",
            )


def _must_parse(path: Path, root: Path) -> None:
    """Kustomize names no line of a broken file. A large one is left to it: it would take seconds here."""
    if path.suffix in {".yaml", ".yml"} and path.stat().st_size < 50_000:
        parse(read_text(path, root), _shown(root, path))


def _shown(root: Path, path: Path) -> str:
    """A path as findings show it: from the repository's root where it lies in it."""
    inside = os.path.relpath(path, root)
    return str(path) if inside.startswith("..") else inside
