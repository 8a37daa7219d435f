"""The fields of a kustomization file: their shapes, what each names on disk, and what would need the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Strict

from clusters.confinement import shown
from clusters.errors import UsageError
from clusters.gitops.documents import Document, FileError, mapping, parse, validated
from clusters.gitops.release_manifests import Release, release_named
from clusters.objects import Object

# What kustomize takes for a remote base: a scheme, git:: or gh: before it, an scp-like host, a known forge, ?ref=.
_REMOTE = re.compile(
    r"://|^(git::|gh:)|^[^/]*@[^/]*[:/]|^[^/]+:|[?&](ref|version|timeout|submodules)="
    r"|^(www\.|ssh\.)?(github|gitlab|bitbucket)\.[a-z]+[/:]",
    re.IGNORECASE,
)
_SCHEME = "://"
#: The older way to name a chart, which kustomize is about to drop.
_OLD_HELM = "helmChartInflationGenerator"
CHARTS, GLOBALS = "helmCharts", "helmGlobals"
#: Where a release of MetalLB's may be named by its URL; and fields that are read here, and never given to kubectl.
_RELEASES, _OURS = frozenset({"resources", "bases"}), frozenset({CHARTS, GLOBALS})
#: Fields whose texts kustomize never takes for the name of a file: a URL may stand in them.
_INERT = frozenset(
    {"patch", "jsonOp", "literals", "annotations", "commonAnnotations", "labels", "commonLabels"}
)
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{each}"
    for each in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value")
)

_Text = Annotated[str, Strict()]
_Texts = list[_Text] | None
_Names = dict[_Text, Any] | None


class _Fields(BaseModel):
    """Fields of one mapping; what is not named here names nothing on disk."""

    model_config = ConfigDict(extra="allow")


class _Patch(_Fields):
    path: _Text | None = None
    patch: _Text | None = None
    target: _Names = None


class _Replacement(_Fields):
    path: _Text | None = None


class _Generator(_Fields):
    files: _Texts = None
    envs: _Texts = None
    env: _Text | None = None
    literals: _Texts = None


class _OpenApi(_Fields):
    path: _Text | None = None


class _Chart(_Fields):
    name: _Text
    repo: _Text | None = None
    version: _Text | None = None
    releaseName: _Text | None = None  # noqa: N815 - the field's name
    namespace: _Text | None = None
    valuesFile: _Text | None = None  # noqa: N815 - as above
    additionalValuesFiles: _Texts = None  # noqa: N815 - as above
    valuesInline: _Names = None  # noqa: N815 - as above
    valuesMerge: Literal["merge", "override", "replace"] | None = None  # noqa: N815 - as above
    includeCRDs: bool | None = None  # noqa: N815 - as above


class _Globals(_Fields):
    chartHome: _Text | None = None  # noqa: N815 - as above


class _Kustomization(_Fields):
    resources: _Texts = None
    bases: _Texts = None
    components: _Texts = None
    crds: _Texts = None
    configurations: _Texts = None
    generators: _Texts = None
    transformers: _Texts = None
    validators: _Texts = None
    patchesStrategicMerge: _Texts = None  # noqa: N815 - the field's name
    patches: list[_Patch] | None = None
    patchesJson6902: list[_Patch] | None = None  # noqa: N815 - as above
    replacements: list[_Replacement] | None = None
    configMapGenerator: list[_Generator] | None = None  # noqa: N815 - as above
    secretGenerator: list[_Generator] | None = None  # noqa: N815 - as above
    openapi: _OpenApi | None = None
    images: list[dict[_Text, Any]] | None = None
    helmCharts: list[_Chart] | None = None  # noqa: N815 - as above
    helmGlobals: _Globals | None = None  # noqa: N815 - as above


# kustomize reads a field however its letters are cased; here only the one spelling is known.
_KNOWN = {
    name
    for model in (_Kustomization, _Patch, _Generator)
    for name in (*model.model_fields, _OLD_HELM, *_INERT)
}
_SPELLINGS = {name.lower(): name for name in _KNOWN}


class NetworkError(UsageError):
    """Something in a kustomization that would need the network; the text says what and where."""


class Use(Enum):
    """What kustomize does with what an entry names."""

    RESOURCE = "a file of objects, or a folder with a kustomization"
    PLUGIN = "a file that configures a plugin, which may name further files, or a folder"
    YAML = "a file in YAML"
    DATA = "a file of any content"
    PERHAPS = "a file, if there is one of that name"


_LISTS = {
    "resources": Use.RESOURCE,
    "bases": Use.RESOURCE,
    "components": Use.RESOURCE,
    "crds": Use.YAML,
    "configurations": Use.YAML,
    "patchesStrategicMerge": Use.YAML,
    "generators": Use.PLUGIN,
    "transformers": Use.PLUGIN,
    "validators": Use.PLUGIN,
}


@dataclass(frozen=True)
class Entry:
    """Something that a kustomization, or a plugin's configuration in it, names on disk, with its line."""

    text: str
    line: int
    use: Use


def checked(document: Document) -> None:
    """Raise FileError for fields of another shape than kustomize has, NetworkError for what needs the network."""
    if mapping(document.data).get(_OLD_HELM):
        raise NetworkError(
            f"{document.name} line {document.line((_OLD_HELM,))} names a Helm chart in the old way, which is not read.",
            remedy=f"Name the chart under {CHARTS}, or commit what it renders and name that file.",
        )
    if document.node is not None:
        _check_nodes(document.node, document.name, spelling=True, top=True)
    validated(_Kustomization, document, remedy="Correct the field; kustomize would refuse it too.")


def check_plugin(document: Document) -> None:
    """The same for a plugin's configuration, whose fields are its own."""
    if document.node is not None:
        _check_nodes(document.node, document.name, spelling=False)


