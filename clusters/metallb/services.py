"""A service as MetalLB reads it: what it asks for, whose it is, with whom it may share an address.

Sources: controller/service.go (annotations, `getDesiredLbIPs`, `SharingKey`), internal/allocator/k8salloc
(`Ports`, `BackendKey`), internal/allocator/allocator.go (`sharingOK`, `checkSharing`), internal/ipfamily and
`filterByLoadBalancerClass` in internal/k8s/controllers/service_controller.go; alike in 0.15.2 and 0.16.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from packaging.version import Version

from clusters.cause_ids import CauseId
from clusters.metallb import versions
from clusters.metallb.ranges import Address, AddressError, parse_address
from clusters.metallb.reasons import Reason
from clusters.metallb.versions import Feature
from clusters.objects import metadata_of, spec_of, status_of

PREFIX = "metallb.io/"
DEPRECATED_PREFIX = "metallb.universe.tf/"
ADDRESS_POOL = "address-pool"
LOAD_BALANCER_IPS = "loadBalancerIPs"
ALLOW_SHARED_IP = "allow-shared-ip"
ALLOCATED_FROM = "ip-allocated-from-pool"
"""Names of MetalLB's annotations without their prefix. The last one is written by the controller itself."""
KNOWN = (ADDRESS_POOL, LOAD_BALANCER_IPS, ALLOW_SHARED_IP, ALLOCATED_FROM)
"""Every annotation that MetalLB reads or writes on a service (controller/service.go, speaker/layer2_controller.go).
One of another name is ignored, without an event or a line in the log."""
_WORDS = {"pool": ADDRESS_POOL, "shar": ALLOW_SHARED_IP, "ip": LOAD_BALANCER_IPS, "addr": LOAD_BALANCER_IPS}
"""By a word in a name that MetalLB does not know, what was meant; the first that is in it."""
_LIKE_METALLB = re.compile(r"metallb[\w.-]*/|metallb[.-]")


class Family(StrEnum):
    """Which address families a service has; MetalLB reads it from the cluster IPs."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DUAL = "dual"


class FamilyPolicy(StrEnum):
    """`spec.ipFamilyPolicy`."""

    SINGLE = "SingleStack"
    PREFER = "PreferDualStack"
    REQUIRE = "RequireDualStack"


@dataclass(frozen=True, order=True)
class Port:
    """One port of a service. Two services on one address must not have the same."""

    protocol: str
    number: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.number}"


@dataclass(frozen=True)
class Request:
    """What a service asks for by field or annotation. `problem` says why MetalLB cannot read the request."""

    addresses: tuple[Address, ...] = ()
    pool: str = ""
    problem: Reason | None = None


@dataclass(frozen=True)
class Service:
    """A Kubernetes service as far as MetalLB reads it. `ingress` is the addresses it has now, in order.

    `hostnames` are the names in its status: MetalLB writes none, so another load balancer serves it by them.
    `prefixes` are those of the annotations that the running MetalLB reads, the one that counts first.
    """

    namespace: str
    name: str
    type: str = "LoadBalancer"
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    lb_class: str | None = None
    cluster_ips: tuple[Address, ...] = ()
    families: tuple[str, ...] = ()
    family_policy: FamilyPolicy = FamilyPolicy.SINGLE
    load_balancer_ip: str = ""
    ports: tuple[Port, ...] = ()
    local_policy: bool = False
    selector: Mapping[str, str] = field(default_factory=dict)
    ingress: tuple[Address, ...] = ()
    hostnames: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = (PREFIX, DEPRECATED_PREFIX)

    @property
    def key(self) -> str:
        """namespace/name, as in MetalLB's logs and metrics."""
        return f"{self.namespace}/{self.name}"

    @property
    def family(self) -> Family:
        """The family of the cluster IPs; of `spec.ipFamilies` where the object has no cluster IP yet."""
        versions = [each.version for each in self.cluster_ips] or [
            6 if each == "IPv6" else 4 for each in self.families
        ]
        if len(versions) > 1:
            return Family.DUAL
        return Family.IPV6 if versions == [6] else Family.IPV4

    @property
    def ipv6_first(self) -> bool:
        """Whether the service prefers an IPv6 address where it cannot have both."""
        return bool(self.families) and self.families[0] == "IPv6"

    @property
    def sharing_key(self) -> str:
        """The value of allow-shared-ip; empty means that the service shares with nobody."""
        return self.annotation(ALLOW_SHARED_IP)

    @property
    def shares(self) -> bool:
        """Whether the annotation allow-shared-ip is there at all, which is what a speaker asks (0.16.2)."""
        return any(prefix + ALLOW_SHARED_IP in self.annotations for prefix in self.prefixes)

    @property
    def backend_key(self) -> str:
        """What sharers must have in common besides the key: their pod selector, if traffic stays local.

        A service with policy Cluster, and one with policy Local but no selector, has the empty key.
        """
        if not self.local_policy:
            return ""
        return ",".join(f"{key}={value}" for key, value in sorted(self.selector.items()))

    def annotation(self, name: str) -> str:
        """The value of a MetalLB annotation; where both prefixes are there, the current one counts."""
        return next(
            (self.annotations[each + name] for each in self.prefixes if each + name in self.annotations), ""
        )


