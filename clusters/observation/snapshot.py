"""What one run saw of a cluster, as frozen data that can be kept in a file and judged again elsewhere.

Kubernetes' own objects stay what they are, plain JSON objects that were trimmed and redacted; what this
project measured itself (logs, metrics, the wire) has types of its own. Nothing here knows how it was
collected, and judging a Snapshot uses nothing but the Snapshot: its `taken_at` is the only clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from clusters.observation.field_types import (
    Address,
    Count,
    Finite,
    Moment,
    NamespaceName,
    NoAddress,
    Part,
    PortNumber,
    ProfileName,
    Seconds,
    Status,
)
from clusters.observation.wire_records import (
    Believed,
    ConsumerAnswer,
    ConsumerProbe,
    Heard,
    NodePortReach,
    NodeReach,
    PoolShare,
    ProxyHealth,
    Reached,
    Route,
    ServerCertificate,
    Tries,
    TryEnd,
    WireView,
)

__all__ = [
    "SNAPSHOT_VERSION",
    "AnswerCount",
    "AnswerCounts",
    "Believed",
    "Consumer",
    "ConsumerAnswer",
    "ConsumerProbe",
    "DryRun",
    "Expectations",
    "Heard",
    "Json",
    "LogTail",
    "NodePortReach",
    "NodeReach",
    "Objects",
    "Part",
    "PodMetrics",
    "PoolShare",
    "ProxyHealth",
    "Reached",
    "Route",
    "Sample",
    "ServerCertificate",
    "Snapshot",
    "Status",
    "Tries",
    "TryEnd",
    "Unreadable",
    "WireView",
]

#: The shape of the file; a file of a newer version is refused, never half understood.
SNAPSHOT_VERSION = 1

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """An object that is not what its kind is: which field of it, and why."""

    kind: str
    name: str
    field: str
    why: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.kind[:1].upper()}{self.kind[1:]} {self.name} cannot be read: {where}{self.why}."


@dataclass(frozen=True, kw_only=True)
class Objects(Part):
    """Objects of one kind, sorted by namespace and name.

    Where some are `unreadable`, the others are in `items`, and the list as a whole is not known.
    """

    items: tuple[Json, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogTail(Part):
    """The end of one container's log, oldest first; `previous` is the container before its restart.

    Lines of noise that is known to repeat (`clusters.metallb.log_lines`) are left out, and `noise` counts them. `since`
    is the time of the oldest line that was read, noise or not: the log says nothing of what was before. It is empty
    where that line has no time, and `whole` is true where nothing was before.
    """

    pod: str
    container: str
    previous: bool = False
    lines: tuple[str, ...] = ()
    noise: Count = 0
    since: Moment | Literal[""] = ""
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample of a metric, as Prometheus' text format gives it."""

    name: str
    labels: dict[str, str]
    value: Finite


