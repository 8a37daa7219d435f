"""Objects cut down to what a judgement can use, so that thousands of them cost little memory.

Each function takes one object as the API server gave it and returns a new, smaller one. Fields that are
absent stay absent: a judgement must not read meaning into a default that was put in here. Secrets are left out
where an observation is put together (`reading.objects`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from clusters import outbound
from clusters.observation.snapshot import Json

_POD_SPEC = ("nodeName", "nodeSelector", "tolerations", "affinity", "hostNetwork", "priorityClassName")
_CONTAINER = (
    "name",
    "image",
    "args",
    "command",
    "env",
    "resources",
    "ports",
    "livenessProbe",
    "readinessProbe",
)
_METADATA = (
    "name",
    "namespace",
    "uid",
    "labels",
    "creationTimestamp",
    "deletionTimestamp",
    "generation",
    "finalizers",
    "ownerReferences",
)
_EVENT = (
    "involvedObject",
    "reason",
    "message",
    "type",
    "count",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
)


#: The fields of a service's spec (k8s.io/api core/v1); what may stand in each the API server checks, but for what
#: `service` looks into.
_SERVICE_SPEC = frozenset(
    ("type", "ports", "selector", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalIPs",
     "externalName", "externalTrafficPolicy", "internalTrafficPolicy", "healthCheckNodePort", "loadBalancerIP",
     "loadBalancerClass", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "publishNotReadyAddresses",
     "sessionAffinity", "sessionAffinityConfig", "trafficDistribution")
)  # fmt: skip


_CILIUM_SETTINGS = (
    "kube-proxy-replacement",
    "enable-l2-announcements",
    "enable-bgp-control-plane",
    "kube-proxy-replacement-healthz-bind-address",
)


#: Parts that thousands of objects have alike, by what is in them. Nobody changes what was observed.
_PARTS: dict[str, Any] = {}
_MOST_PARTS, _LONGEST_PART = 4096, 512


def _once(part: Any) -> Any:
    """The first part that was equal to this one, so that all of them are kept once."""
    text = repr(part)
    if len(text) > _LONGEST_PART or len(_PARTS) >= _MOST_PARTS:
        return _PARTS.get(text, part)
    return _PARTS.setdefault(text, part)


def _pick(found: Json, names: Iterable[str]) -> Json:
    return {name: found[name] for name in names if name in found}


def metadata(found: Json, *, keep_fields: bool = False) -> Json:
    """Object metadata without what nobody judges: managedFields, self links."""
    kept = _pick(found, _METADATA)
    if noted := found.get("annotations"):
        kept["annotations"] = noted
    if keep_fields and (managers := _status_managers(found.get("managedFields", ()))):
        kept["managedFields"] = managers
    return kept


def _status_managers(found: Iterable[Json]) -> list[Json]:
    """Who wrote a service's load balancer status: what tells a rival controller from MetalLB."""
    return [
        {
            "manager": outbound.secretless(entry.get("manager", "")),
            "operation": entry.get("operation", ""),
            "subresource": entry.get("subresource", ""),
            "time": entry.get("time", ""),
        }
        for entry in found
        if "f:loadBalancer" in entry.get("fieldsV1", {}).get("f:status", {})
    ]


def service(found: Json) -> Json:
    """A service with what the API server gives a form to; of managedFields the writers of its load balancer status."""
    spec, status = found.get("spec", {}), found.get("status", {})
    kept = {name: value for name, value in spec.items() if name in _SERVICE_SPEC}
    kept |= {name: _once(kept[name]) for name in ("ports", "ipFamilies") if name in kept}
    if selector := kept.get("selector"):
        kept["selector"] = outbound.labels(selector)
    if address := kept.get("loadBalancerIP"):
        kept["loadBalancerIP"] = outbound.secretless(address)
    state = _pick(status, ("loadBalancer",))
    if conditions := status.get("conditions"):
        state["conditions"] = outbound.value(conditions)
    return {"metadata": _formed(found["metadata"], keep_fields=True), "spec": kept, "status": state}