def entries(document: Document) -> Iterator[Entry]:
    """Everything that a checked kustomization names on disk."""
    data = document.data
    for key, use in _LISTS.items():
        for entry in _listed(document, data, (key,), use):
            if use is Use.PLUGIN:
                yield from _plugin(entry, document.name)
            elif key != "patchesStrategicMerge" or "\n" not in entry.text:  # else it is the patch itself
                yield entry
    for key in ("patches", "patchesJson6902", "replacements"):
        for number, each in enumerate(data.get(key) or ()):
            yield from _path(document, each, (key, number))
    for key in ("configMapGenerator", "secretGenerator"):
        for number, each in enumerate(data.get(key) or ()):
            yield from _generated(document, each, (key, number))
    yield from _path(document, data.get("openapi") or {}, ("openapi",))


def _path(document: Document, each: Object, path: tuple[str | int, ...]) -> Iterator[Entry]:
    if each.get("path"):
        yield Entry(each["path"], document.line((*path, "path")), Use.YAML)


def _listed(document: Document, data: Object, path: tuple[str | int, ...], use: Use) -> Iterator[Entry]:
    for number, text in enumerate(data.get(str(path[-1])) or ()):
        yield Entry(text, document.line((*path, number)), use)


def _generated(document: Document, each: Object, path: tuple[str | int, ...]) -> Iterator[Entry]:
    """A generator's files, each perhaps with a key before it: `key=path`."""
    for key in ("files", "envs"):
        for entry in _listed(document, each, (*path, key), Use.DATA):
            text = entry.text.partition("=")[2] if key == "files" and "=" in entry.text else entry.text
            yield Entry(text, entry.line, Use.DATA)
    if each.get("env"):
        yield Entry(each["env"], document.line((*path, "env")), Use.DATA)


def _plugin(entry: Entry, name: str) -> Iterator[Entry]:
    """A plugin's configuration: a file or folder of it, or what one that stands in the kustomization names."""
    found = _inline(entry.text, name, entry.line)
    if not found:
        yield entry
    for document in found:
        check_plugin(document)
        yield from (Entry(each.text, entry.line, each.use) for each in named(document))


def _inline(text: str, name: str, line: int) -> tuple[Document, ...]:
    """A text that is itself YAML of a mapping, as kustomize tries it before it takes it for a path."""
    if "\n" not in text and ":" not in text:
        return ()
    try:
        found = parse(text, f"{name} line {line}")
    except FileError:
        if "\n" in text:
            raise
        return ()
    return found if found and all(isinstance(each.data, dict) for each in found) else ()


def named(document: Document) -> Iterator[Entry]:
    """Whatever in a plugin's configuration may be the name of a file: its fields are not known here."""
    for text in _scalars(document.data):
        for name in {text, text.partition("=")[2]}:
            if name and "\n" not in name:
                yield Entry(name, document.line(), Use.PERHAPS)


def _scalars(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _scalars(each)
    elif isinstance(value, list):
        for each in value:
            yield from _scalars(each)


def charts(document: Document) -> Iterator[tuple[Object, int]]:
    """The charts that a checked kustomization names, each with its line."""
    for number, each in enumerate(document.data.get(CHARTS) or ()):
        yield each, document.line((CHARTS, number))


def chart_home(document: Document) -> str:
    """The folder in which kustomize looks for charts before it fetches them."""
    return str((document.data.get(GLOBALS) or {}).get("chartHome") or "charts")


def release_of(entry: Entry) -> Release | None:
    """The release of MetalLB's that an entry names where it is published, None for anything else."""
    return release_named(entry.text) if entry.use is Use.RESOURCE else None


def is_remote(entry: Entry) -> bool:
    """Whether kustomize would fetch what an entry names, though it may be there: a folder's name may be a URL."""
    return entry.use in {Use.RESOURCE, Use.PLUGIN} and bool(_REMOTE.search(entry.text))


def needs_network(name: str, line: int, text: str) -> NetworkError:
    """The refusal of `text`, which is somewhere else than in the repository."""
    return NetworkError(
        f"{name} line {line} needs the network for {shown(text)}, which was not tried.",
        remedy="Commit that file beside it, and name the file.",
    )


def _check_nodes(node: yaml.Node, name: str, *, spelling: bool, top: bool = False) -> None:
    """Look at the text of everything but inert fields, as it is written: keys that are given twice included.

    At the `top` of a kustomization a release of MetalLB's may be named, and charts, which kubectl is never given.
    """
    line = node.start_mark.line + 1
    if node.tag not in _PLAIN_TAGS:
        tag = shown(node.tag.removeprefix("tag:yaml.org,2002:"))
        raise FileError(f"{name} line {line} has the tag {tag}, which has no meaning there.")
    if isinstance(node, yaml.ScalarNode):
        if _SCHEME in node.value:
            raise needs_network(name, line, node.value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check_nodes(each, name, spelling=spelling)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            field = str(key.value)
            if spelling and field != _SPELLINGS.get(field.lower(), field):
                right = _SPELLINGS[field.lower()]
                raise FileError(
                    f"{name} line {key.start_mark.line + 1}: the field {shown(field)} is {right}."
                )
            _check_nodes(key, name, spelling=spelling)
            for each in _looked_at(field, value, top=top):
                _check_nodes(each, name, spelling=spelling)


def _looked_at(field: str, value: yaml.Node, *, top: bool) -> Iterator[yaml.Node]:
    if field in _INERT or (top and field in _OURS):
        return
    if top and field in _RELEASES and isinstance(value, yaml.SequenceNode):
        yield from (each for each in value.value if not _is_release(each))
    else:
        yield value


def _is_release(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and release_named(node.value) is not None
