"""A whole cluster as a value: every object that its API server lists, and who answers for each address."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from clusters.api import Api, ApiError
from clusters.api.resources import SERVICES, Resource
from clusters.metallb.services import ingress_addresses
from clusters.observation import announcers
from clusters.vantage import Vantage

Json = dict[str, Any]

#: These live by themselves: beats and messages, copies of what pods are now, and requests that are cleaned up.
#: ServiceL2Status is one: it goes missing for a minute after a speaker's pod was replaced (seen with 0.15.2),
#: and is generated anew; who announces is asked of the wire instead.
_RESTLESS = frozenset(
    {
        "events", "events.events.k8s.io", "endpoints", "endpointslices.discovery.k8s.io", "componentstatuses",
        "certificatesigningrequests.certificates.k8s.io", "servicel2statuses.metallb.io",
        "configurationstates.metallb.io",
    }
)  # fmt: skip
#: What the API server counts up or stamps at every change, even one that is taken back.
_VOLATILE = ("resourceVersion", "generation", "managedFields")
#: Whose status is what somebody was promised, and not how somebody feels now.
_STATUS = frozenset({"services", "ipaddresspools.metallb.io"})
#: Node leases beat; only these would be a run's.
_LEASE_PREFIX = "metallb-conformance"
_OWNER = "owner of "


def objects(api: Api) -> dict[str, Any]:
    """Every object, by a name to show: what it is, without what changes by itself. Pods are counted by owner."""
    found: dict[str, Any] = {}
    for resource in _listable(api):
        if resource.plural == "pods" and not resource.group:
            found |= {f"pods of {owner}": count for owner, count in _pods(api, resource).items()}
            continue
        for raw in api.list(resource):
            metadata = raw["metadata"]
            if resource.plural == "leases" and not metadata["name"].startswith(_LEASE_PREFIX):
                continue
            found[f"{resource.qualified} {metadata.get('namespace', '')}/{metadata['name']}"] = _still(
                raw, resource
            )
    return found


def owners(api: Api, vantage: Vantage) -> dict[str, tuple[str, ...]]:
    """Of every address that a service holds, the MACs that answer for it on the wire now."""
    held = sorted({address for raw in api.list(SERVICES) for address in map(str, ingress_addresses(raw))})
    heard = vantage.who_answers_all(held, rounds=3, probe=False)
    return {f"{_OWNER}{address}": tuple(sorted(answers.macs)) for address, answers in heard.items()}


def elected(api: Api, macs: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Of the same addresses, the MAC that should answer: `macs` has those of the nodes on the segment."""
    namespace = "metallb-system"
    running = announcers.speakers(api, namespace)
    owed: dict[str, tuple[str, ...]] = {}
    for raw in api.list(SERVICES):
        if not (addresses := ingress_addresses(raw)):
            continue
        metadata = raw["metadata"]
        owner = announcers.predict(
            api, metadata["namespace"], metadata["name"], metallb_namespace=namespace, running=running
        ).owner
        owed |= {f"{_OWNER}{address}": (macs[owner],) if owner else () for address in addresses}
    return owed


def unsettled(api: Api, vantage: Vantage, macs: dict[str, str]) -> list[str]:
    """What is still on its way: pods that start or go, and addresses that others than the elected answer for."""
    restless = [name for name in objects(api) if name.endswith((", not ready", ", going"))]
    return restless + differences(elected(api, macs), owners(api, vantage))


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line for each entry that differs, with what it was and is."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now:
            lines.append(f"{name}: {_shown(was)} -> {_shown(now)}")
    return lines


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, default=str, sort_keys=True)[:2000]


def _listable(api: Api) -> Iterator[Resource]:
    groups = [("", "v1", "/api/v1")]
    for group in json.loads(api.raw("/apis"))["groups"]:
        version = group["preferredVersion"]["version"]
        groups.append((group["name"], version, f"/apis/{group['name']}/{version}"))
    for name, version, path in groups:
        if name == "metrics.k8s.io":
            continue
        try:
            served = json.loads(api.raw(path))["resources"]
        except ApiError:
            continue
        for entry in served:
            resource = Resource(name, version, entry["name"], entry["kind"], entry["namespaced"])
            if "list" in entry["verbs"] and "/" not in entry["name"] and resource.qualified not in _RESTLESS:
                yield resource


def _still(raw: Json, resource: Resource) -> Json:
    metadata = {key: value for key, value in raw["metadata"].items() if key not in _VOLATILE}
    rest = {
        key: value for key, value in raw.items() if key not in {"metadata", "status", "kind", "apiVersion"}
    }
    if resource.qualified in _STATUS:
        rest["status"] = raw.get("status")
    if resource.plural == "leases":
        rest["spec"] = raw["spec"].get("holderIdentity")
    return {"metadata": metadata, **rest}


def _pods(api: Api, resource: Resource) -> Counter[str]:
    """How many pods each owner has, and how many of them are ready: a pod that was replaced is not another."""
    counted: Counter[str] = Counter()
    for pod in api.list(resource):
        metadata = pod["metadata"]
        owner = next((each["name"] for each in metadata.get("ownerReferences") or ()), metadata["name"])
        conditions = pod.get("status", {}).get("conditions") or ()
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        going = "deletionTimestamp" in metadata
        state = "going" if going else "ready" if ready else "not ready"
        counted[f"{metadata['namespace']}/{owner}, {state}"] += 1
    return counted