def external_service(found: Json) -> Json:
    """A service that asks for external addresses of its own: its name, type, ports and those."""
    return {
        "metadata": _pick(found["metadata"], ("name", "namespace")),
        "spec": _pick(found.get("spec", {}), ("type", "externalIPs", "ports")),
    }


def network_policy(found: Json) -> Json:
    """Which pods a policy is about, and whom it lets in; whom they may ask themselves is not looked at."""
    return {
        "metadata": _pick(found["metadata"], ("name", "namespace")),
        "spec": _pick(found.get("spec") or {}, ("podSelector", "policyTypes", "ingress")),
    }


def cilium_settings(found: Json) -> Json:
    """Of Cilium's settings those that say who forwards what is sent to a service, and who announces it."""
    data = found.get("data") or {}
    return {
        "metadata": _pick(found["metadata"], ("name", "namespace")),
        "data": _pick(data, _CILIUM_SETTINGS),
    }


def layer2_status(found: Json) -> Json:
    """Who announces a service, as the speaker that does has written it."""
    return {
        "metadata": _formed(found["metadata"]),
        "spec": {},
        "status": _pick(found.get("status", {}), ("node", "serviceName", "serviceNamespace", "interfaces")),
    }


def endpoint_slice(found: Json) -> Json:
    """A slice with its endpoints' addresses, conditions, nodes and pods, and its ports."""
    about = _pick(found["metadata"], ("name", "namespace", "labels"))
    if labels := about.get("labels"):
        about["labels"] = outbound.labels(labels)
    return {
        "metadata": about,
        "addressType": found.get("addressType", ""),
        "endpoints": [_endpoint(endpoint) for endpoint in found.get("endpoints") or ()],
        "ports": _once([_pick(port, ("name", "port", "protocol")) for port in found.get("ports") or ()]),
    }


def _formed(found: Json, *, keep_fields: bool = False) -> Json:
    """Metadata in which whatever anybody may write as they like is without secrets."""
    kept = metadata(found, keep_fields=keep_fields)
    if labels := kept.get("labels"):
        kept["labels"] = outbound.labels(labels)
    if notes := kept.get("annotations"):
        kept["annotations"] = outbound.value({"annotations": notes})["annotations"]
    return kept


def _endpoint(found: Json) -> Json:
    kept = _pick(found, ("addresses", "conditions", "nodeName"))
    if conditions := kept.get("conditions"):
        kept["conditions"] = _once(conditions)
    if target := found.get("targetRef"):
        kept["targetRef"] = _pick(target, ("kind", "name"))
    return kept


def node(found: Json) -> Json:
    """A node without its list of images."""
    status = found.get("status", {})
    return {
        "metadata": metadata(found["metadata"]),
        "spec": _pick(found.get("spec", {}), ("taints", "unschedulable", "podCIDRs")),
        "status": _pick(status, ("addresses", "conditions", "allocatable", "nodeInfo", "daemonEndpoints")),
    }


def pod(found: Json) -> Json:
    """A pod's placement, containers, probes and status."""
    spec = found.get("spec", {})
    kept = _pick(spec, _POD_SPEC)
    for group in ("containers", "initContainers"):
        if group in spec:
            kept[group] = [_pick(container, _CONTAINER) for container in spec[group]]
    return {"metadata": metadata(found["metadata"]), "spec": kept, "status": found.get("status", {})}


def pod_in_passing(found: Json) -> Json:
    """A pod of somebody else's, of which only the name, labels, node and state matter."""
    status = found.get("status", {})
    return {
        "metadata": _pick(found["metadata"], ("name", "namespace", "labels")),
        "spec": _pick(found.get("spec", {}), ("nodeName",)),
        "status": _pick(status, ("phase", "conditions")),
    }


