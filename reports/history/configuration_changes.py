"""Which addresses moved, and which configuration changed, between two observations of a cluster. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.gitops import field_comparison
from clusters.gitops.field_comparison import ABSENT, Difference
from clusters.metallb import services
from clusters.observation.snapshot import Json, Objects, Snapshot
from clusters.subject import Subject

_SHOWN, _FIELDS = 60, 3
_NODE_LABELS = ("node.kubernetes.io/", "metallb.io/", "kubernetes.io/hostname", "topology.kubernetes.io/")
#: Written by controllers and kubectl as they go along, not by whoever configures.
_RUNNING_NOTES = ("deprecated.daemonset.template.generation", "deployment.kubernetes.io/revision")


@dataclass(frozen=True, kw_only=True)
class Move:
    """A service ("service default/web") whose addresses are not what they were."""

    subject: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def _spec(found: Json) -> Json:
    return {"spec": found.get("spec") or {}}


def _data(found: Json) -> Json:
    return {"data": found.get("data") or {}}


def _hooks(found: Json) -> Json:
    return {"webhooks": found.get("webhooks") or []}


def _node(found: Json) -> Json:
    spec, labels = found.get("spec") or {}, found["metadata"].get("labels") or {}
    # A label counts by being there: an empty value is not the same as none.
    kept = {name: value or "(empty)" for name, value in labels.items() if name.startswith(_NODE_LABELS)}
    return {
        "labels": kept,
        "spec": {name: spec[name] for name in ("taints", "unschedulable") if spec.get(name)},
    }


def _service(found: Json) -> Json:
    """What a service asks of a load balancer; not what MetalLB or the API server wrote into it."""
    spec, annotations = found.get("spec") or {}, found["metadata"].get("annotations") or {}
    asked = ("loadBalancerIP", "loadBalancerClass", "externalTrafficPolicy", "ipFamilyPolicy", "ports")
    kept = {name: spec[name] for name in asked if name in spec}
    if "ports" in kept:
        kept["ports"] = [{key: one.get(key) for key in ("port", "protocol")} for one in kept["ports"]]
    asked_for = {
        name: value
        for name, value in annotations.items()
        if "metallb" in name and not name.endswith("/ip-allocated-from-pool")
    }
    return {"annotations": asked_for, "spec": kept}


#: What of each part of an observation is configuration, with the word for one of its objects.
_PARTS: Mapping[str, tuple[str, Callable[[Json], Json]]] = {
    "ip_address_pools": ("IPAddressPool", _spec),
    "l2_advertisements": ("L2Advertisement", _spec),
    "bgp_advertisements": ("BGPAdvertisement", _spec),
    "bgp_peers": ("BGPPeer", _spec),
    "bfd_profiles": ("BFDProfile", _spec),
    "communities": ("Community", _spec),
    "deployments": ("Deployment", _spec),
    "daemon_sets": ("DaemonSet", _spec),
    "config_maps": ("ConfigMap", _data),
    "kube_proxy_config": ("ConfigMap", _data),
    "webhooks": ("webhook configuration", _hooks),
    "nodes": ("node", _node),
    "services": ("service", _service),
}


def moves(before: Snapshot | None, after: Snapshot | None) -> Iterator[Move]:
    """The services of both observations whose addresses are not the same."""
    if before is None or after is None or not (before.services.known and after.services.known):
        return
    held = {one.key: one.ingress for one in map(services.parse, before.services.items)}
    for one in map(services.parse, after.services.items):
        old = held.get(one.key)
        if old is not None and set(old) != set(one.ingress):
            yield Move(
                subject=Subject.service(one.key),
                before=tuple(map(str, old)),
                after=tuple(map(str, one.ingress)),
            )


def reconfigured(before: Snapshot | None, after: Snapshot | None) -> Iterator[str]:
    """A sentence for each object of the configuration that changed, appeared or went."""
    if before is None or after is None:
        return
    for part, (word, cut) in _PARTS.items():
        one, other = getattr(before, part), getattr(after, part)
        if one.known and other.known:
            yield from _part(word, _by_name(one), _by_name(other), cut)


def _part(
    word: str, before: Mapping[str, Json], after: Mapping[str, Json], cut: Callable[[Json], Json]
) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in after:
            yield f"{word} {name} is gone."
        elif name not in before:
            yield f"{word} {name} is new."
        elif found := _differences(cut(before[name]), cut(after[name])):
            changes = [
                f"{one.field} was {_shown(one.rendered)}, is {_shown(one.live)}" for one in found[:_FIELDS]
            ]
            more = f"; and {len(found) - _FIELDS} more" if len(found) > _FIELDS else ""
            yield f"{word} {name}: {'; '.join(changes)}{more}."


def _differences(before: Json, after: Json) -> list[Difference]:
    """The fields that differ, those that only one side has included."""
    there = field_comparison.differences(before, after)
    known = {one.path for one in there}
    back = field_comparison.differences(after, before)
    added = [Difference(one.path, one.live, one.rendered) for one in back if one.path not in known]
    return [one for one in (*there, *added) if not str(one.path[-1]).endswith(_RUNNING_NOTES)]


def _by_name(part: Objects) -> dict[str, Json]:
    found = {}
    for one in part.items:
        metadata = one["metadata"]
        found["/".join(filter(None, (metadata.get("namespace"), metadata["name"])))] = one
    return found


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
