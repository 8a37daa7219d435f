"""Small builders: required arguments in, one complete object out; a check then changes one visible thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clusters.objects import Object
from clusters.profile.models import ECHO_IMAGE

# The HTTP side of Kubernetes' test server is narrowed to /hostname (--http-override): netexec also
# knows /shell and /exit, which nobody should find on an address that a production network can reach.
# Its UDP side answers "hostname", "clientip" and "echo TEXT" only.
HTTP_PORT = 80
UDP_PORT = 81
CONTAINER_HTTP, CONTAINER_UDP = 8080, 8081

SHARING_KEY = "metallb.io/allow-shared-ip"
REQUESTED = "metallb.io/loadBalancerIPs"
POOL = "metallb.io/address-pool"


def echo_deployment(
    name: str, *, namespace: str, replicas: int = 3, image: str = ECHO_IMAGE, node: str = ""
) -> Object:
    """A Deployment of echo servers, spread over the nodes or pinned to `node`.

    The pods satisfy the "restricted" Pod Security Standard, hold no service-account token, and leave
    at once when told to (nothing of theirs is worth a grace period).
    """
    container = _container(
        "echo",
        image=image,
        args=[
            "netexec",
            f"--http-port={CONTAINER_HTTP}",
            f"--udp-port={CONTAINER_UDP}",
            "--http-override=/hostname",
        ],
        ports=[{"containerPort": CONTAINER_HTTP}, {"containerPort": CONTAINER_UDP, "protocol": "UDP"}],
        readinessProbe={
            "httpGet": {"path": "/", "port": CONTAINER_HTTP},
            "periodSeconds": 1,
            "failureThreshold": 2,
        },
    )
    return _deployment(name, [container], namespace=namespace, replicas=replicas, node=node)


def probe_deployment(
    name: str,
    *,
    namespace: str,
    targets: Mapping[str, tuple[str, int]],
    replicas: int,
    image: str = ECHO_IMAGE,
) -> Object:
    """A Deployment of pods that try TCP connections, spread over the nodes, alike to those of the echo servers.

    `targets` are addresses and ports by name: each is a container's of that name, which is ready while it connects
    there, so that whoever may read pods may read what they reach.
    """
    containers = [
        _container(
            target,
            image=image,
            args=["pause"],
            readinessProbe={
                "exec": {"command": ["/agnhost", "connect", "--timeout=2s", _door(*where)]},
                "periodSeconds": 2,
                "timeoutSeconds": 4,
                "failureThreshold": 1,
            },
        )
        for target, where in targets.items()
    ]
    return _deployment(name, containers, namespace=namespace, replicas=replicas)


def _door(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _container(name: str, *, image: str, **fields: Any) -> Object:
    """A small container that may do nothing but what its program does."""
    return {
        "name": name,
        "image": image,
        **fields,
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }


def _deployment(
    name: str, containers: list[Object], *, namespace: str, replicas: int, node: str = ""
) -> Object:
    labels = {"app": name}
    pod: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
    }
    if node:
        pod["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }


def load_balancer(
    name: str, *, namespace: str, app: str, annotations: Mapping[str, str] | None = None, **spec: Any
) -> Object:
    """A LoadBalancer Service in front of the echo workload `app`; `spec` replaces fields of its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": dict(annotations or {})},
        "spec": {
            "type": "LoadBalancer",
            # Not needed for a LoadBalancer served by kube-proxy, and node ports are a cluster-wide resource.
            "allocateLoadBalancerNodePorts": False,
            "selector": {"app": app},
            "ports": [
                {"name": "http", "port": HTTP_PORT, "targetPort": CONTAINER_HTTP},
                {"name": "udp", "port": UDP_PORT, "targetPort": CONTAINER_UDP, "protocol": "UDP"},
            ],
            **spec,
        },
    }


def address_pool(name: str, *, namespace: str, addresses: Sequence[str], auto_assign: bool = False) -> Object:
    """An IPAddressPool that serves only the services that ask for it by name, unless `auto_assign`."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"addresses": list(addresses), "autoAssign": auto_assign},
    }


def l2_advertisement(
    name: str, *, namespace: str, pools: Sequence[str], limits: Mapping[str, Any] | None = None
) -> Object:
    """An L2Advertisement of exactly the pools named, from every node and interface but for `limits` in its spec."""
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ipAddressPools": list(pools), **(limits or {})},
    }