def metallb_in_passing(found: Json) -> Json:
    """A pod of another MetalLB's: as one in passing, and how its containers are started."""
    kept = pod_in_passing(found)
    containers = [_pick(each, ("name", "args")) for each in found.get("spec", {}).get("containers") or ()]
    kept["spec"] |= {"containers": containers}
    return kept


def proxy_pod(found: Json) -> Json:
    """A pod of kube-proxy's: as one in passing, and how its containers fare."""
    kept = pod_in_passing(found)
    kept["status"] |= _pick(found.get("status", {}), ("containerStatuses",))
    kept["metadata"] |= _pick(found["metadata"], ("creationTimestamp", "ownerReferences"))
    return kept


def pod_with_ports(found: Json) -> Json:
    """A pod of which only its node and its containers' ports matter."""
    spec = found.get("spec", {})
    return {
        "metadata": _pick(found["metadata"], ("name", "namespace")),
        "spec": {
            **_pick(spec, ("nodeName", "hostNetwork")),
            "containers": [_pick(each, ("name", "ports")) for each in spec.get("containers") or ()],
        },
    }


def event(found: Json) -> Json:
    """An event of either API: who, why, what, how often and when."""
    kept = _pick(found, _EVENT)
    kept["metadata"] = _pick(found["metadata"], ("name", "namespace", "creationTimestamp"))
    if series := found.get("series"):
        kept["series"] = series
    if source := found.get("source", {}).get("component") or found.get("reportingComponent"):
        kept["source"] = {"component": source}
    kept["message"] = kept.get("message") or ""
    return kept


def small(found: Json) -> Json:
    """Any other object, whole but for its managedFields."""
    kept: Json = {key: value for key, value in found.items() if key not in {"metadata", "kind"}}
    kept["metadata"] = metadata(found["metadata"])
    return kept


def name_only(found: Json) -> Json:
    """Metadata alone: for secrets, of which only names, ages and labels may be known."""
    return {"metadata": _pick(found["metadata"], ("name", "namespace", "labels", "creationTimestamp", "uid"))}


def owner(found: Json) -> Json:
    """What something is called and what owns it: enough to tell whose pods are whose."""
    return {"metadata": _pick(found["metadata"], ("name", "namespace", "uid", "ownerReferences"))}


def definition(found: Json) -> Json:
    """A custom resource definition: its names and served versions, without the schemas."""
    spec = found.get("spec", {})
    return {
        "metadata": metadata(found["metadata"]),
        "spec": {
            **_pick(spec, ("group", "names", "scope")),
            "versions": [
                _pick(version, ("name", "served", "storage")) for version in spec.get("versions", ())
            ],
        },
        "status": _pick(found.get("status", {}), ("storedVersions", "conditions")),
    }


def lease(found: Json) -> Json:
    """A node's lease: its name, and when the kubelet last renewed it."""
    return {
        "metadata": _pick(found["metadata"], ("name",)),
        "spec": _pick(found.get("spec", {}), ("renewTime",)),
    }


def webhook(found: Json) -> Json:
    """A webhook configuration; of each certificate bundle only a digest, to tell two apart."""
    return {
        "metadata": metadata(found["metadata"]),
        "webhooks": [_hook(hook) for hook in found.get("webhooks", ())],
    }


def _hook(found: Json) -> Json:
    kept = _pick(found, ("name", "rules", "failurePolicy", "timeoutSeconds", "sideEffects"))
    client: dict[str, Any] = found.get("clientConfig", {})
    kept["clientConfig"] = _pick(client, ("service",))
    if bundle := client.get("caBundle"):
        kept["clientConfig"]["caBundleDigest"] = hashlib.sha256(bundle.encode()).hexdigest()[:16]
    return kept


#: Functions whose objects hold only what the API server gives a form to, and have been made fit to leave where they
#: are not: there are thousands of these.
FORMED: frozenset[Callable[[Json], Json]] = frozenset({service, endpoint_slice, layer2_status})
