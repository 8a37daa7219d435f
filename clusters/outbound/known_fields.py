"""What of an object is kept, and what of it is never: the tables that `json_values` goes by."""

from __future__ import annotations

import re

#: Annotations whose values are kept: MetalLB's and kube-vip's, this project's, and what controllers count by.
KNOWN_NOTES = re.compile(
    r"(?:[\w.-]*\bmetallb\.io|metallb\.universe\.tf|kube-vip\.io|metallb-conformance|conformance\.metallb)/.*"
    r"|deprecated\.daemonset\.template\.generation|deployment\.kubernetes\.io/(?:revision|desired-replicas|max-replicas)"
    r"|prometheus\.io/(?:scrape|port|path|scheme)|controller-gen\.kubebuilder\.io/version"
    r"|kubectl\.kubernetes\.io/(?:restartedAt|default-container)|meta\.helm\.sh/release-name(?:space)?"
    r"|argocd\.argoproj\.io/(?:tracking-id|sync-wave)|api-approved\.kubernetes\.io"
    r"|kubernetes\.io/config\.(?:source|hash|seen)"
    r"|endpoints\.kubernetes\.io/last-change-trigger-time|node\.alpha\.kubernetes\.io/ttl"
)  # fmt: skip
#: Copies of whole objects: nothing of them is kept, not even that they were there.
COPIES = re.compile(
    r".*/(?:last-applied(?:-configuration|-set)?|applied|original(?:-diff.*)?|last-configuration|values)"
)
#: ConfigMaps of MetalLB's that are judged, by key. Of every other only the keys are kept.
KNOWN_DATA = frozenset({"excludel2.yaml", "config.json", "config", "config.conf"})
#: Fields that hold the values of a Helm release, or what a generator makes a Secret of.
ALL_HIDDEN = frozenset(
    {"valuesContent", "valuesYaml", "valuesObject", "valuesInline", "literals", "stringData",
     "binaryData", "envs"}
)  # fmt: skip
OF_RELEASES = frozenset({"HelmChart", "HelmChartConfig", "HelmRelease", "Application", "ApplicationSet"})
RELEASE_VALUES = frozenset({"values", "set", "parameters", "setString"})
#: Fields of a reference to a Secret, or of a schema; they are no secret under whatever name.
REFERRING = frozenset(
    {"name", "namespace", "optional", "secretName", "defaultMode", "mode", "path", "items", "kind",
     "apiVersion", "apiGroup", "type", "description", "format", "audience", "expirationSeconds",
     "required", "pattern"}
)  # fmt: skip
LABELS = frozenset({"labels", "matchLabels", "nodeSelector", "selector", "podSelector"})
ARGUMENTS = frozenset({"args", "command", "cmd", "entrypoint"})
#: Options that are followed by a login or a password in most programs.
SHORT = frozenset({"-u", "-U", "--user", "--proxy-user", "-p", "-a", "-w", "-P"})
HARMLESS = frozenset(
    {"uid", "resourceVersion", "creationTimestamp", "ip", "clusterIP", "generation", "protocol"}
)  # fmt: skip


SAYING = (
    ALL_HIDDEN
    | RELEASE_VALUES
    | LABELS
    | {"spec", "data", "value", "annotations", "openAPIV3Schema", "env", "Env", "ENV"}
)
#: A shorter name of a field is no token.
SHORTEST = 16


def kube_proxy_settings(text: str) -> str:
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
