"""Nodes and endpoints, as far as MetalLB's speakers read them.

Sources: internal/k8s/nodes/nodes.go and internal/k8s/epslices/endpoint_slices.go, alike in 0.15.2 and 0.16.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clusters.metallb.ranges import Address, AddressError, parse_address

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""A node with this label, whatever its value, announces nothing, unless speakers ignore it."""


@dataclass(frozen=True)
class Node:
    """A node. Speakers look at `labels`, `network_unavailable` and the name, and at nothing else.

    `ready` and `unschedulable` are here for people: neither a NotReady nor a cordoned node loses an address
    (0.14.9 alone moved addresses off cordoned nodes).
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[Address, ...] = ()
    network_unavailable: bool = False
    ready: bool = True
    unschedulable: bool = False

    @property
    def excluded(self) -> bool:
        """Whether the node is labelled out of load balancing."""
        return EXCLUDE_LABEL in self.labels


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of a service. `node` is None for endpoints that somebody wrote by hand without it."""

    addresses: tuple[str, ...]
    node: str | None
    servable: bool


def parse(raw: Mapping[str, Any]) -> Node:
    """A node object as the API server returns it; only internal addresses are kept."""
    meta, spec, status = (raw.get(part) or {} for part in ("metadata", "spec", "status"))
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    return Node(
        name=meta.get("name") or "",
        labels=meta.get("labels") or {},
        addresses=_internal(status.get("addresses") or ()),
        network_unavailable=conditions.get("NetworkUnavailable") == "True",
        ready=conditions.get("Ready") == "True",
        unschedulable=bool(spec.get("unschedulable")),
    )


def parse_endpoints(slices: Iterable[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    """The endpoints in a service's EndpointSlices."""
    return tuple(
        Endpoint(
            tuple(each.get("addresses") or ()), each.get("nodeName"), servable(each.get("conditions") or {})
        )
        for one in slices
        for each in one.get("endpoints") or ()
    )


def servable(conditions: Mapping[str, Any]) -> bool:
    """Whether MetalLB counts an endpoint: ready or not said to be unready, or still serving while it ends."""
    return conditions.get("ready") in (None, True) or conditions.get("serving") is True


def _internal(entries: Iterable[Mapping[str, Any]]) -> tuple[Address, ...]:
    found = []
    for each in entries:
        if each.get("type") != "InternalIP":
            continue
        try:
            found.append(parse_address(each.get("address") or ""))
        except AddressError:
            continue  # a cloud provider's placeholder; no pool can hold it
    return tuple(found)