def prefixes(version: Version | None) -> tuple[str, ...]:
    """The annotation prefixes that a MetalLB of this version reads; both where its version is not known."""
    if version is None or versions.supports(version, Feature.NEW_ANNOTATIONS):
        return PREFIX, DEPRECATED_PREFIX
    return (DEPRECATED_PREFIX,)


def parse(raw: Mapping[str, Any], *, read: tuple[str, ...] = (PREFIX, DEPRECATED_PREFIX)) -> Service:
    """A service object as the API server returns it, for a MetalLB that reads annotations of the prefixes `read`.

    Ingress entries that are no addresses are kept apart, as host names.
    """
    meta, spec = metadata_of(raw), spec_of(raw)
    return Service(
        namespace=meta.get("namespace") or "default",
        name=meta.get("name") or "",
        type=spec.get("type") or "ClusterIP",
        labels=meta.get("labels") or {},
        annotations=meta.get("annotations") or {},
        lb_class=spec.get("loadBalancerClass"),
        cluster_ips=_addresses(spec.get("clusterIPs") or [spec.get("clusterIP")]),
        families=tuple(spec.get("ipFamilies") or ()),
        family_policy=FamilyPolicy(spec.get("ipFamilyPolicy") or FamilyPolicy.SINGLE),
        load_balancer_ip=spec.get("loadBalancerIP") or "",
        ports=tuple(_port(each) for each in spec.get("ports") or ()),
        local_policy=spec.get("externalTrafficPolicy") == "Local",
        selector=spec.get("selector") or {},
        ingress=ingress_addresses(raw),
        hostnames=tuple(each["hostname"] for each in _ingress(raw) if each.get("hostname")),
        prefixes=read,
    )


def ingress_addresses(raw: Mapping[str, Any]) -> tuple[Address, ...]:
    """The addresses in the service's status, in order; hostnames are left out."""
    return _addresses(each.get("ip") for each in _ingress(raw))


