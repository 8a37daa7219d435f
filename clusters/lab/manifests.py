"""The objects that complete the lab's cluster beside MetalLB: what an installer would have put there."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from clusters.lab import node
from clusters.lab.control_plane import KUBELET_CLIENT, Authorities
from clusters.lab.parts import Parts
from clusters.lab.plan import Plan

Thing = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"
_METRICS_SERVER = Path(__file__).with_name("metrics-server.yaml")


def first(plan: Plan) -> list[Thing]:
    """The API server's access to kubelets, and an address for DNS.

    The DNS service has no endpoints: names are not looked up in this lab, and a pod that tries is refused at
    once by kube-proxy, instead of waiting for an answer.
    """
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "lab:kubelet-api"},
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": KUBELET_CLIENT}],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
            "spec": {
                "clusterIP": node.dns_address(plan),
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
    ]


def metrics_server(authorities: Authorities, parts: Parts) -> list[Thing]:
    """metrics-server with a certificate of the lab's own, so that nothing on the way skips verification."""
    name = "metrics-server.kube-system.svc"
    pair, authority = authorities.cluster.issue(name, served_as=[name]), authorities.cluster.pair.certificate
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "metrics-server-tls", "namespace": "kube-system"},
        "data": {key: base64.b64encode(data).decode() for key, data in files.items()},
    }
    things: list[Thing] = list(yaml.safe_load_all(_METRICS_SERVER.read_text(encoding="utf-8")))
    for thing in things:
        if thing["kind"] == "Deployment":
            container = thing["spec"]["template"]["spec"]["containers"][0]
            container["image"] = parts.image("metrics-server")
        elif thing["kind"] == "APIService":
            thing["spec"]["caBundle"] = base64.b64encode(authority).decode()
    return [secret, *things]
