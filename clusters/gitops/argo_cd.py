"""What Argo CD is told to bring: its Applications, and those that an ApplicationSet makes, within the repository.

https://argo-cd.readthedocs.io/en/stable/user-guide/application-specification/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

from clusters.api.resources import for_kind
from clusters.confinement import shown
from clusters.gitops.documents import Filling, NeedsNetworkError, OverlayError, listing, mapping, mappings
from clusters.gitops.forms import Bring, Rendering
from clusters.gitops.helm import ChartUse, GivenUp
from clusters.gitops.pool_objects import key
from clusters.objects import Object, metadata_of, spec_of

GROUP = "argoproj.io"
_PLACEHOLDER = re.compile(r"\{\{\s*\.?([\w.\[\]-]+)\s*\}\}")
_INDEX = re.compile(r"[\[\]\\]")
_WHOLE = re.compile(r"0|[-+]?[1-9][0-9]{0,17}")
#: How deep a parameter may lie, and as many applications of a set are named.
_DEEPEST, _NAMED = 50, 20


def deliverer_of(obj: Object) -> Bring | None:
    """What follows an object of Argo CD's, None for any other."""
    if not str(obj.get("apiVersion", "")).startswith(f"{GROUP}/"):
        return None
    return {"Application": _application, "ApplicationSet": _set}.get(str(obj.get("kind")), _nothing)


def _nothing(_rendering: Rendering, _obj: Object) -> list[Object]:
    """A project: it brings nothing by itself."""
    return []


def _application(rendering: Rendering, obj: Object) -> list[Object]:
    spec = spec_of(obj)
    sources = [mapping(each) for each in listing(spec.get("sources")) or [spec.get("source")]]
    namespace = str(mapping(spec.get("destination")).get("namespace") or "default")
    found = [one for each in sources for one in _source(rendering, obj, each, namespace)]
    return [_placed(each, namespace) for each in found]


def _source(rendering: Rendering, obj: Object, source: Object, namespace: str) -> list[Object]:
    name, helm = shown(key(obj)), mapping(source.get("helm"))
    path = str(source.get("path") or "").removeprefix("./").rstrip("/")
    release = str(helm.get("releaseName") or metadata_of(obj).get("name"))
    use = ChartUse(
        where=name, name=str(source.get("chart") or path.rpartition("/")[2]), path=path, release=release
    )
    use = replace(use, namespace=namespace, crds=not helm.get("skipCrds"))
    if source.get("chart"):
        use = replace(use, repository=str(source.get("repoURL")), version=str(source.get("targetRevision")))
        return rendering.chart(_with_values(rendering, use, helm, folder=""))
    if not path:  # it only gives values to the others, by its ref
        return []
    revision = shown(str(source.get("targetRevision") or "HEAD"))
    rendering.brought.append(
        f"{name}: what it brings was taken from {shown(path)} as it is here; it names revision {revision}"
    )
    if rendering.tree.find(f"{path}/Chart.yaml").kind == "file":
        return rendering.chart(_with_values(rendering, use, helm, folder=path))
    chosen = mapping(source.get("directory"))
    found = rendering.at(path, plain=lambda each: _is_wanted(each, path, chosen))
    return rendering.changed(found, _kustomize(mapping(source.get("kustomize")), name))


def _with_values(rendering: Rendering, use: ChartUse, helm: Object, *, folder: str) -> ChartUse:
    """The chart with an application's values: files, then what stands in the application, then its parameters."""
    for each in map(str, listing(helm.get("valueFiles"))):
        path = each.partition("/")[2] if each.startswith("$") else f"{folder}/{each}" if folder else ""
        if not path:
            raise NeedsNetworkError(
                f"{use.where} names the values {shown(each)} of a chart that lies elsewhere."
            )
        use = replace(use, values=(*use.values, rendering.values_at(path, where=use.where)))
    if text := helm.get("values"):
        for found in mappings(str(text), f"The values of {use.where}"):
            use = use.with_values(found.data)
    use = use.with_values(mapping(helm.get("valuesObject")))
    return use.with_values(_parameters(helm, use.where))


def _parameters(helm: Object, where: str) -> Object:
    """What `--set` would set: names with dots are paths."""
    values: Object = {}
    for each in map(mapping, listing(helm.get("parameters"))):
        name, value = str(each.get("name")), str(each.get("value"))
        if _INDEX.search(name):
            raise NeedsNetworkError(
                f"{where} sets {shown(name)}, a form of a parameter that is not followed."
            )
        inner = values
        *above, last = name.split(".", maxsplit=_DEEPEST)
        for part in above:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise OverlayError(f"{where} sets {shown(name)}, and sets what it is in as well.")
        if "." in last:
            raise OverlayError(f"{where} sets {shown(name)}, which is more than {_DEEPEST} deep.")
        inner[last] = value if each.get("forceString") else _typed(value)
    return values


