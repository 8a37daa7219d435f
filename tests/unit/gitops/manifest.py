"""A small stand-in for MetalLB's release manifest: one object of each kind that matters, as large as needed."""

from __future__ import annotations

from typing import Any

import yaml

Json = dict[str, Any]
NAMESPACE = "metallb-system"


def text(version: str) -> str:
    """The manifest of a version, as YAML."""
    return yaml.safe_dump_all(objects(version), sort_keys=False)


def objects(version: str) -> list[Json]:
    """The manifest's objects."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(definition(*each) for each in _KINDS),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "metallb-system:controller"},
            "rules": [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]}],
        },
        workload("Deployment", "controller", version),
        workload("DaemonSet", "speaker", version),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "webhook", "namespace": NAMESPACE},
            "stringData": {"key": "hidden"},
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "metallb-webhook-configuration"},
            "webhooks": [
                {"name": "pools.metallb.io", "clientConfig": {"caBundle": "", "service": {"name": "x"}}}
            ],
        },
    ]


def workload(kind: str, name: str, version: str) -> Json:
    """Controller or speakers."""
    container = {
        "name": name,
        "image": f"quay.io/metallb/{name}:v{version}",
        "args": ["--port=7472", "--log-level=info"],
        "ports": [{"name": "monitoring", "containerPort": 7472}],
        "resources": {"limits": {"cpu": "100m"}},
        "readinessProbe": {"httpGet": {"path": "/metrics", "port": "monitoring"}, "initialDelaySeconds": 10},
    }
    container["readinessProbe"]["periodSeconds"] = 10  # type: ignore[index]  # a dict, above
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "metallb", "component": name}},
        "spec": {
            "selector": {"matchLabels": {"component": name}},
            "template": {
                "metadata": {"labels": {"app": "metallb", "component": name}},
                "spec": {"containers": [container]},
            },
        },
    }


_STRINGS = {"type": "array", "items": {"type": "string"}}
_KINDS: tuple[tuple[str, str, Json], ...] = (
    (
        "IPAddressPool",
        "ipaddresspools",
        {
            "addresses": _STRINGS,
            "autoAssign": {"type": "boolean", "default": True},
            "avoidBuggyIPs": {"type": "boolean"},
        },
    ),
    ("L2Advertisement", "l2advertisements", {"ipAddressPools": _STRINGS}),
    ("ServiceL2Status", "servicel2statuses", {}),
    ("ServiceBGPStatus", "servicebgpstatuses", {}),
    ("ConfigurationState", "configurationstates", {}),
)


def definition(kind: str, plural: str, fields: Json) -> Json:
    """A CRD with these fields in its spec."""
    schema = {
        "description": "prose that no check reads",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {"type": "object", "properties": fields},
        },
    }
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.metallb.io"},
        "spec": {
            "group": "metallb.io",
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [version],
        },
    }
