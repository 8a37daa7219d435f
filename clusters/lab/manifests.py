"""The objects that an installer would have put into the lab's cluster, and the order in which all are applied."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clusters import budgets, yaml_text
from clusters.lab import node, pki, serving
from clusters.lab.control_plane import KUBELET_CLIENT, Authorities
from clusters.lab.hosts import LabFailed
from clusters.lab.parts import Parts
from clusters.lab.plan import Plan
from clusters.lab.rest import Answer, RestClient, object_path
from clusters.lab.serving import Controls
from clusters.metallb import install
from clusters.objects import Object

_RBAC = "rbac.authorization.k8s.io"
_WEBHOOK_SECRET = "metallb-webhook-cert"  # noqa: S105 - the name of a secret
_WEBHOOK_NAME = "metallb-webhook-service.metallb-system.svc"
_METRICS_SERVER = Path(__file__).with_name("metrics-server.yaml")


def first(plan: Plan) -> list[Object]:
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


def with_secrets(metallb: list[Object]) -> list[Object]:
    """MetalLB's objects with the two secrets that its controller would make, made already.

    Its controller takes them as they are. Left to itself it makes them after its first start, and until then
    speakers cannot mount the one (the kubelet tries again after 0.5 s, 1 s, 2 s and so on), and the other's
    files are looked for once a second (cert-controller's rotator), which is most of a rollout's time.
    """
    certificate = _webhook_certificate()
    made = []
    for thing in metallb:
        if thing["kind"] == "Deployment":
            name = _memberlist_secret(thing)
            made += [secret(thing["metadata"]["namespace"], name, _memberlist_key())] if name else []
        elif (
            thing["kind"] == "Secret"
            and thing["metadata"]["name"] == _WEBHOOK_SECRET
            and not thing.get("data")
        ):
            thing["data"] = {key: _encoded(data) for key, data in certificate.items()}
    present = {thing["metadata"]["name"] for thing in metallb if thing["kind"] == "Secret"}
    return [*metallb, *(secret for secret in made if secret["metadata"]["name"] not in present)]


def _memberlist_secret(controller: Object) -> str:
    """The name of the secret that this controller makes for its speakers; empty where it makes none."""
    containers = controller["spec"]["template"]["spec"]["containers"]
    settings = [entry for container in containers for entry in container.get("env", [])]
    return next((str(entry["value"]) for entry in settings if entry["name"] == "METALLB_ML_SECRET_NAME"), "")


def _memberlist_key() -> dict[str, bytes]:
    return {"secretkey": base64.b64encode(secrets.token_bytes(128))}


def _webhook_certificate() -> dict[str, bytes]:
    """What cert-controller's rotator keeps in its secret: an authority with its key, and the server's pair."""
    authority = pki.Authority("metallb", rsa_key=True)
    pair = authority.issue(_WEBHOOK_NAME, served_as=[_WEBHOOK_NAME])
    own = authority.pair
    return {"ca.crt": own.certificate, "ca.key": own.key, "tls.crt": pair.certificate, "tls.key": pair.key}


def secret(namespace: str, name: str, data: dict[str, bytes], *, kind: str = "Opaque") -> Object:
    """A secret that holds these files."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: _encoded(value) for key, value in data.items()},
    }


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def metrics_account(metallb: list[Object]) -> list[Object]:
    """The account whose token reads MetalLB's metrics, where its controller is."""
    where = {thing["metadata"]["namespace"] for thing in metallb if thing["kind"] == "Deployment"}
    return [thing for namespace in sorted(where) for thing in install.metrics_account(namespace)]


def metrics_server(authorities: Authorities, parts: Parts) -> list[Object]:
    """metrics-server with a certificate of the lab's own, so that nothing on the way skips verification."""
    name = "metrics-server.kube-system.svc"
    pair, authority = authorities.cluster.issue(name, served_as=[name]), authorities.cluster.pair.certificate
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority}
    files_secret = secret("kube-system", "metrics-server-tls", files, kind="kubernetes.io/tls")
    things: list[Object] = yaml_text.documents(_METRICS_SERVER.read_text(encoding="utf-8"))
    for thing in things:
        if thing["kind"] == "Deployment":
            container = thing["spec"]["template"]["spec"]["containers"][0]
            container["image"] = parts.image("metrics-server")
        elif thing["kind"] == "APIService":
            thing["spec"]["caBundle"] = _encoded(authority)
    return [files_secret, *things]


# What other objects stand on, first; what would refuse objects while its server is not there yet, last.
_WAVES: tuple[frozenset[str], ...] = (
    frozenset(
        {"Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "PriorityClass"}
    ),
    frozenset({"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Secret"}),
)
# Answers that do not change by asking again.
_FINAL = frozenset({400, 401, 405, 422})
_AT_ONCE = 8
_LAST = frozenset({"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"})


def apply_all(client: RestClient, things: Iterable[Object], *, controls: Controls) -> None:
    """Apply everything; every object is accepted when this returns."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for wave in waves(things):
            for done in [pool.submit(_apply_one, client, thing, controls) for thing in wave]:
                done.result()


def waves(things: Iterable[Object]) -> list[list[Object]]:
    """Objects in groups; those of one group do not depend on each other."""
    rest = list(things)
    ordered: list[list[Object]] = []
    for kinds in _WAVES:
        ordered.append([thing for thing in rest if thing["kind"] in kinds])
        rest = [thing for thing in rest if thing["kind"] not in kinds]
    ordered.append([thing for thing in rest if thing["kind"] not in _LAST])
    ordered.append([thing for thing in rest if thing["kind"] in _LAST])
    return ordered


def _apply_one(client: RestClient, thing: Object, controls: Controls) -> None:
    """Apply one object, again while what it depends on is still coming up.

    Raises `LabFailed` with the API server's words when it is refused for good.
    """

    def applied() -> Answer:
        answer = client.try_apply(thing)
        if answer.status in _FINAL:
            raise LabFailed(f"The lab's API server refused {object_path(thing)}: {answer.message}")
        return answer

    serving.claim(
        f"{object_path(thing)} is accepted",
        read=applied,
        accept=lambda answer: answer.status in (200, 201),
        controls=controls,
        budget=budgets.get(budgets.LAB_OBJECT_ACCEPTED),
    )


def describe_nodes(client: RestClient, plan: Plan) -> None:
    """Write on every node which pod addresses are its own, and on the first that it is the control plane.

    On other clusters the controller manager chooses the ranges, and the installer labels. There is no taint and
    no label that keeps load balancers away: the first node is a worker as well.
    """
    for host in plan.nodes:
        ranges = [str(network) for network in host.pod_ranges]
        labels = {"node-role.kubernetes.io/control-plane": ""} if host == plan.control_plane else {}
        patch = {"metadata": {"labels": labels}, "spec": {"podCIDR": ranges[0], "podCIDRs": ranges}}
        client.merge(f"/api/v1/nodes/{host.name}", patch)
