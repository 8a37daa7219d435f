"""What is listed from the API server: which objects, with which selector, and what is kept of each.

One table, so that the permissions an observation needs are read off it, below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clusters.api import Resource
from clusters.api import resources as known
from clusters.changes import cluster_lease
from clusters.checks.spec import Access, Place, may
from clusters.metallb import install
from clusters.observation import trimming
from clusters.observation.reading import Trim
from clusters.observation.snapshot import Json

#: k3s labels the pods of its ServiceLB with the service they serve.
SERVICE_LB_LABEL = "svccontroller.k3s.cattle.io/svcname"
KUBE_VIP_LABELS = "app.kubernetes.io/name in (kube-vip,kube-vip-ds)"
#: kubeadm's, kind's and Talos' DaemonSet; RKE2's and GKE's static pods, and AKS' DaemonSet.
KUBE_PROXY_LABELS = ("k8s-app=kube-proxy", "component=kube-proxy")
#: By MetalLB's manifests, and by its chart.
METALLB_LABELS = ("app=metallb", "app.kubernetes.io/name=metallb")
CILIUM_CONFIG = "cilium-config"
_OWN_CONFIG_MAPS = ("excludel2", "memberlist", "config")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One list request: the Snapshot's field it fills and how much of each object is kept.

    `everywhere` lists all namespaces of a namespaced resource, `elsewhere` all but MetalLB's own; otherwise it is
    MetalLB's own, or `namespace`. `labels` are selectors: what any of them selects is listed, each by a request.
    """

    field: str
    resource: Resource
    trim: Trim
    everywhere: bool = False
    elsewhere: bool = False
    namespace: str = ""
    labels: tuple[str, ...] = ("",)
    fields: str = ""
    keep: Callable[[Json], bool] | None = None

    @property
    def of_all_namespaces(self) -> bool:
        """Whether it is asked of the whole cluster."""
        return self.everywhere or self.elsewhere


def _own_config_map(found: Json) -> bool:
    name: str = found["metadata"]["name"]
    return any(part in name for part in _OWN_CONFIG_MAPS)


def _kube_proxy_config(found: Json) -> bool:
    return bool(found["metadata"]["name"] == "kube-proxy")


def _cilium_config(found: Json) -> bool:
    return bool(found["metadata"]["name"] == CILIUM_CONFIG)


def _hook_of_interest(found: Json) -> bool:
    """MetalLB's own, and those that are asked before MetalLB may write a service."""
    return install.asked_about_metallb(found) or install.asked_about_services(found)


def listings() -> Iterable[Listing]:
    """Every list request but those that need more care: services, slices, secrets, definitions."""
    yield Listing(field="namespaces", resource=known.NAMESPACES, trim=trimming.name_only)
    yield Listing(field="nodes", resource=known.NODES, trim=trimming.node)
    yield Listing(
        field="node_leases", resource=known.LEASES, trim=trimming.lease, namespace="kube-node-lease"
    )
    yield Listing(field="pods", resource=known.PODS, trim=trimming.pod)
    yield Listing(
        field="kube_proxy_pods", resource=known.PODS, trim=trimming.proxy_pod, namespace="kube-system",
        labels=KUBE_PROXY_LABELS,
    )  # fmt: skip
    yield Listing(
        field="service_lb_pods", resource=known.PODS, trim=trimming.pod_in_passing, everywhere=True,
        labels=(SERVICE_LB_LABEL,),
    )  # fmt: skip
    yield Listing(
        field="kube_vip_pods", resource=known.PODS, trim=trimming.pod_in_passing, everywhere=True,
        labels=(KUBE_VIP_LABELS,),
    )  # fmt: skip
    yield Listing(
        field="metallb_pods_elsewhere", resource=known.PODS, trim=trimming.metallb_in_passing, elsewhere=True,
        labels=METALLB_LABELS,
    )  # fmt: skip
    yield Listing(field="daemon_sets", resource=known.DAEMON_SETS, trim=trimming.small)
    yield Listing(field="deployments", resource=known.DEPLOYMENTS, trim=trimming.small)
    yield Listing(field="replica_sets", resource=known.REPLICA_SETS, trim=trimming.owner)
    yield Listing(field="events", resource=known.EVENTS, trim=trimming.event)
    yield Listing(
        field="service_events", resource=known.EVENTS, trim=trimming.event, everywhere=True,
        fields="involvedObject.kind=Service",
    )  # fmt: skip
    yield Listing(field="config_maps", resource=known.CONFIG_MAPS, trim=trimming.small, keep=_own_config_map)
    yield Listing(
        field="kube_proxy_config", resource=known.CONFIG_MAPS, trim=trimming.small, namespace="kube-system",
        fields="metadata.name=kube-proxy", keep=_kube_proxy_config,
    )  # fmt: skip
    yield Listing(
        field="cilium_config", resource=known.CONFIG_MAPS, trim=trimming.cilium_settings, namespace="kube-system",
        fields=f"metadata.name={CILIUM_CONFIG}", keep=_cilium_config,
    )  # fmt: skip
    yield Listing(
        field="pools_elsewhere", resource=known.IP_ADDRESS_POOLS, trim=trimming.small, elsewhere=True
    )
    yield Listing(
        field="advertisements_elsewhere",
        resource=known.L2_ADVERTISEMENTS,
        trim=trimming.small,
        elsewhere=True,
    )
    yield Listing(
        field="bgp_session_states", resource=known.BGP_SESSION_STATES, trim=trimming.small, everywhere=True
    )
    yield Listing(
        field="webhooks", resource=known.VALIDATING_WEBHOOKS, trim=trimming.webhook, keep=_hook_of_interest
    )
    for field, resource in METALLB:
        formed = resource is known.SERVICE_L2_STATUSES
        yield Listing(
            field=field, resource=resource, trim=trimming.layer2_status if formed else trimming.small
        )


