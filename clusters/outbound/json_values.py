"""Objects of Kubernetes and other JSON without secrets: by structure first, then by name and by shape.

What of an object is kept, and what of it is never, stands in the tables at the top.

A part that holds no secret is handed back as it is, not copied: thousands of objects pass here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from clusters.outbound.marks import Mark
from clusters.outbound.secret_names import KNOWN_VARIABLES, Holds, held_by
from clusters.outbound.secret_values import kept_in_object, nothing

#: Annotations whose values are kept: MetalLB's and kube-vip's, this project's, and what controllers count by.
_KNOWN_NOTES = re.compile(
    r"(?:[\w.-]*\bmetallb\.io|metallb\.universe\.tf|kube-vip\.io|metallb-conformance|conformance\.metallb)/.*"
    r"|deprecated\.daemonset\.template\.generation|deployment\.kubernetes\.io/(?:revision|desired-replicas|max-replicas)"
    r"|prometheus\.io/(?:scrape|port|path|scheme)|controller-gen\.kubebuilder\.io/version"
    r"|kubectl\.kubernetes\.io/(?:restartedAt|default-container)|meta\.helm\.sh/release-name(?:space)?"
    r"|argocd\.argoproj\.io/(?:tracking-id|sync-wave)|api-approved\.kubernetes\.io"
    r"|kubernetes\.io/config\.(?:source|hash|seen)"
    r"|endpoints\.kubernetes\.io/last-change-trigger-time|node\.alpha\.kubernetes\.io/ttl"
)  # fmt: skip
#: Copies of whole objects: nothing of them is kept, not even that they were there.
_COPIES = re.compile(
    r".*/(?:last-applied(?:-configuration|-set)?|applied|original(?:-diff.*)?|last-configuration|values)"
)
#: ConfigMaps of MetalLB's that are judged, by key. Of every other only the keys are kept.
_KNOWN_DATA = frozenset({"excludel2.yaml", "config.json", "config", "config.conf"})
#: Fields that hold the values of a Helm release, or what a generator makes a Secret of.
_ALL_HIDDEN = frozenset(
    {"valuesContent", "valuesYaml", "valuesObject", "valuesInline", "literals", "stringData",
     "binaryData", "envs"}
)  # fmt: skip
_OF_RELEASES = frozenset({"HelmChart", "HelmChartConfig", "HelmRelease", "Application", "ApplicationSet"})
_RELEASE_VALUES = frozenset({"values", "set", "parameters", "setString"})
#: Fields of a reference to a Secret, or of a schema; they are no secret under whatever name.
_REFERRING = frozenset(
    {"name", "namespace", "optional", "secretName", "defaultMode", "mode", "path", "items", "kind",
     "apiVersion", "apiGroup", "type", "description", "format", "audience", "expirationSeconds",
     "required", "pattern"}
)  # fmt: skip
_LABELS = frozenset({"labels", "matchLabels", "nodeSelector", "selector", "podSelector"})
_ARGUMENTS = frozenset({"args", "command", "cmd", "entrypoint"})
#: Options that are followed by a login or a password in most programs.
_SHORT = frozenset({"-u", "-U", "--user", "--proxy-user", "-p", "-a", "-w", "-P"})
_HARMLESS = frozenset(
    {"uid", "resourceVersion", "creationTimestamp", "ip", "clusterIP", "generation", "protocol"}
)  # fmt: skip


_SAYING = (
    _ALL_HIDDEN
    | _RELEASE_VALUES
    | _LABELS
    | {"spec", "data", "value", "annotations", "openAPIV3Schema", "env", "Env", "ENV"}
)
#: A shorter name of a field is no token.
_SHORTEST = 16


Json = dict[str, Any]


class Values:
    """JSON values without secrets. `text` is what is done to a text that no name gives away."""

    def __init__(self, mark: Mark, text: Callable[[str], str]) -> None:
        self._mark, self._text = mark, text

    def without(self, value: Any) -> Any:
        """`value` itself where it holds no secret, else a copy without. What is too deep to look at is left out."""
        try:
            return self._any(value, "")
        except RecursionError:
            return self._mark.text("")

    def _any(self, value: Any, name: str) -> Any:
        if isinstance(value, str):
            return self._string(value, name)
        if isinstance(value, dict):
            return self._mapping(value, name)
        if isinstance(value, list | tuple):
            return self._sequence(value, name)
        if name and value and type(value) in {int, float} and held_by(name) in {Holds.SECRET, Holds.PASSWORD}:
            return self._mark.number(value)
        return value

    def _string(self, value: str, name: str) -> str:
        if not value or name in _HARMLESS:
            return value
        holds = held_by(name) if name else Holds.NOTHING
        if holds is not Holds.NOTHING and not kept_in_object(value, holds):
            return self._mark.text(value)
        return self._text(value)

    def written(self, value: str) -> str:
        """JSON within a text, looked into like any other; the text itself where it is none or holds no secret."""
        try:
            found = json.loads(value)
            kept = self._any(found, "")
        except (ValueError, RecursionError):
            return value
        return value if kept is found else json.dumps(kept, separators=(",", ":"), ensure_ascii=False)

    def _sequence(self, value: Any, name: str) -> Any:
        if name == "env" and any(isinstance(each, dict) for each in value):
            return _same(value, [self._variable(each) for each in value])
        if name.lower() == "env":
            return _same(value, [self._assignment(each) for each in value])
        if name in _ARGUMENTS or name.lower() in _ARGUMENTS:
            return _same(value, self._arguments(value))
        kept = [self._any(each, name) for each in value]
        return _same(value, kept)

    def _mapping(self, value: Json, name: str) -> Any:
        if name == "annotations":
            return self._annotations(value)
        if name == "openAPIV3Schema":
            return self._by_shape(value)  # names of fields and no values
        if name == "env":
            return _same_mapping(value, {key: self._value_of(key, each) for key, each in value.items()})
        if name in _LABELS:
            return self.labels(value)
        if name and held_by(name) in {Holds.SECRET, Holds.PASSWORD}:
            refers = _REFERRING | {"key"} if "name" in value or "path" in value else _REFERRING
            return _same_mapping(
                value,
                {
                    key: self._any(each, "") if key in refers else self._all_hidden(each)
                    for key, each in value.items()
                },
            )
        if _is_secret(value):
            value = {key: each for key, each in value.items() if key not in {"data", "stringData"}}
        return self._fields(value)

    def _fields(self, value: Json) -> Json:
        """Each field by itself. Most say nothing and hold a word or a number; there are very many of these."""
        changed: Json = {}
        longest = 0
        for key, each in value.items():
            kind = type(each)
            longest = max(longest, len(key))
            if not _says_nothing(key):
                kept = self._field(value, key, each)
            elif kind is str:
                kept = self._text(each)
            elif kind is dict or kind is list or kind is tuple:
                kept = self._any(each, key)
            else:
                continue
            if kept is not each and kept != each:
                changed[key] = kept
        if changed:
            value = value | changed
        return (
            value
            if longest < _SHORTEST
            else _same_mapping(value, {self._text(key): each for key, each in value.items()})
        )

    def labels(self, value: Json) -> Json:
        """A label is told by its name and value, whatever the name; a selector may hold more than labels."""
        if not all(type(each) is str for each in value.values()):
            return self._fields(value)
        for each in value.values():
            if self._text(each) != each:
                return {key: self._text(one) for key, one in value.items()}
        return value

    def _field(self, owner: Json, key: str, value: Any) -> Any:
        if key in _LABELS or key == "annotations":
            return self._any(value, key)
        if key in _ALL_HIDDEN or (key in _RELEASE_VALUES and _owner_kind(owner) in _OF_RELEASES):
            return self._all_hidden(value)
        if key == "spec" and _owner_kind(owner) in _OF_RELEASES and isinstance(value, dict):
            kept = {
                one: self._all_hidden(each) if one in _RELEASE_VALUES else each for one, each in value.items()
            }
            return self._any(kept, key)
        if key == "data" and "metadata" in owner and isinstance(value, dict):
            return self._data(owner, value)
        tolerated = "effect" in owner or "operator" in owner  # a taint, or what tolerates one
        if (
            key == "value"
            and isinstance(value, str | int | float)
            and not (tolerated or isinstance(value, bool))
        ):
            return self._any(value, _named(owner))
        return self._any(value, key)

    def _data(self, owner: Json, value: Json) -> Json:
        """What a ConfigMap holds; only what is judged is kept."""
        name = str((owner.get("metadata") or {}).get("name", ""))
        return {key: self._known_data(name, key, each) for key, each in value.items()}

    def _known_data(self, name: str, key: str, value: Any) -> Any:
        known = {"config": name == "config", "config.conf": name == "kube-proxy"}.get(key, True)
        if key not in _KNOWN_DATA or not known or not isinstance(value, str):
            return self._all_hidden(value)
        return _kube_proxy_settings(value) if key == "config.conf" else self._string(value, "")

    def _annotations(self, value: Json) -> Json:
        kept = {}
        for key, each in value.items():
            if _COPIES.fullmatch(key):
                continue
            plain = _KNOWN_NOTES.fullmatch(key) is not None and isinstance(each, str)
            kept[key] = self._string(each, key) if plain else self._all_hidden(each)
        return _same_mapping(value, kept)

    def _by_shape(self, value: Any) -> Any:
        """A part in which names say nothing of values: only the texts in it are looked at."""
        if isinstance(value, dict):
            return _same_mapping(value, {key: self._by_shape(each) for key, each in value.items()})
        if isinstance(value, list):
            return _same(value, [self._by_shape(each) for each in value])
        return self._text(value) if isinstance(value, str) else value

    def _variable(self, each: Any) -> Any:
        if not isinstance(each, dict):
            return self._assignment(each)
        name = str(each.get("name", ""))
        return _same_mapping(
            each,
            {
                key: self._value_of(name, one) if key == "value" else self._any(one, key)
                for key, one in each.items()
            },
        )

    def _value_of(self, variable: str, value: Any) -> Any:
        if variable in KNOWN_VARIABLES and isinstance(value, str):
            return self._text(value)
        return value if isinstance(value, dict) else self._all_hidden(value)

    def _assignment(self, each: Any) -> Any:
        """A variable as `NAME=value`."""
        name, equals, value = each.partition("=") if isinstance(each, str) else ("", "", "")
        return f"{name}={self._value_of(name, value)}" if equals else self._any(each, "env")

    def _all_hidden(self, value: Any) -> Any:
        """Everything in a value replaced, but for its shape."""
        if isinstance(value, dict):
            return {key: self._all_hidden(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._all_hidden(each) for each in value]
        if isinstance(value, str):
            return value if nothing(value) else self._mark.text(value)
        return self._mark.number(value) if value and type(value) in {int, float} else value

    def _arguments(self, value: Any) -> list[Any]:
        """A command line: what follows an option that is named as a secret is one."""
        kept: list[Any] = []
        before = ""
        for each in value:
            kept.append(self._argument(each, before) if isinstance(each, str) else self._any(each, ""))
            before = each if isinstance(each, str) else ""
        return kept

    def _argument(self, each: str, before: str) -> str:
        option = before.startswith("-") and "=" not in before
        if option and not each.startswith("-"):
            holds = held_by(before)
            login = before in _SHORT and not each.isdecimal() and not each.startswith("/")
            if login or (holds is not Holds.NOTHING and not kept_in_object(each, holds)):
                return self._mark.text(each)
        name, equals, text = each.partition("=")
        holds = held_by(name) if equals and " " not in name else Holds.NOTHING
        if holds is not Holds.NOTHING and not kept_in_object(text, holds):
            return f"{name}={self._mark.text(text)}"
        return self._string(each, "")


@lru_cache(maxsize=8192)
def _says_nothing(key: str) -> bool:
    """Whether a field of this name is one like any other."""
    return key not in _SAYING and key.lower() not in _ARGUMENTS and held_by(key) is Holds.NOTHING


def _owner_kind(owner: Json) -> str:
    """The kind of an object, "" where it says none."""
    kind = owner.get("kind")
    return kind if isinstance(kind, str) else ""


def _is_secret(found: Json) -> bool:
    return found.get("kind") == "Secret" or ("stringData" in found and "metadata" in found)


def _named(owner: Json) -> str:
    """The name that stands beside a value: of a header, a parameter, or the field that a patch sets."""
    for key in ("name", "key", "path"):
        if isinstance(owner.get(key), str):
            return str(owner[key])
    return ""


def _same(value: Any, kept: list[Any]) -> Any:
    return (
        value if all(one is other or one == other for one, other in zip(value, kept, strict=True)) else kept
    )


def _same_mapping(value: Json, kept: Json) -> Json:
    same = len(value) == len(kept) and all(
        key == other and (one is kept_one or one == kept_one)
        for (key, one), (other, kept_one) in zip(value.items(), kept.items(), strict=True)
    )
    return value if same else kept


def _kube_proxy_settings(text: str) -> str:
    """Of kube-proxy's configuration its mode and whether strict ARP is on: what decides who answers ARP."""
    import yaml  # noqa: PLC0415 - one object of a run needs it, and every error of this project comes by here

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    mode, ipvs = (found.get("mode"), found.get("ipvs")) if isinstance(found, dict) else (None, None)
    strict = ipvs.get("strictARP") if isinstance(ipvs, dict) else None
    kept: dict[str, object] = {"mode": mode} if isinstance(mode, str) and (mode.isalpha() or not mode) else {}
    if isinstance(strict, bool):
        kept["ipvs"] = {"strictARP": strict}
    return str(yaml.safe_dump(kept, sort_keys=False)) if kept else ""
