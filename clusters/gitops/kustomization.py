"""The tree of kustomization files below an overlay, read and checked before kubectl is asked to render it.

kustomize fetches what it does not find on disk. Here everything that would need the network is found first, and only
what was read here is given to kubectl: a render depends on the repository alone. MetalLB's own release and chart are
put in place from what is at hand (`clusters.gitops.kustomize`); all else is refused by file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import yaml

from clusters.confinement import Found, RefusedPath, Tree, joined, shown
from clusters.gitops import kustomization_fields
from clusters.gitops.documents import Document, NeedsNetworkError, OverlayError, bounded, mappings, parse
from clusters.gitops.helm import ChartUse
from clusters.gitops.kustomization_fields import Entry, NetworkError, Use
from clusters.gitops.release_manifests import Release
from clusters.objects import Object

#: The names under which kustomize looks for its file, in its order.
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
#: How many kustomizations one overlay may stand on, one on the other and in all, and the bytes of their files.
_HIGHEST, _MOST, _MOST_BYTES = 50, 500, 64 << 20
#: A larger file is not parsed to name the line of a mistake: kubectl says what is wrong, without one.
_EXPLAINED = 50_000
# A release manifest is large and often not committed; it may be put in place when an overlay is rendered.
_MANIFEST = re.compile(r"metallb[\w.-]*\.ya?ml")


@dataclass
class Kustomization:
    """One kustomization file: its folder and own path, its content, and those that it stands on.

    `files` is everything that kubectl may read for it, by path, `links` are those on the way, and `missing` the
    release manifests that it names and that are not there. All paths are from the repository's root. `releases` are
    those that it names where MetalLB publishes them, by what it calls them, and `charts` what it has Helm render.
    """

    folder: str
    path: str
    document: Document
    stands_on: list[Kustomization] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    releases: dict[str, Release] = field(default_factory=dict)
    charts: list[ChartUse] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Object:
        """The file's content."""
        content: Object = self.document.data
        return content

    def walk(self) -> Iterator[Kustomization]:
        """Itself and everything below it, once each, what is stood on last."""
        seen: set[str] = set()
        waiting = [self]
        while waiting:
            each = waiting.pop()
            if each.folder not in seen:
                seen.add(each.folder)
                yield each
                waiting.extend(reversed(each.stands_on))

    def tags(self) -> dict[str, str]:
        """The tags that `images` sets, by image name; the nearest to the overlay wins, as for kustomize."""
        found: dict[str, str] = {}
        for each in self.walk():
            for image in each.data.get("images") or ():
                if image.get("newTag"):
                    found.setdefault(str(image.get("name", "")), str(image["newTag"]))
        return found

    def text_of(self, tree: Tree, entry: str) -> str:
        """The text of a file that this one names."""
        path = tree.find(joined(self.folder, entry)).path
        return _text(self.files.get(path, b""), path)


def file_in(tree: Tree, folder: str) -> str | None:
    """The path of a folder's kustomization file, or None."""
    paths = (f"{folder}/{name}" if folder else name for name in NAMES)
    return next((path for path in paths if tree.find(path).kind == "file"), None)


def read(tree: Tree, overlay: str) -> Kustomization:
    """The kustomizations of `overlay`, a folder of the repository.

    Raises OverlayError for a folder that is not there, a file that is no YAML or names what does not exist, and
    NeedsNetworkError for what is not in the repository.
    """
    try:
        found = tree.find(joined("", overlay))
        if found.kind != "folder":
            raise OverlayError(
                f"The overlay {shown(overlay)} does not exist in {tree.root}.",
                remedy="Correct gitops in the profile, or add the folder.",
            )
        return _Reader(tree).read(found, above=())
    except RefusedPath as error:
        raise OverlayError(f"The overlay {shown(overlay)} is not rendered: {error.args[0]}") from None
    except NetworkError as error:
        raise NeedsNetworkError(str(error.args[0]), remedy=error.remedy) from None