def listings_before_an_upgrade() -> Iterable[Listing]:
    """What is listed besides where an upgrade is asked about."""
    yield Listing(
        field="cluster_roles", resource=known.CLUSTER_ROLES, trim=trimming.small, keep=_about_metallb
    )
    yield Listing(
        field="legacy_pools", resource=known.ADDRESS_POOLS, trim=trimming.name_only, everywhere=True
    )
    yield Listing(
        field="host_pods", resource=known.PODS, trim=trimming.pod_with_ports, everywhere=True,
        keep=_has_host_ports,
    )  # fmt: skip


def _about_metallb(found: Json) -> bool:
    return any("metallb.io" in (rule.get("apiGroups") or ()) for rule in found.get("rules") or ())


def _has_host_ports(found: Json) -> bool:
    spec = found.get("spec") or {}
    containers = spec.get("containers") or ()
    return bool(
        spec.get("hostNetwork")
        or any(port.get("hostPort") for each in containers for port in each.get("ports") or ())
    )


#: MetalLB's own kinds, by the field of the Snapshot.
METALLB: tuple[tuple[str, Resource], ...] = (
    ("ip_address_pools", known.IP_ADDRESS_POOLS),
    ("l2_advertisements", known.L2_ADVERTISEMENTS),
    ("bgp_advertisements", known.BGP_ADVERTISEMENTS),
    ("bgp_peers", known.BGP_PEERS),
    ("bfd_profiles", known.BFD_PROFILES),
    ("communities", known.COMMUNITIES),
    ("service_l2_statuses", known.SERVICE_L2_STATUSES),
    ("service_bgp_statuses", known.SERVICE_BGP_STATUSES),
    ("configuration_states", known.CONFIGURATION_STATES),
)


_BY_NAME = "metadata.name="


def _listed(wanted: Listing) -> Access:
    if not wanted.resource.namespaced or wanted.of_all_namespaces:
        place = Place.EVERYWHERE
    else:
        place = Place(wanted.namespace) if wanted.namespace else Place.METALLB
    named = wanted.fields.removeprefix(_BY_NAME) if wanted.fields.startswith(_BY_NAME) else ""
    names = (named,) if named else ()
    return Access(resource=wanted.resource.qualified, verb="list", place=place, names=names)


#: What every run reads before its first check: which cluster it is, whether it has a
#: MetalLB, and whether another run holds it.
PREFLIGHT: tuple[Access, ...] = (
    *may("get", "namespaces", place=Place.KUBE_SYSTEM, names=("kube-system",)),
    *may("list", "deployments.apps", place=Place.METALLB),
    *may("get", "leases.coordination.k8s.io", place=Place.METALLB, names=(cluster_lease.NAME,)),
    *may("list", "nodes"),
)

#: What an observation reads. Without one of these the part is recorded as not permitted.
OBSERVATION: tuple[Access, ...] = tuple(
    dict.fromkeys(
        (
            *PREFLIGHT,
            *(_listed(each) for each in listings()),
            *may(
                "list",
                "services",
                "endpointslices.discovery.k8s.io",
                "networkpolicies.networking.k8s.io",
            ),
            *may("get list", "customresourcedefinitions.apiextensions.k8s.io"),
            *may("list", "ciliumloadbalancerippools.cilium.io"),
            *may("list", "pods.metrics.k8s.io", place=Place.METALLB),
            *may("get", "pods/log", "pods/proxy", place=Place.METALLB),
        )
    )
)

#: What it uses besides where the profile says `metrics: token-request`. The token that this account is asked for is
#: no login of the run's. From Kubernetes 1.35 a port-forward wants `create` as well as `get`, in its role at least.
METRICS: tuple[Access, ...] = (
    *may("create", "serviceaccounts/token", place=Place.METALLB, names=(install.METRICS_ACCOUNT,)),
    *may("get create", "pods/portforward", place=Place.METALLB),
)

#: What it reads besides where an upgrade is asked about.
BEFORE_AN_UPGRADE: tuple[Access, ...] = tuple(map(_listed, listings_before_an_upgrade()))
