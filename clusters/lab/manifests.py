"""The objects that make the lab's cluster complete beside MetalLB: access of the API server to kubelets, an address
for DNS, and metrics-server."""

from __future__ import annotations

from typing import Any

from clusters.lab import node
from clusters.lab.control_plane import KUBELET_CLIENT
from clusters.lab.plan import Plan

Thing = dict[str, Any]
_RBAC = "rbac.authorization.k8s.io"


def cluster_role_binding(name: str, role: str, *subjects: Thing) -> Thing:
    """A ClusterRoleBinding; subjects come from `user` and `service_account`."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": list(subjects),
    }


def user(name: str) -> Thing:
    """A subject: a user known by certificate."""
    return {"apiGroup": _RBAC, "kind": "User", "name": name}


def service_account(namespace: str, name: str) -> Thing:
    """A subject: a service account."""
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def first(plan: Plan) -> list[Thing]:
    """What is applied before anything else.

    The DNS service has no endpoints: names are not looked up in this lab, and a pod that tries is refused at once by
    kube-proxy, instead of waiting for an answer.
    """
    return [
        cluster_role_binding("lab:kubelet-api", "system:kubelet-api-admin", user(KUBELET_CLIENT)),
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