@dataclass(frozen=True, kw_only=True)
class PodMetrics(Part):
    """The metallb_* samples of one pod."""

    pod: str
    samples: tuple[Sample, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether what is missing among the samples is denied. Every pod of MetalLB's has some, whatever it does."""
        return self.ok and bool(self.samples)


@dataclass(frozen=True, kw_only=True)
class AnswerCount:
    """How often one speaker's pod says that it has answered for an address, before the vantage asked and after."""

    pod: str
    address: Address
    before: Count
    after: Count

    @property
    def moved(self) -> bool:
        """Whether it has answered meanwhile: then it is one of those that answered the vantage."""
        return self.after > self.before


@dataclass(frozen=True, kw_only=True)
class AnswerCounts(Part):
    """The speakers' own counts of answers (`metallb_layer2_responses_sent`), read before and after the questions.

    Read the second time only where it is not clear which node answers for an address. `pods` are those that were read
    both times: only of these does a count that stood still deny anything. One that counts nothing for an address has no
    row for it.
    """

    pods: tuple[str, ...] = ()
    counts: tuple[AnswerCount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DryRun(Part):
    """What the API server and MetalLB's webhook said to a pool that was only tried, never stored.

    `status` is ok when the API server answered, also when it was no: `accepted` tells which, and `detail`
    holds the text of a refusal. `webhook_failed` says that the webhook itself could not be asked.
    """

    accepted: bool = False
    webhook_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A service that the profile names, the addresses that people know it by (none for any), and how it is asked.

    Without `probes` it is asked by its ports' names and numbers. Observations of older releases have one `address` (""
    for any); `protocol`, `port` and `path` stand in some as well, which asked nothing by them.
    """

    namespace: str
    name: str
    address: Address | NoAddress = ""
    addresses: tuple[Address, ...] = ()
    probes: tuple[ConsumerProbe, ...] = ()
    protocol: str = "tcp"
    port: PortNumber = 0
    path: str = "/"

    @property
    def known_by(self) -> tuple[str, ...]:
        """The addresses that it has to hold."""
        return self.addresses or ((self.address,) if self.address else ())


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What the cluster's profile says should be so; kept in the Snapshot, as a judgement needs it too.

    `announcers` are node names, `announcer_selector` a label selector; `pools` maps a pool's name to the
    addresses it is meant to hold, `networks` and `gateways` are around them. Something else than MetalLB announces the
    pools of which `pools_announced` says so, and the others where `announced_by_others` does. `budgets` are seconds by
    budget name. `macs` are hardware addresses of nodes, by the node's name, where the profile says whose they are.
    """

    consumers: tuple[Consumer, ...] = ()
    announcers: tuple[str, ...] = ()
    announcer_selector: str = ""
    pools: dict[str, tuple[str, ...]] = field(default_factory=dict)
    announced_by_others: bool = False
    pools_announced: dict[str, bool] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    gateways: tuple[Address, ...] = ()
    single_address_pools: tuple[str, ...] = ()
    budgets: dict[str, Seconds] = field(default_factory=dict)
    macs: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One observation of one cluster. `taken_at` is RFC 3339 in UTC, with the seconds' fraction.

    `pods`, `daemon_sets`, `deployments`, `replica_sets`, `events`, `config_maps` and `secrets` are those of
    MetalLB's namespace (of secrets metadata only), `services` those of type LoadBalancer, `endpoint_slices` theirs and
    those of MetalLB's namespace, `network_policies` those of their namespaces. `external_ip_services` are services of
    other types that ask for addresses of their own (spec.externalIPs). `kube_proxy_pods` are a DaemonSet's and static
    ones, `cilium_config` says whether Cilium stands in for kube-proxy. `pools_elsewhere` and `advertisements_elsewhere`
    are in namespaces where this MetalLB does not read them, `metallb_pods_elsewhere` are another MetalLB's.
    `service_lb_pods`, `kube_vip_pods` and `rival_pools` are other load balancers' traces. `bgp_session_states` are what
    frr-k8s says of its sessions. `routed` is what a second vantage behind a router reaches: its routes and tries only.
    What an upgrade has to know besides was read only where one was asked about: `cluster_roles` (MetalLB's),
    `legacy_pools` (AddressPools) and `host_pods` (those that have ports of their nodes).
    """

    snapshot_version: int = SNAPSHOT_VERSION
    taken_at: Moment
    cluster: ProfileName = ""
    provider: str = ""
    context: str = ""
    metallb_namespace: NamespaceName = "metallb-system"
    kubernetes_version: str = ""
    expectations: Expectations = field(default_factory=Expectations)

    namespaces: Objects = field(default_factory=Objects)
    nodes: Objects = field(default_factory=Objects)
    node_leases: Objects = field(default_factory=Objects)
    pods: Objects = field(default_factory=Objects)
    kube_proxy_pods: Objects = field(default_factory=Objects)
    kube_proxy_config: Objects = field(default_factory=Objects)
    cilium_config: Objects = field(default_factory=Objects)
    service_lb_pods: Objects = field(default_factory=Objects)
    kube_vip_pods: Objects = field(default_factory=Objects)
    rival_pools: Objects = field(default_factory=Objects)
    metallb_pods_elsewhere: Objects = field(default_factory=Objects)
    daemon_sets: Objects = field(default_factory=Objects)
    deployments: Objects = field(default_factory=Objects)
    replica_sets: Objects = field(default_factory=Objects)
    services: Objects = field(default_factory=Objects)
    external_ip_services: Objects = field(default_factory=Objects)
    network_policies: Objects = field(default_factory=Objects)
    endpoint_slices: Objects = field(default_factory=Objects)
    events: Objects = field(default_factory=Objects)
    service_events: Objects = field(default_factory=Objects)
    config_maps: Objects = field(default_factory=Objects)
    secrets: Objects = field(default_factory=Objects)
    webhooks: Objects = field(default_factory=Objects)
    custom_resource_definitions: Objects = field(default_factory=Objects)

    ip_address_pools: Objects = field(default_factory=Objects)
    l2_advertisements: Objects = field(default_factory=Objects)
    pools_elsewhere: Objects = field(default_factory=Objects)
    advertisements_elsewhere: Objects = field(default_factory=Objects)
    bgp_advertisements: Objects = field(default_factory=Objects)
    bgp_peers: Objects = field(default_factory=Objects)
    bfd_profiles: Objects = field(default_factory=Objects)
    communities: Objects = field(default_factory=Objects)
    service_l2_statuses: Objects = field(default_factory=Objects)
    service_bgp_statuses: Objects = field(default_factory=Objects)
    bgp_session_states: Objects = field(default_factory=Objects)
    configuration_states: Objects = field(default_factory=Objects)

    cluster_roles: Objects = field(default_factory=Objects)
    legacy_pools: Objects = field(default_factory=Objects)
    host_pods: Objects = field(default_factory=Objects)

    pod_usage: Objects = field(default_factory=Objects)
    logs: tuple[LogTail, ...] = ()
    metrics: tuple[PodMetrics, ...] = ()
    answer_counts: AnswerCounts = field(default_factory=AnswerCounts)
    dry_run: DryRun = field(default_factory=DryRun)
    wire: WireView = field(default_factory=WireView)
    routed: WireView = field(default_factory=WireView)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Every object that could not be read, list by list."""
        parts = (part for part in vars(self).values() if isinstance(part, Objects))
        return tuple(one for part in parts for one in part.unreadable)