def _ingress(raw: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    status = status_of(raw).get("loadBalancer") or {}
    return tuple(status.get("ingress") or ())


def foreign(service: Service, lb_class: str = "") -> Reason | None:
    """Why MetalLB leaves this service alone, or None if it is MetalLB's; `lb_class` is its --lb-class.

    MetalLB says nothing about a service of another class: no event, and its log only at debug level.
    """
    if service.type != "LoadBalancer":
        return Reason("", f"Service {service.key} is of type {service.type}, not LoadBalancer.")
    if service.lb_class == (lb_class or None):
        return None
    text = f"Service {service.key} asks for {asked_class(service)}, and MetalLB serves {served_by(lb_class)}."
    return Reason(CauseId.CLASS_MISMATCH, text)


def asked_class(service: Service) -> str:
    """The class that a service asks for, in words."""
    return f"class {service.lb_class!r}" if service.lb_class else "no class"


def served_by(lb_class: str) -> str:
    """Which services a controller or speaker with this --lb-class takes, in words."""
    return f"class {lb_class!r} only" if lb_class else "services without a class only"


def request(service: Service) -> Request:
    """What the service asks for: addresses (field or annotation, never both) and a pool."""
    pool = service.annotation(ADDRESS_POOL)
    listed = service.annotation(LOAD_BALANCER_IPS)
    if listed and service.load_balancer_ip:
        text = (
            f"Service {service.key} asks for {service.load_balancer_ip} in spec.loadBalancerIP and for "
            f"{listed} in the annotation {PREFIX}{LOAD_BALANCER_IPS}; MetalLB takes only one of the two."
        )
        return Request(pool=pool, problem=Reason(CauseId.REQUESTED_TWICE, text))
    if not listed and not service.load_balancer_ip:
        return Request(pool=pool)
    parts = listed.split(",") if listed else [service.load_balancer_ip]
    try:
        addresses = tuple(parse_address(each) for each in parts)
    except AddressError as error:
        text = f"Service {service.key} asks for an address that is none: {error}"
        return Request(pool=pool, problem=Reason(CauseId.REQUESTED_OUTSIDE_POOLS, text))
    return Request(addresses=addresses, pool=pool, problem=_odd_families(service, addresses))


def deprecated_annotations(service: Service) -> tuple[str, ...]:
    """The service's annotations with the prefix metallb.universe.tf, deprecated since MetalLB 0.14.9.

    None where the running MetalLB reads no other. `ip-allocated-from-pool` is not among them: older controllers
    wrote it, and no user can take it away.
    """
    if PREFIX not in service.prefixes:
        return ()
    known = (DEPRECATED_PREFIX + name for name in KNOWN if name != ALLOCATED_FROM)
    return tuple(sorted(key for key in known if key in service.annotations))


@dataclass(frozen=True)
class Unread:
    """An annotation that looks like MetalLB's, and that the running MetalLB does not read.

    `meant` is the one that it reads and that is nearest, "" where none is near. `why` is a sentence.
    """

    name: str
    meant: str
    why: str


def unread_annotations(service: Service) -> tuple[Unread, ...]:
    """What looks like an annotation of MetalLB's, on the service or among its labels, and is not read."""
    found = [_unread(service, key) for key in sorted(service.annotations) if _LIKE_METALLB.match(key)]
    labels = [
        Unread(key, key, f"{key} is a label of the service, and MetalLB reads it as an annotation only.")
        for key in sorted(service.labels)
        if any(key == prefix + name for prefix in service.prefixes for name in KNOWN)
    ]
    return (*(each for each in found if each), *labels)


def _unread(service: Service, key: str) -> Unread | None:
    prefix, _, name = key.rpartition("/")
    if f"{prefix}/" in service.prefixes and name in KNOWN:
        return None
    reads = service.prefixes[0]
    if name in KNOWN:
        listed = " or ".join(service.prefixes)
        return Unread(key, reads + name, f"This MetalLB reads annotations with the prefix {listed} only.")
    meant = next((reads + known for word, known in _WORDS.items() if word in name.lower()), "")
    return Unread(key, meant, f"MetalLB reads no annotation {key}.")


def sharing_conflict(holder: Service, newcomer: Service) -> Reason | None:
    """Why `newcomer` may not have an address that `holder` has, or None if they may share it.

    Both need the same non-empty sharing key, the same backend key, and no port of one protocol in common.
    """
    if holder.key == newcomer.key:
        return None
    if not newcomer.sharing_key:
        text = f"The address is taken by {holder.key}, and {newcomer.key} has no sharing key."
        return Reason(CauseId.REQUESTED_TAKEN, text)
    difference = _sharing_difference(holder, newcomer)
    if not difference:
        return None
    text = f"Service {newcomer.key} cannot share the address of {holder.key}: {difference}."
    return Reason(CauseId.SHARING_REFUSED, text)


def _sharing_difference(holder: Service, newcomer: Service) -> str:
    if not holder.sharing_key:
        return "that one has no sharing key"
    if holder.sharing_key != newcomer.sharing_key:
        return f"their sharing keys {newcomer.sharing_key!r} and {holder.sharing_key!r} differ"
    if holder.backend_key != newcomer.backend_key:
        return "with externalTrafficPolicy Local, all sharers need that policy and one selector"
    clash = sorted(set(holder.ports) & set(newcomer.ports))
    return f"both use port {', '.join(str(each) for each in clash)}" if clash else ""


def _odd_families(service: Service, addresses: tuple[Address, ...]) -> Reason | None:
    versions = [each.version for each in addresses]
    if len(versions) <= 2 and len(set(versions)) == len(versions):
        return None
    listed = ", ".join(str(each) for each in addresses)
    text = f"Service {service.key} asks for {listed}; at most one IPv4 and one IPv6 address can be asked for."
    return Reason(CauseId.FAMILY_UNAVAILABLE, text)


def _addresses(texts: Any) -> tuple[Address, ...]:
    result = []
    for each in texts:
        try:
            result.append(parse_address(each or ""))
        except AddressError:
            continue  # "None", "", a hostname: not an address that MetalLB could have given
    return tuple(result)


def _port(raw: Mapping[str, Any]) -> Port:
    return Port(protocol=raw.get("protocol") or "TCP", number=int(raw["port"]))
