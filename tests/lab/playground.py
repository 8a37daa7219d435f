"""A lab's MetalLB with generated pools and services, asked for its decisions one at a time.

Settling is what makes a "no" certain. MetalLB's controller takes services one after the other, in the order of
their events; a service of our own that has got its new address shows that all before it were decided.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from packaging.version import Version

from clusters import wait
from clusters.api.api_client import Api
from clusters.api.resources import (
    ENDPOINT_SLICES,
    EVENTS,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    NAMESPACES,
    NODES,
    SERVICE_L2_STATUSES,
    SERVICES,
)
from clusters.budgets import Budget
from clusters.lab.lab import Lab
from clusters.metallb import advertisements, nodes, pools, services, signatures
from clusters.metallb.allocation import World
from clusters.metallb.election import Scene, Speakers
from clusters.metallb.nodes import EXCLUDE_LABEL, Endpoint
from clusters.metallb.services import Service
from clusters.metallb.signatures import EventHit
from tests.unit.metallb import strategies
from tests.unit.metallb.strategies import METALLB_NAMESPACE, Raw, Stage

DECIDED = Budget(name="test.decided", within=60, every=0.02, reason="a lab may share its machine with others")
OWN_POOL = {
    "apiVersion": "metallb.io/v1beta1",
    "kind": "IPAddressPool",
    "metadata": {"name": "settling", "namespace": METALLB_NAMESPACE},
    "spec": {"addresses": ["10.254.0.0/31"], "autoAssign": False},
}
OWN_ADDRESSES = ("10.254.0.0", "10.254.0.1")
WANTED = "metallb.io/loadBalancerIPs"
MADE = {"made-for": "a-decision"}


class Playground:
    """One lab, used by one test at a time. `version` is MetalLB's, `client` a network namespace on the LAN.

    `macs` has the nodes by the MAC of their LAN interface.
    """

    def __init__(self, api: Api, lab: Lab) -> None:
        self.api = api
        self.version = Version(lab.metallb_version)
        self.client = lab.netns("client")
        self.macs = {each.mac: node.name for node in lab.nodes for each in node.interfaces}
        self._turn = 0

    def prepare(self) -> None:
        """Make namespaces and the settling service, and keep the lab's own pool out of automatic choices."""
        for name, labels in strategies.NAMESPACES.items():
            self.api.apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            )
        for pool in self.api.list(IP_ADDRESS_POOLS):
            self.api.patch(
                IP_ADDRESS_POOLS, pool["metadata"]["name"], {"spec": {"autoAssign": False}}, METALLB_NAMESPACE
            )
        for advertisement in self.api.list(L2_ADVERTISEMENTS):
            self.api.delete(L2_ADVERTISEMENTS, advertisement["metadata"]["name"], METALLB_NAMESPACE)
        self.api.apply(OWN_POOL)
        self.api.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": "settling",
                    "namespace": "default",
                    "annotations": {WANTED: OWN_ADDRESSES[0]},
                },
                "spec": {
                    "type": "LoadBalancer",
                    "ipFamilyPolicy": "SingleStack",
                    "ipFamilies": ["IPv4"],
                    "ports": [{"port": 80}],
                },
            }
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the controller has decided about everything that was changed so far."""
        # One turn may be taken early, in a round over all services that serves those with an address first.
        # That round also decides about the others, and the second turn comes after it.
        self._take_turn()
        self._take_turn()

    def _take_turn(self) -> None:
        self._turn = 1 - self._turn
        wanted = OWN_ADDRESSES[self._turn]
        self.api.patch(SERVICES, "settling", {"metadata": {"annotations": {WANTED: wanted}}}, "default")
        wait.until(
            f"the settling service has {wanted}",
            read=lambda: services.ingress_addresses(self.api.get(SERVICES, "settling", "default")),
            accept=lambda found: [str(each) for each in found] == [wanted],
            budget=DECIDED,
        )

    def world(self) -> World:
        """What the controller knows now."""
        return World(
            pools=tuple(pools.parse(each) for each in self.api.list(IP_ADDRESS_POOLS)),
            services=tuple(services.parse(each) for each in self.api.list(SERVICES)),
            namespaces={
                each["metadata"]["name"]: each["metadata"].get("labels") or {}
                for each in self.api.list(NAMESPACES)
            },
        )

    def create_pools(self, raw: Iterable[Raw]) -> None:
        """Create pools, and wait until they count."""
        for each in raw:
            self.api.apply(each)
        self.settle()

    def create(self, raw: Raw) -> Service:
        """Create a service; what comes back has cluster IPs and no address yet."""
        meta = {**raw["metadata"], "labels": {**(raw["metadata"].get("labels") or {}), **MADE}}
        return services.parse(self.api.apply({**raw, "metadata": meta}))

    def decided(self, service: Service) -> tuple[Service, str]:
        """A service once it was decided about, and the pool that its annotation names."""
        self.settle()
        raw = self.api.get(SERVICES, service.name, service.namespace)
        return services.parse(raw), services.parse(raw).annotation(services.ALLOCATED_FROM)

    def complaints(self, service: Service) -> list[EventHit]:
        """What the service's events say is wrong with it, once one of them does: events come late."""
        uid = self.api.get(SERVICES, service.name, service.namespace)["metadata"]["uid"]
        return wait.until(
            f"an event says why service {service.key} waits",
            read=lambda: [
                hit
                for each in self.api.list(EVENTS, service.namespace, fields=f"involvedObject.uid={uid}")
                if (hit := signatures.match_event(each["reason"], each["message"], version=self.version))
            ],
            accept=lambda found: any(each.cause not in ("", "deprecated-annotation") for each in found),
            budget=DECIDED,
        )

    def clear(self) -> None:
        """Remove all that tests made, services before their pools, and mend the nodes."""
        for name in self.node_names():
            self._mark(name, excluded=False, unavailable=False)
        for each in self.api.list(L2_ADVERTISEMENTS):
            self.api.delete(L2_ADVERTISEMENTS, each["metadata"]["name"], METALLB_NAMESPACE)
        # Kubernetes gives its own slices their service's labels, and removes them itself.
        for res, labels in (
            (SERVICES, "made-for=a-decision"),
            (ENDPOINT_SLICES, "endpointslice.kubernetes.io/managed-by=a-test"),
        ):
            for each in self.api.list(res, labels=labels):
                self.api.delete(res, each["metadata"]["name"], each["metadata"]["namespace"])
        wait.until(
            "no service of a test is left",
            read=lambda: self.api.list(SERVICES, labels="made-for=a-decision"),
            accept=lambda found: not found,
            budget=DECIDED,
        )
        self.settle()
        for each in self.api.list(IP_ADDRESS_POOLS):
            if each["metadata"]["name"].startswith("pool"):
                self.api.delete(IP_ADDRESS_POOLS, each["metadata"]["name"], METALLB_NAMESPACE)
        self.settle()

    def set_stage(self, stage: Stage) -> None:
        """Leave nodes out, create services with their endpoints, and the advertisements last."""
        for name in self.node_names():
            self._mark(name, excluded=name in stage.excluded, unavailable=name in stage.unavailable)
        for each in stage.services:
            service = self.create(each)
            for number, part in enumerate(stage.slices[service.name]):
                self.api.apply(_slice(service, number, part))
        self.settle()
        for each in stage.advertisements:
            self.api.create(each)  # which drops fields that an old version does not know; applying would fail

    def node_names(self) -> list[str]:
        """The nodes, by name."""
        return sorted(each["metadata"]["name"] for each in self.api.list(NODES))

    def scene(self) -> Scene:
        """What the speakers know now."""
        found = tuple(nodes.parse(each) for each in self.api.list(NODES))
        return Scene(
            pools=tuple(pools.parse(each) for each in self.api.list(IP_ADDRESS_POOLS)),
            advertisements=tuple(advertisements.parse(each) for each in self.api.list(L2_ADVERTISEMENTS)),
            nodes=found,
            speakers=Speakers(frozenset(each.name for each in found)),
            version=self.version,
        )

    def made_services(self) -> list[Service]:
        """The services that the test made, as they are now."""
        return [services.parse(each) for each in self.api.list(SERVICES, labels="made-for=a-decision")]

    def endpoints(self, service: Service) -> tuple[Endpoint, ...]:
        """A service's endpoints."""
        wanted = f"kubernetes.io/service-name={service.name}"
        return nodes.parse_endpoints(self.api.list(ENDPOINT_SLICES, service.namespace, labels=wanted))

    def announcers(self) -> dict[str, set[str]]:
        """The nodes that say they announce, by the service's key."""
        found: dict[str, set[str]] = {}
        for each in self.api.list(SERVICE_L2_STATUSES):
            status = each.get("status") or {}
            if status.get("serviceNamespace") in strategies.NAMESPACES:
                key = f"{status['serviceNamespace']}/{status['serviceName']}"
                found.setdefault(key, set()).add(status["node"])
        return found

    def _mark(self, name: str, *, excluded: bool, unavailable: bool) -> None:
        label = {"metadata": {"labels": {EXCLUDE_LABEL: "" if excluded else None}}}
        self.api.patch(NODES, name, label)
        condition: dict[str, Any] = {
            "type": "NetworkUnavailable",
            "status": "True" if unavailable else "False",
            "reason": "Test",
        }
        self.api.patch(
            NODES, name, {"status": {"conditions": [condition]}}, kind="strategic", subresource="status"
        )


def _slice(service: Service, number: int, part: Raw) -> Raw:
    ipv6 = bool(service.families) and service.families[0] == "IPv6"
    text = json.dumps(part["endpoints"])
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service.name}-{number}",
            "namespace": service.namespace,
            "labels": {
                "kubernetes.io/service-name": service.name,
                "endpointslice.kubernetes.io/managed-by": "a-test",
                **MADE,
            },
        },
        "addressType": "IPv6" if ipv6 else "IPv4",
        "endpoints": json.loads(text.replace("10.244.0.9", "fd00:244::9") if ipv6 else text),
        "ports": [{"name": "web", "port": 80}],
    }
