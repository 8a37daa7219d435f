"""The service account whose token reads MetalLB's metrics, and may do nothing else.

From 0.16.0 MetalLB's pods give their metrics to whom a TokenReview knows and a SubjectAccessReview lets `get` the
path /metrics (controller-runtime's filter WithAuthenticationAndAuthorization, in MetalLB's internal/k8s/k8s.go).
"""

from __future__ import annotations

from clusters.objects import Object

NAME = "metallb-conformance-metrics"
PATH = "/metrics"
_GROUP = "rbac.authorization.k8s.io"


def objects(namespace: str) -> list[Object]:
    """The account in MetalLB's namespace, and what it may do. No pod gets its token by itself."""
    about = {"name": NAME}
    role = {"apiGroup": _GROUP, "kind": "ClusterRole", **about}
    account = {"kind": "ServiceAccount", **about, "namespace": namespace}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {**about, "namespace": namespace},
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": "ClusterRole",
            "metadata": dict(about),
            "rules": [{"nonResourceURLs": [PATH], "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": dict(about),
            "roleRef": role,
            "subjects": [account],
        },
    ]
