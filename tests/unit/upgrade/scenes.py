"""A real observation of a healthy lab (MetalLB 0.15.2), edited in one place, before an upgrade."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from packaging.version import Version

from clusters.gitops import release_manifests
from clusters.observation import Snapshot, load
from clusters.observation.snapshot import Json, Objects, Status
from clusters.upgrade.decision import Decision, Result, decide
from clusters.upgrade.rule import Situation

HEALTHY = Path(__file__).parents[1] / "diagnosis" / "observations" / "healthy.json.gz"

#: Changes an observation's parts, which are copies as JSON lists.
Edit = Callable[[dict[str, list[Json]]], object]


@cache
def healthy() -> Snapshot:
    """The lab in order, with what is asked before an upgrade and is not in that observation."""
    role = {
        "metadata": {"name": "metallb-system:speaker"},
        "rules": [{"apiGroups": ["metallb.io"], "resources": ["servicel2statuses"], "verbs": ["*"]}],
    }
    return replace(
        load(HEALTHY),
        cluster_roles=Objects(status=Status.OK, items=(role,)),
        legacy_pools=Objects(status=Status.ABSENT),
        host_pods=Objects(status=Status.OK),
    )


def edited(edit: Edit, **fields: Any) -> Snapshot:
    """The lab with parts changed: `edit` gets the lists of their objects by the snapshot's field."""
    base = replace(healthy(), **fields)
    parts = {
        name: copy.deepcopy(list(part.items))
        for name in Snapshot.__dataclass_fields__
        if isinstance(part := getattr(base, name), Objects)
    }
    before = copy.deepcopy(parts)
    edit(parts)
    changed = {
        name: replace(getattr(base, name), status=Status.OK, items=tuple(items))
        for name, items in parts.items()
        if items != before[name]
    }
    return replace(base, **changed)


def running(version: str) -> Edit:
    """Let the images be of another version."""

    def edit(parts: dict[str, list[Json]]) -> None:
        for workload in (*parts["deployments"], *parts["daemon_sets"]):
            for container in workload["spec"]["template"]["spec"]["containers"]:
                container["image"] = f"{container['image'].rpartition(':')[0]}:v{version}"
        for pod in parts["pods"]:
            for container in (*pod["spec"]["containers"], *pod["status"].get("containerStatuses", ())):
                if "metallb" in container["image"]:
                    container["image"] = f"{container['image'].rpartition(':')[0]}:v{version}"

    return edit


def both(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(parts: dict[str, list[Json]]) -> None:
        for each in edits:
            each(parts)

    return edit


def definition(kind: str, plural: str, spec: Json) -> Json:
    """A resource definition of a release, as small as it may be."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.metallb.io"},
        "spec": {"group": "metallb.io", "names": {"kind": kind, "plural": plural}, "versions": [version]},
    }


#: What the lab's objects use.
POOLS = definition(
    "IPAddressPool",
    "ipaddresspools",
    {
        "addresses": {"type": "array", "items": {"type": "string"}},
        "autoAssign": {"type": "boolean"},
        "avoidBuggyIPs": {"type": "boolean"},
    },
)
ADVERTISEMENTS = definition(
    "L2Advertisement",
    "l2advertisements",
    {"ipAddressPools": {"type": "array", "items": {"type": "string"}}},
)
RELEASE = (POOLS, ADVERTISEMENTS)


def release(version: str) -> tuple[Json, ...] | None:
    """The release's own manifest, from MetalLB's module, where the lab's parts are at hand."""
    place = release_manifests.of_lab_parts().get(version)
    return tuple(yaml.safe_load_all(place.read_bytes())) if place else None


def decided(snapshot: Snapshot, target: str = "0.16.2", **more: Any) -> Decision:
    """The decision about an upgrade, with a release that takes what the lab has."""
    return decide(Situation(snapshot=snapshot, target=Version(target), **{"manifest": RELEASE, **more}))


def results(found: Decision) -> dict[str, Result]:
    """What each rule says."""
    return {each.rule.id: each.result for each in found.rulings}
