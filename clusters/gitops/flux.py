"""What Flux is told to bring: its Kustomizations and HelmReleases, followed within the repository.

https://fluxcd.io/flux/components/kustomize/kustomizations/ and https://fluxcd.io/flux/components/helm/helmreleases/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from clusters.confinement import shown
from clusters.gitops.documents import Filling, NeedsNetworkError, OverlayError, listing, mapping, mappings
from clusters.gitops.forms import Bring, Rendering
from clusters.gitops.helm import ChartUse
from clusters.gitops.pool_objects import key
from clusters.objects import Object, metadata_of, spec_of

KUSTOMIZE, HELM, SOURCE = (
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
)
#: What a Kustomization of Flux's adds to that of the folder, by the names of kustomize's own fields.
_FIELDS = ("patches", "images", "namePrefix", "nameSuffix")
_VARIABLE = re.compile(r"\$(?P<escaped>\$)?\{(?P<name>[A-Za-z_]\w*)(?P<default>:?[-=][^}]*)?\}")
_UNSUBSTITUTED = f"{KUSTOMIZE}/substitute"


def deliverer_of(obj: Object) -> Bring | None:
    """What follows an object of Flux's, None for any other."""
    group = str(obj.get("apiVersion", "")).partition("/")[0]
    if group in {SOURCE, "notification.toolkit.fluxcd.io"}:
        return _nothing
    return {(KUSTOMIZE, "Kustomization"): _kustomization, (HELM, "HelmRelease"): _helm_release}.get(
        (group, str(obj.get("kind")))
    )


def _nothing(_rendering: Rendering, _obj: Object) -> list[Object]:
    """A source, or a message's way: it brings nothing by itself."""
    return []


def _kustomization(rendering: Rendering, obj: Object) -> list[Object]:
    spec, name = spec_of(obj), shown(key(obj))
    source = mapping(spec.get("sourceRef"))
    path = str(spec.get("path") or ".").removeprefix("./") or "."
    if source.get("kind", "GitRepository") != "GitRepository":
        raise NeedsNetworkError(
            f"{name} takes {shown(path)} from a {shown(str(source.get('kind')))}, not from git."
        )
    if listing(spec.get("components")):
        raise NeedsNetworkError(
            f"{name} adds components, which are not followed.", remedy="Name them in the folder."
        )
    found = rendering.at(path, plain=lambda _: True)
    fields: Object = {each: spec.get(each) for each in _FIELDS}
    found = rendering.changed(found, {**fields, "namespace": spec.get("targetNamespace")})
    rendering.brought.append(f"{name}: what it brings was taken from {shown(path)}")
    if after := mapping(spec.get("postBuild")):
        return list(_substituted(found, dict(_variables(rendering, obj, after)), name))
    return found


def _variables(rendering: Rendering, obj: Object, after: Object) -> Iterator[tuple[str, str]]:
    """The variables of a postBuild; those that lie in the cluster alone are not known here."""
    namespace = str(metadata_of(obj).get("namespace") or "")
    for each in map(mapping, listing(after.get("substituteFrom"))):
        kind, wanted = str(each.get("kind")), str(each.get("name"))
        found = rendering.object_of(kind, wanted, namespace) if kind == "ConfigMap" else None
        if found is None and not each.get("optional"):
            raise NeedsNetworkError(
                f"{shown(key(obj))} takes variables from {shown(kind)} {shown(wanted)}, which is not here.",
                remedy="Name what it brings by --rendered FILE.",
            )
        yield from ((str(name), str(value)) for name, value in mapping((found or {}).get("data")).items())
    yield from ((str(name), str(value)) for name, value in mapping(after.get("substitute")).items())


def _substituted(objects: list[Object], variables: Mapping[str, str], name: str) -> Iterator[Object]:
    filling = Filling(_VARIABLE, lambda found: _value(found, variables), f"What {name} brings")
    for obj in objects:
        metadata = metadata_of(obj)
        marks = (mapping(metadata.get(part)).get(_UNSUBSTITUTED) for part in ("labels", "annotations"))
        if "disabled" in marks:
            yield obj
        else:
            text = filling.fill(yaml.safe_dump(obj, width=1 << 20))
            yield from (found.data for found in mappings(text, f"What {name} brings"))


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["escaped"]:
        return found[0][1:]
    default = (found["default"] or "").lstrip(":")[1:]
    return variables.get(found["name"], default)


def _helm_release(rendering: Rendering, obj: Object) -> list[Object]:
    spec, metadata, name = spec_of(obj), metadata_of(obj), shown(key(obj))
    chart = mapping(mapping(spec.get("chart")).get("spec"))
    if not chart:
        raise NeedsNetworkError(
            f"{name} takes its chart by chartRef, which is not followed.",
            remedy="Name what it installs by --rendered FILE.",
        )
    own = str(metadata.get("namespace") or "default")
    target = str(spec.get("targetNamespace") or "")
    named = f"{target}-{metadata.get('name')}" if target else str(metadata.get("name"))
    repository, path = _source(rendering, obj, chart, own)
    use = ChartUse(
        where=name,
        name=str(chart.get("chart", "")).rstrip("/").rpartition("/")[2],
        repository=repository,
        version=str(chart.get("version") or ""),
        path=path,
        release=str(spec.get("releaseName") or named),
        namespace=target or own,
        crds=mapping(spec.get("install")).get("crds") != "Skip",
    )
    for values in _values(rendering, obj, own):
        use = use.with_values(values)
    found = rendering.chart(use)
    for each in map(mapping, listing(spec.get("postRenderers"))):
        fields = mapping(each.get("kustomize"))
        found = rendering.changed(found, {part: fields.get(part) for part in ("patches", "images")})
    return found


def _source(rendering: Rendering, obj: Object, chart: Object, namespace: str) -> tuple[str, str]:
    """Where the chart is published, or where it lies in this repository."""
    source, name = mapping(chart.get("sourceRef")), shown(key(obj))
    kind, wanted = str(source.get("kind")), str(source.get("name"))
    if kind == "GitRepository":
        return "", str(chart.get("chart", "")).removeprefix("./")
    if kind != "HelmRepository":
        raise NeedsNetworkError(f"{name} takes its chart from a {shown(kind)}, which was not fetched.")
    found = rendering.object_of(kind, wanted, str(source.get("namespace") or namespace))
    if found is None:
        raise OverlayError(
            f"{name} takes its chart from HelmRepository {shown(wanted)}, which is not in the repository."
        )
    return str(spec_of(found).get("url", "")), ""


def _values(rendering: Rendering, obj: Object, namespace: str) -> Iterator[Object]:
    """The values of a release, the later ones winning."""
    spec = spec_of(obj)
    for each in map(mapping, listing(spec.get("valuesFrom"))):
        kind, wanted, entry = (
            str(each.get("kind")),
            str(each.get("name")),
            str(each.get("valuesKey") or "values.yaml"),
        )
        found = rendering.object_of(kind, wanted, namespace) if kind == "ConfigMap" else None
        text = mapping((found or {}).get("data")).get(entry)
        if not isinstance(text, str) or each.get("targetPath"):
            if each.get("optional"):
                continue
            raise NeedsNetworkError(
                f"{shown(key(obj))} takes values from {shown(kind)} {shown(wanted)}, which is not read.",
                remedy="Name what it installs by --rendered FILE.",
            )
        yield from (found.data for found in mappings(text, f"{shown(wanted)} {shown(entry)}"))
    yield mapping(spec.get("values"))