def _typed(text: str) -> str | int | bool | list[Any] | None:
    """What `--set` takes a value for: typedVal in Helm's pkg/strvals/parser.go; `{a,b}` is a list."""
    if text.startswith("{") and text.endswith("}"):
        return [_typed(each.strip()) for each in text[1:-1].split(",") if each.strip()]
    words: dict[str, bool | None] = {"true": True, "false": False, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    return int(text) if _WHOLE.fullmatch(text) else text


def _kustomize(fields: Object, name: str) -> Object:
    """The options of an application as a kustomization has them."""
    known = {
        "namePrefix",
        "nameSuffix",
        "namespace",
        "commonLabels",
        "commonAnnotations",
        "patches",
        "images",
    }
    if strange := sorted(fields.keys() - known - {"version"}):
        raise NeedsNetworkError(
            f"{name} has the kustomize option {shown(strange[0])}, which is not followed."
        )
    found = {each: fields[each] for each in known & fields.keys()}
    if "images" in found:
        found["images"] = [_image(str(each)) for each in listing(found["images"])]
    return found


def _image(text: str) -> Object:
    """From `old=new:tag`, or `name:tag`."""
    old, _, new = text.rpartition("=")
    place, _, tag = new.partition("@") if "@" in new else new.rpartition(":")
    word = "digest" if "@" in new else "newTag"
    return {"name": old or place, "newName": place, word: tag}


def _is_wanted(path: str, folder: str, chosen: Object) -> bool:
    name = path.removeprefix(f"{folder}/")
    include, exclude = (_globs(str(chosen.get(each) or "")) for each in ("include", "exclude"))
    return (not include or any(fnmatch(name, each) for each in include)) and not any(
        fnmatch(name, each) for each in exclude
    )


def _globs(text: str) -> list[str]:
    """From `*.yaml` or `{a.yaml,b.yaml}`."""
    return [each.strip() for each in text.strip("{}").split(",") if each.strip()]


def _placed(obj: Object, namespace: str) -> Object:
    """An object that names no namespace goes to the application's."""
    known = for_kind(str(obj.get("apiVersion", "")), str(obj.get("kind", "")))
    if metadata_of(obj).get("namespace") or known is None or not known.namespaced:
        return obj
    return {**obj, "metadata": {**metadata_of(obj), "namespace": namespace}}


def _set(rendering: Rendering, obj: Object) -> list[Object]:
    """The one application that the set makes for this cluster."""
    template = mapping(spec_of(obj).get("template"))
    name, wanted = mapping(template.get("metadata")).get("name"), rendering.renderer.application
    what = shown(key(obj))
    made = [(_filled(name, each, what), each) for each in _elements(rendering, obj)]
    chosen = [each for called, each in made if not wanted or called == wanted]
    if len(chosen) != 1:
        names = ", ".join(shown(str(called)) for called, _ in made[:_NAMED]) or "none"
        names += ", …" if len(made) > _NAMED else ""
        # Which one is meant nobody has said: that says nothing of the overlay.
        raise GivenUp(
            f"{shown(key(obj))} makes {len(made)} applications ({names}), {len(chosen)} of them for this cluster.",
            remedy="Name the one of this cluster as gitops.application in the profile.",
        )
    application = mapping(_filled(template, chosen[0], what))
    metadata = {"namespace": metadata_of(obj).get("namespace"), **mapping(application.get("metadata"))}
    return [{**application, "apiVersion": obj["apiVersion"], "kind": "Application", "metadata": metadata}]


def _elements(rendering: Rendering, obj: Object) -> Iterator[dict[str, str]]:
    """What each generator of a set gives for its placeholders."""
    for each in map(mapping, listing(spec_of(obj).get("generators"))):
        if "list" in each:
            for element in map(mapping, listing(mapping(each["list"]).get("elements"))):
                yield {str(name): str(value) for name, value in element.items()}
        elif "directories" in mapping(each.get("git")):
            yield from _directories(rendering, mapping(each["git"]))
        else:
            raise NeedsNetworkError(
                f"{shown(key(obj))} has the generator {shown(next(iter(each), 'none'))}, which is not followed.",
                remedy="Name what it brings by --rendered FILE.",
            )


def _directories(rendering: Rendering, git: Object) -> Iterator[dict[str, str]]:
    for each in map(mapping, listing(git.get("directories"))):
        above, _, pattern = str(each.get("path", "")).rpartition("/")
        if each.get("exclude") or "*" in above:
            raise NeedsNetworkError("An ApplicationSet chooses folders in a way that is not followed.")
        for name in rendering.tree.names(above):
            path = f"{above}/{name}" if above else name
            if fnmatch(name, pattern) and rendering.tree.find(path).kind == "folder":
                yield {"path": path, "path.path": path, "path.basename": name}


def _filled(value: Any, element: dict[str, str], name: str) -> Any:
    """A template with its placeholders filled in; one that nothing is given for stays, as Argo CD leaves it."""
    return _each(
        value, Filling(_PLACEHOLDER, lambda found: element.get(found[1], found[0]), f"What {name} makes")
    )


def _each(value: Any, filling: Filling) -> Any:
    if isinstance(value, str):
        return filling.fill(value)
    if isinstance(value, dict):
        return {name: _each(inner, filling) for name, inner in value.items()}
    if isinstance(value, list):
        return [_each(inner, filling) for inner in value]
    return value
