"""A large cluster that is not there: what an API server would hold of one, and how it gets it.

Nothing runs: nodes, speakers and endpoints are objects only, as their controllers would have written them.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from clusters.api import AlreadyExists, Api
from clusters.api import resources as res
from clusters.api.answers import Asked
from clusters.api.transport import PATCH_TYPES, Request
from clusters.metallb import election

Json = dict[str, Any]
NAMESPACE, VERSION = "metallb-system", "0.15.2"
NODES, POOLS, SHOPS, PER_SERVICE = 200, 50, 20, 2
_AT_ONCE = 16
_NOW = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
_NODE_NAMES = [f"node-{number:03d}" for number in range(NODES)]
_READY = [{"type": "Ready", "status": "True", "lastTransitionTime": _NOW, "reason": "KubeletReady"}]


def basis(api: Api, manifest: Path) -> None:
    """Everything but services: MetalLB as its manifest has it, without webhooks; nodes, speakers and pools."""
    _all(lambda name: _made(api, _bare("v1", "Namespace", name)), [f"shop-{n:02d}" for n in range(SHOPS)])
    for thing in yaml.load_all(manifest.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
        if thing and thing["kind"] not in {"ValidatingWebhookConfiguration", "Secret"}:
            _made(api, thing)
    _made(api, _bare("v1", "Namespace", "kube-node-lease"))
    _made(api, _bare("v1", "Secret", "memberlist", NAMESPACE))
    _all(lambda number: _node(api, number), range(NODES))
    _controller(api)
    _speakers(api)
    _all(lambda number: _pool(api, number), range(POOLS))
    _made(api, _bare("metallb.io/v1beta1", "L2Advertisement", "all", NAMESPACE) | {"spec": {}})


def services(api: Api, wanted: Iterable[int]) -> None:
    """The services of these numbers, with address, endpoints and the status object of who announces them."""
    _all(lambda number: _service(api, number), wanted)


def address(number: int) -> ipaddress.IPv4Address:
    """The address of a service: pool by pool in turn."""
    return ipaddress.IPv4Address(f"10.{64 + number % POOLS}.0.0") + 1 + number // POOLS


def _all(act: Callable[[Any], object], wanted: Iterable[Any]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(act, wanted):
            pass


def _bare(api_version: str, kind: str, name: str, namespace: str = "") -> Json:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _made(api: Api, thing: Json, status: Json | None = None) -> None:
    """Create `thing`; its status is a second request, as it is for a controller."""
    try:
        api.create(thing)
    except AlreadyExists:
        return
    if status is not None:
        place, about = api.resource_for(thing), thing["metadata"]
        path = place.path(about.get("namespace"), about["name"], "status")
        # As MetalLB's controller is called where it writes: a status by anybody else has a rival.
        written = Request(
            asked=Asked(verb="patch", path=path),
            method="PATCH",
            query={"fieldManager": "controller"},
            body={"status": status},
            content_type=PATCH_TYPES["merge"],
        )
        api.transport.send(written)


def _node(api: Api, number: int) -> None:
    name = _NODE_NAMES[number]
    node = _bare("v1", "Node", name)
    node["metadata"]["labels"] = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}
    internal = str(ipaddress.IPv4Address("10.32.0.1") + number)
    status = {
        "addresses": [{"type": "InternalIP", "address": internal}, {"type": "Hostname", "address": name}],
        "conditions": _READY,
        "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
        "nodeInfo": dict.fromkeys(
            ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion",
             "kubeletVersion", "kubeProxyVersion", "operatingSystem", "architecture"), "v1.34.4"),
        "images": [{"names": [f"registry.example/i-{one}@sha256:{one:064d}"], "sizeBytes": 1} for one in range(30)],
    }  # fmt: skip
    _made(api, node, status)
    lease = _bare("coordination.k8s.io/v1", "Lease", name, "kube-node-lease")
    renewed = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    _made(api, lease | {"spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed}})


def _pods_of(api: Api, owner: Json, name: str, node: str) -> None:
    template = owner["spec"]["template"]
    spec = {**template["spec"], "nodeName": node}
    spec["containers"] = [_quiet(each) for each in spec["containers"]]
    pod = _bare("v1", "Pod", name, NAMESPACE) | {"spec": spec}
    pod["metadata"]["labels"] = template["metadata"]["labels"]
    pod["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": owner["kind"], "name": owner["metadata"]["name"],
         "uid": owner["metadata"]["uid"], "controller": True}
    ]  # fmt: skip
    states = [
        {"name": each["name"], "image": each["image"], "imageID": "", "ready": True, "restartCount": 0,
         "state": {"running": {"startedAt": _NOW}}}
        for each in spec["containers"]
    ]  # fmt: skip
    conditions = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Ready", "ContainersReady")]
    status = {"phase": "Running", "conditions": conditions, "containerStatuses": states, "startTime": _NOW}
    _made(api, pod, status)


def _quiet(container: Json) -> Json:
    """A container whose metrics are switched off: there is none that could be asked."""
    arguments = [each for each in container.get("args", ()) if not each.startswith("--port")]
    return {**container, "args": [*arguments, "--port=0"]}


def _controller(api: Api) -> None:
    deployment = api.get(res.DEPLOYMENTS, "controller", NAMESPACE)
    _pods_of(api, deployment, "controller-0", _NODE_NAMES[0])
    _written(api, res.DEPLOYMENTS, deployment, replicas=1, readyReplicas=1, availableReplicas=1)


def _speakers(api: Api) -> None:
    speaker = api.get(res.DAEMON_SETS, "speaker", NAMESPACE)
    _all(lambda name: _pods_of(api, speaker, f"speaker-{name}", name), _NODE_NAMES)
    counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable")
    _written(api, res.DAEMON_SETS, speaker, numberMisscheduled=0, **dict.fromkeys(counts, NODES))


def _written(api: Api, kind: res.Resource, owner: Json, **status: int) -> None:
    generation = owner["metadata"]["generation"]
    patch: Json = {"status": {"observedGeneration": generation, **status}}
    api.patch(kind, owner["metadata"]["name"], patch, NAMESPACE, subresource="status")


def _pool(api: Api, number: int) -> None:
    pool = _bare("metallb.io/v1beta1", "IPAddressPool", f"pool-{number:02d}", NAMESPACE)
    _made(api, pool | {"spec": {"addresses": [f"10.{64 + number}.0.0/24"], "avoidBuggyIPs": True}})


def _service(api: Api, number: int) -> None:
    name, namespace, held = f"web-{number:05d}", f"shop-{number % SHOPS:02d}", address(number)
    ports = [
        {"name": "http", "port": 80, "targetPort": 8080},
        {"name": "https", "port": 443, "targetPort": 8443},
    ]
    service = _bare("v1", "Service", name, namespace)
    service["metadata"]["annotations"] = {"metallb.io/ip-allocated-from-pool": f"pool-{number % POOLS:02d}"}
    service["spec"] = {
        "type": "LoadBalancer", "selector": {"app": name}, "ports": ports, "allocateLoadBalancerNodePorts": False
    }  # fmt: skip
    _made(api, service, {"loadBalancer": {"ingress": [{"ip": str(held), "ipMode": "VIP"}]}})
    _made(api, _slice(name, namespace, number))
    owner = min(_NODE_NAMES, key=lambda node: election.digest(node, held))
    status = {"node": owner, "serviceName": name, "serviceNamespace": namespace, "interfaces": []}
    announced = _bare("metallb.io/v1beta1", "ServiceL2Status", f"l2-{number:05d}", NAMESPACE) | {"spec": {}}
    announced["metadata"]["labels"] = {
        "metallb.io/node": owner, "metallb.io/service-name": name, "metallb.io/service-namespace": namespace,
    }  # fmt: skip
    _made(api, announced, status)


def _slice(name: str, namespace: str, number: int) -> Json:
    found = _bare("discovery.k8s.io/v1", "EndpointSlice", f"{name}-abcde", namespace)
    found["metadata"]["labels"] = {
        "kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller",
    }  # fmt: skip
    return found | {
        "addressType": "IPv4",
        "endpoints": list(_endpoints(name, number)),
        "ports": [
            {"name": "http", "port": 8080, "protocol": "TCP"},
            {"name": "https", "port": 8443, "protocol": "TCP"},
        ],
    }


def _endpoints(name: str, number: int) -> Iterator[Json]:
    for one in range(PER_SERVICE):
        place = number * PER_SERVICE + one
        yield {
            "addresses": [str(ipaddress.IPv4Address("10.128.0.1") + place)],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": _NODE_NAMES[place % NODES],
            "targetRef": {"kind": "Pod", "name": f"{name}-{one}", "namespace": "shop"},
        }