class _Reader:
    """Reads one overlay and what it stands on, each folder once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: dict[str, Kustomization] = {}
        self._bytes = 0

    def read(self, found: Found, *, above: tuple[str, ...]) -> Kustomization:
        """The kustomization of a folder; `above` are those that lead to it."""
        folder = found.path
        path = file_in(self._tree, folder)
        if path is None:
            raise OverlayError(
                f"{shown(folder) or self._tree.root} has no {NAMES[0]}.",
                remedy="Add one, or name the folder that has it.",
            )
        if folder in above:
            by = file_in(self._tree, above[-1]) or above[-1]
            raise OverlayError(f"{shown(path)} refers to itself, by way of {shown(by)}.")
        if folder not in self._known:
            if len(above) >= _HIGHEST or len(self._known) >= _MOST:
                raise OverlayError(
                    f"{shown(path)} is one kustomization too many: an overlay may stand on {_HIGHEST}, one on the "
                    f"other, and on {_MOST} in all."
                )
            self._known[folder] = self._one(folder, path, above=(*above, folder))
        self._known[folder].links.update(found.links)
        return self._known[folder]

    def _one(self, folder: str, path: str, *, above: tuple[str, ...]) -> Kustomization:
        content, name = self._content(path), shown(path)
        found = tuple(mappings(_text(content, path), name))
        if len(found) != 1:
            raise OverlayError(f"{name} holds {len(found)} documents where one is expected.")
        kustomization_fields.checked(found[0])
        one = Kustomization(folder, path, found[0])
        real = self._tree.find(path)
        one.files[real.path] = content
        one.links.update(real.links)
        for entry in kustomization_fields.entries(found[0]):
            if release := kustomization_fields.release_of(entry):
                one.releases[entry.text] = release
            else:
                self._take(one, entry, name=name, above=above)
        for chart, line in kustomization_fields.charts(found[0]):
            one.charts.append(self._chart(one, chart, where=f"{name} line {line}"))
        return one

    def _chart(self, one: Kustomization, chart: Object, *, where: str) -> ChartUse:
        """A chart with its values, which lie in files beside it, and inline: these win unless it says otherwise."""
        name, inline = str(chart["name"]), chart.get("valuesInline") or {}
        home = f"{kustomization_fields.chart_home(one.document)}/{name}"
        merge = chart.get("valuesMerge") or "override"
        own = [chart["valuesFile"]] if chart.get("valuesFile") and merge != "replace" else []
        values = [self._values(one, each, where) for each in own]
        if inline:
            values.insert(0 if merge == "merge" else len(values), yaml.safe_dump(inline).encode("utf-8"))
        values += [self._values(one, each, where) for each in chart.get("additionalValuesFiles") or ()]
        return ChartUse(
            where=where,
            name=name,
            repository=str(chart.get("repo") or ""),
            version=str(chart.get("version") or ""),
            path=self._lies_at(one, home),
            release=str(chart.get("releaseName") or name),
            namespace=str(chart.get("namespace") or "default"),
            values=tuple(values),
            crds=bool(chart.get("includeCRDs")),
        )

    def _values(self, one: Kustomization, path: str, where: str) -> bytes:
        try:
            found = self._tree.find(joined(one.folder, path))
            if found.kind != "file":
                raise OverlayError(f"{where} names {shown(path)}, which does not exist.")
            return self._content(found.path)
        except RefusedPath as error:
            raise OverlayError(f"{where} names what is not read: {error.args[0]}") from None

    def _lies_at(self, one: Kustomization, path: str) -> str:
        with suppress(RefusedPath):
            whole = joined(one.folder, path)
            return whole if self._tree.find(whole).kind == "folder" else ""
        return ""

    def _take(self, one: Kustomization, entry: Entry, *, name: str, above: tuple[str, ...]) -> None:
        """Read what an entry in the file `name` names."""
        if kustomization_fields.is_remote(entry):
            raise kustomization_fields.needs_network(name, entry.line, entry.text)
        try:
            found = self._tree.find(joined(one.folder, entry.text))
            content = self._content(found.path) if found.kind == "file" else b""
        except RefusedPath as error:
            if entry.use is Use.PERHAPS:
                return
            raise OverlayError(f"{name} line {entry.line} names what is not read: {error.args[0]}") from None
        one.links.update(found.links)
        if found.kind == "file":
            one.files[found.path] = content
            self._look_through(one, entry, found.path, above=above)
        elif found.kind == "folder":
            if entry.use in {Use.RESOURCE, Use.PLUGIN}:
                one.stands_on.append(self.read(found, above=above))
        elif entry.use is not Use.PERHAPS:
            if entry.use is Use.DATA or not _MANIFEST.fullmatch(found.path.rpartition("/")[2]):
                raise OverlayError(
                    f"{name} line {entry.line} names {shown(entry.text)}, which does not exist."
                )
            one.missing.append(found.path)

    def _look_through(self, one: Kustomization, entry: Entry, path: str, *, above: tuple[str, ...]) -> None:
        """Refuse a file that kustomize would read as YAML and that grows there; a plugin's may name others."""
        if entry.use is Use.DATA:
            return
        content = one.files[path]
        if entry.use is Use.PERHAPS and not _is_text(content):
            return
        text = _text(content, path)
        small = path.endswith((".yaml", ".yml")) and len(content) < _EXPLAINED
        found: tuple[Document, ...] = ()
        if entry.use is Use.PLUGIN or (entry.use is not Use.PERHAPS and small):
            found = parse(text, shown(path))
        else:
            with suppress(yaml.YAMLError):  # kubectl says what is wrong
                bounded(text, shown(path))
        for document in found if entry.use is Use.PLUGIN else ():
            kustomization_fields.check_plugin(document)
            for inner in kustomization_fields.named(document):
                self._take(one, inner, name=shown(path), above=above)

    def _content(self, path: str) -> bytes:
        content = self._tree.read(path)
        self._bytes += len(content)
        if self._bytes > _MOST_BYTES:
            raise OverlayError(
                f"{shown(path)} is one file too many: at most {_MOST_BYTES >> 20} MiB are read for an overlay."
            )
        return content


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise OverlayError(f"{shown(path)} is not text in UTF-8.") from None
