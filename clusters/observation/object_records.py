"""The records of services, nodes, events and what else is listed, and which list of an observation has which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, Required

from typing_extensions import TypedDict  # pydantic reads Python's own only from 3.12 on

from clusters.observation.metallb_records import (
    Advertisement,
    AnnouncedStatus,
    ConfigurationState,
    ConfiguredSpec,
    Peer,
    PeersStatus,
    Pool,
    SessionState,
)
from clusters.observation.records import (
    Condition,
    ContainerStatus,
    HostPod,
    Map,
    Metadata,
    Name,
    Named,
    NamedInNamespace,
    Number,
    Placed,
    Pod,
    Port,
    Quantity,
    Selector,
    Texts,
    Time,
    Workload,
)


class Taint(TypedDict, total=False):
    """What keeps pods from a node."""

    key: Required[str]
    value: str | None
    effect: str


class NodeSpec(TypedDict, total=False):
    """What a node is to be."""

    taints: list[Taint] | None
    unschedulable: bool


class NodeAddress(TypedDict):
    """An address of a node."""

    type: str
    address: str


class KubeletEndpoint(TypedDict, total=False):
    """The port of a node's kubelet, spelt as Kubernetes does."""

    Port: Port


class DaemonEndpoints(TypedDict, total=False):
    """Where a node's own services listen."""

    kubeletEndpoint: KubeletEndpoint


class NodeInfo(TypedDict, total=False):
    """Versions of a node's programs; the kubelet's names its distribution, as in v1.35.4+k3s1."""

    kubeletVersion: str
    kernelVersion: str
    osImage: str


class NodeStatus(TypedDict, total=False):
    """How a node fares."""

    addresses: list[NodeAddress] | None
    allocatable: dict[str, Quantity] | None
    conditions: list[Condition]
    daemonEndpoints: DaemonEndpoints
    nodeInfo: NodeInfo


class Node(TypedDict):
    """A node."""

    metadata: Metadata
    spec: NodeSpec
    status: NodeStatus


class LeaseSpec(TypedDict, total=False):
    """When a lease was last renewed."""

    renewTime: Time | None


class Lease(TypedDict):
    """A node's lease."""

    metadata: Metadata
    spec: LeaseSpec


class ServicePort(TypedDict, total=False):
    """A port of a service."""

    port: Required[Port]
    protocol: str | None
    name: str | None
    nodePort: Port | None
    targetPort: int | str | None
    appProtocol: str | None


class ServiceSpec(TypedDict, total=False):
    """What a service asks for."""

    type: str | None
    loadBalancerClass: str | None
    loadBalancerIP: str | None
    loadBalancerSourceRanges: Texts
    clusterIP: str | None
    clusterIPs: Texts
    ipFamilies: Texts
    ipFamilyPolicy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None
    externalTrafficPolicy: str | None
    ports: list[ServicePort] | None
    externalIPs: Texts
    selector: Map


class Ingress(TypedDict, total=False):
    """An address that a service holds, or a name by which another load balancer serves it."""

    ip: str | None
    hostname: str | None


class LoadBalancer(TypedDict, total=False):
    """The addresses that a service holds."""

    ingress: list[Ingress] | None


class ServiceCondition(TypedDict, total=False):
    """A condition that a load balancer wrote."""

    type: str
    status: str


class ServiceStatus(TypedDict, total=False):
    """What a service was given."""

    loadBalancer: LoadBalancer | None
    conditions: list[ServiceCondition] | None


class Service(TypedDict):
    """A service of type LoadBalancer."""

    metadata: Placed
    spec: ServiceSpec
    status: ServiceStatus


class EndpointConditions(TypedDict, total=False):
    """Whether an endpoint serves; null is not known."""

    ready: bool | None
    serving: bool | None


class Endpoint(TypedDict, total=False):
    """One endpoint of a service."""

    addresses: Texts
    conditions: EndpointConditions | None
    nodeName: str | None


class EndpointPort(TypedDict, total=False):
    """A port of the endpoints, by the name of the service's port."""

    name: str | None
    port: Port | None
    protocol: str | None


class EndpointSlice(TypedDict):
    """Some of a service's endpoints."""

    metadata: Placed
    endpoints: NotRequired[list[Endpoint] | None]
    ports: NotRequired[list[EndpointPort] | None]


class ExternalSpec(TypedDict, total=False):
    """What a service with external addresses of its own asks for."""

    type: str | None
    externalIPs: Texts
    ports: list[ServicePort] | None


class ExternalService(TypedDict):
    """A service of another type with external addresses of its own."""

    metadata: Placed
    spec: ExternalSpec


#: Addresses that a policy admits; written this way because `except` is a keyword.
Block = TypedDict("Block", {"cidr": Required[str], "except": Texts}, total=False)


class PolicyPeer(TypedDict, total=False):
    """Whom a policy admits."""

    ipBlock: Block | None
    podSelector: Selector | None
    namespaceSelector: Selector | None


class PolicyPort(TypedDict, total=False):
    """To which port a policy admits somebody."""

    port: int | str | None
    protocol: str | None
    endPort: Port | None


#: Whom a policy admits to which ports; written this way because `from` is a keyword.
PolicyRule = TypedDict(
    "PolicyRule", {"from": list[PolicyPeer] | None, "ports": list[PolicyPort] | None}, total=False
)


class PolicySpec(TypedDict, total=False):
    """Which pods a policy is about, and who may reach them."""

    podSelector: Selector | None
    policyTypes: Texts
    ingress: list[PolicyRule] | None


class NetworkPolicy(TypedDict):
    """A NetworkPolicy."""

    metadata: Placed
    spec: NotRequired[PolicySpec | None]


class PassingStatus(TypedDict, total=False):
    """How somebody else's pod fares."""

    phase: str
    conditions: list[Condition]
    containerStatuses: list[ContainerStatus]


class PassingContainer(TypedDict, total=False):
    """How a container of another MetalLB's is started."""

    name: str
    args: Texts


class PassingSpec(TypedDict, total=False):
    """Where somebody else's pod runs, and what in it."""

    nodeName: str | None
    containers: list[PassingContainer] | None


class PassingPod(TypedDict, total=False):
    """A pod of somebody else's."""

    metadata: Required[Metadata]
    spec: PassingSpec | None
    status: PassingStatus | None


class Subject(TypedDict, total=False):
    """What an event is about."""

    kind: str
    name: str
    namespace: str
    uid: str


class Series(TypedDict, total=False):
    """An event that was seen several times."""

    count: Number | None
    lastObservedTime: Time | None


class Event(TypedDict, total=False):
    """An event of either API."""

    metadata: Required[Metadata]
    involvedObject: Required[Subject]
    reason: str | None
    message: str | None
    type: str | None
    count: Number | None
    firstTimestamp: Time | None
    lastTimestamp: Time | None
    eventTime: Time | None
    series: Series | None


class ConfigMap(TypedDict, total=False):
    """Texts by name."""

    metadata: Required[Placed]
    data: Map


class HookService(TypedDict):
    """The service by which a webhook is asked."""

    namespace: Name
    name: Name


class HookClient(TypedDict, total=False):
    """How a webhook is asked."""

    service: HookService | None


class Hook(TypedDict):
    """One webhook."""

    clientConfig: HookClient


class Webhooks(TypedDict):
    """A webhook configuration."""

    metadata: Metadata
    webhooks: list[Hook]


class DefinitionStatus(TypedDict, total=False):
    """In which versions objects are stored."""

    storedVersions: Texts


class Definition(TypedDict):
    """A custom resource definition."""

    metadata: Metadata
    status: NotRequired[DefinitionStatus | None]


class Used(TypedDict):
    """What a container uses."""

    cpu: Quantity


class UsedByContainer(TypedDict):
    """A container with what it uses."""

    name: str
    usage: Used


class Usage(TypedDict):
    """A pod's use, by the metrics API."""

    metadata: Metadata
    containers: NotRequired[list[UsedByContainer]]


class Rule(TypedDict, total=False):
    """What a role allows."""

    apiGroups: list[str]
    resources: list[str]
    verbs: list[str]


class Role(TypedDict):
    """A ClusterRole."""

    metadata: Metadata
    rules: NotRequired[list[Rule] | None]


#: For each list of an observation, the word for one of its objects, and its record.
RECORDS: Mapping[str, tuple[str, Any]] = {
    "namespaces": ("namespace", Named),
    "nodes": ("node", Node),
    "node_leases": ("lease", Lease),
    "pods": ("pod", Pod),
    "kube_proxy_pods": ("pod", PassingPod),
    "kube_proxy_config": ("configmap", ConfigMap),
    "cilium_config": ("configmap", ConfigMap),
    "service_lb_pods": ("pod", Named),
    "kube_vip_pods": ("pod", Named),
    "rival_pools": ("CiliumLoadBalancerIPPool", Named),
    "metallb_pods_elsewhere": ("pod", PassingPod),
    "daemon_sets": ("daemonset", Workload),
    "deployments": ("deployment", Workload),
    "replica_sets": ("replicaset", Named),
    "services": ("service", Service),
    "external_ip_services": ("service", ExternalService),
    "network_policies": ("networkpolicy", NetworkPolicy),
    "endpoint_slices": ("endpointslice", EndpointSlice),
    "events": ("event", Event),
    "service_events": ("event", Event),
    "config_maps": ("configmap", ConfigMap),
    "secrets": ("secret", Named),
    "webhooks": ("webhook configuration", Webhooks),
    "custom_resource_definitions": ("definition", Definition),
    "ip_address_pools": ("IPAddressPool", Pool),
    "l2_advertisements": ("L2Advertisement", Advertisement),
    "pools_elsewhere": ("IPAddressPool", Pool),
    "advertisements_elsewhere": ("L2Advertisement", Advertisement),
    "bgp_advertisements": ("BGPAdvertisement", Advertisement),
    "bgp_peers": ("BGPPeer", Peer),
    "bfd_profiles": ("BFDProfile", ConfiguredSpec),
    "communities": ("Community", ConfiguredSpec),
    "service_l2_statuses": ("ServiceL2Status", AnnouncedStatus),
    "service_bgp_statuses": ("ServiceBGPStatus", PeersStatus),
    "bgp_session_states": ("BGPSessionState", SessionState),
    "configuration_states": ("ConfigurationState", ConfigurationState),
    "cluster_roles": ("clusterrole", Role),
    "legacy_pools": ("AddressPool", NamedInNamespace),
    "host_pods": ("pod", HostPod),
    "pod_usage": ("pod's usage", Usage),
}
