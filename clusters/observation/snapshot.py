"""What one run saw of a cluster, as frozen data that can be kept in a file and judged again elsewhere.

Kubernetes' own objects stay what they are, plain JSON objects that were trimmed and redacted; what this
project measured itself (logs, metrics, the wire) has types of its own. Nothing here knows how it was
collected, and judging a Snapshot uses nothing but the Snapshot: its `taken_at` is the only clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from clusters.observation.field_types import (
    Address,
    Count,
    Finite,
    Moment,
    NamespaceName,
    NoAddress,
    PortNumber,
    ProbeOutcome,
    ProfileName,
    Purpose,
    Seconds,
)

#: The shape of the file; a file of a newer version is refused, never half understood.
SNAPSHOT_VERSION = 1

Json = dict[str, Any]


class Status(StrEnum):
    """How reading one part of the cluster ended."""

    OK = "ok"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"
    #: The cluster has no such thing: a resource this MetalLB does not define, a metrics API not installed.
    ABSENT = "absent"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of an observation: what became of reading it.

    `verb` and `resource` name the permission that is missing where `status` is not_permitted;
    `detail` is the error's sentence, or why the part was not asked.
    """

    status: Status = Status.NOT_ASKED
    detail: str = ""
    verb: str = ""
    resource: str = ""

    @property
    def ok(self) -> bool:
        """Whether the part was read. An absent part was not."""
        return self.status is Status.OK

    @property
    def known(self) -> bool:
        """Whether the part's content is known: read, or known to be absent (then it is empty)."""
        return self.status in {Status.OK, Status.ABSENT}


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
    """The last lines of one container's log, oldest first; `previous` is the container before its restart."""

    pod: str
    container: str
    previous: bool = False
    lines: tuple[str, ...] = ()


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
class DryRun(Part):
    """What the API server and MetalLB's webhook said to a pool that was only tried, never stored.

    `status` is ok when the API server answered, also when it was no: `accepted` tells which, and `detail`
    holds the text of a refusal. `webhook_failed` says that the webhook itself could not be asked.
    """

    accepted: bool = False
    webhook_failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Route:
    """How the vantage reaches an address: `on_link` on its own segment; `problem` says why not at all.

    `source` is the address that it comes from then.
    """

    address: Address
    on_link: bool = False
    gateway: Address | NoAddress = ""
    source: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Which hardware addresses answered for one address that was asked for on the wire.

    `purpose` is "assigned" (a service holds it), "free" (a pool could give it away) or "node" (a node's own,
    which teaches whose hardware address is whose). `macs` is empty where nobody answered. `pool` is set for
    free addresses.
    """

    address: Address
    purpose: Purpose
    macs: tuple[str, ...] = ()
    pool: str = ""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One try to reach a service's port from outside the cluster.

    `outcome` is "answered", "refused", "timeout", "unreachable" (no route), "broken" (any other end, said in
    `detail`) or "silent" (UDP without an answer, which proves nothing).
    """

    service: str
    address: Address
    port: PortNumber
    protocol: str
    outcome: ProbeOutcome
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class PoolShare:
    """How many of one pool's free addresses were asked for on the wire, and how many there are."""

    pool: str
    asked: Count
    free: Count


@dataclass(frozen=True, kw_only=True)
class WireView(Part):
    """What a vantage outside the cluster saw.

    `control` is the sentence that says why the capture can be trusted, and `control_ok` whether it can:
        without it nobody's silence means anything. `by_kernel` says that the segment was not asked by this project
    but by the vantage's kernel, which tells one machine an address. `routes` are those to services' addresses,
    to pools' first addresses and to the nodes, and one by each gateway; only what is on a segment of the
    vantage was asked for. `place` is the vantage's name, also of one that sees nothing of the wire: a pod.
    """

    place: str = ""
    routes: tuple[Route, ...] = ()
    control_ok: bool = False
    control: str = ""
    heard: tuple[Heard, ...] = ()
    reached: tuple[Reached, ...] = ()
    shares: tuple[PoolShare, ...] = ()
    by_kernel: bool = False


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A service that the profile names, its address ("" for any), and how it is asked for an answer.

    `port` 0 means the service's first one; `path` is for protocol http.
    """

    namespace: str
    name: str
    address: Address | NoAddress = ""
    protocol: str = "tcp"
    port: PortNumber = 0
    path: str = "/"


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What the cluster's profile says should be so; kept in the Snapshot, as a judgement needs it too.

    `announcers` are node names, `announcer_selector` a label selector; `pools` maps a pool's name to the
    addresses it is meant to hold. `budgets` are seconds by budget name.
    """

    consumers: tuple[Consumer, ...] = ()
    announcers: tuple[str, ...] = ()
    announcer_selector: str = ""
    pools: dict[str, tuple[str, ...]] = field(default_factory=dict)
    single_address_pools: tuple[str, ...] = ()
    budgets: dict[str, Seconds] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One observation of one cluster. `taken_at` is RFC 3339 in UTC, with the seconds' fraction.

    `pods`, `daemon_sets`, `deployments`, `replica_sets`, `events`, `config_maps` and `secrets` are those of
    MetalLB's namespace (of secrets metadata only), `services` those of type LoadBalancer, `endpoint_slices` theirs and
    those of MetalLB's namespace. `service_lb_pods`, `kube_vip_pods` and `rival_pools` are other load
    balancers' traces. `routed` is what a second vantage behind a router reaches: its routes and tries only. What
    an upgrade has to know besides was read only where one was asked about: `cluster_roles` (MetalLB's),
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
    service_lb_pods: Objects = field(default_factory=Objects)
    kube_vip_pods: Objects = field(default_factory=Objects)
    rival_pools: Objects = field(default_factory=Objects)
    daemon_sets: Objects = field(default_factory=Objects)
    deployments: Objects = field(default_factory=Objects)
    replica_sets: Objects = field(default_factory=Objects)
    services: Objects = field(default_factory=Objects)
    endpoint_slices: Objects = field(default_factory=Objects)
    events: Objects = field(default_factory=Objects)
    service_events: Objects = field(default_factory=Objects)
    config_maps: Objects = field(default_factory=Objects)
    secrets: Objects = field(default_factory=Objects)
    webhooks: Objects = field(default_factory=Objects)
    custom_resource_definitions: Objects = field(default_factory=Objects)

    ip_address_pools: Objects = field(default_factory=Objects)
    l2_advertisements: Objects = field(default_factory=Objects)
    bgp_advertisements: Objects = field(default_factory=Objects)
    bgp_peers: Objects = field(default_factory=Objects)
    bfd_profiles: Objects = field(default_factory=Objects)
    communities: Objects = field(default_factory=Objects)
    service_l2_statuses: Objects = field(default_factory=Objects)
    service_bgp_statuses: Objects = field(default_factory=Objects)
    configuration_states: Objects = field(default_factory=Objects)

    cluster_roles: Objects = field(default_factory=Objects)
    legacy_pools: Objects = field(default_factory=Objects)
    host_pods: Objects = field(default_factory=Objects)

    pod_usage: Objects = field(default_factory=Objects)
    logs: tuple[LogTail, ...] = ()
    metrics: tuple[PodMetrics, ...] = ()
    dry_run: DryRun = field(default_factory=DryRun)
    wire: WireView = field(default_factory=WireView)
    routed: WireView = field(default_factory=WireView)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Every object that could not be read, list by list."""
        parts = (part for part in vars(self).values() if isinstance(part, Objects))
        return tuple(one for part in parts for one in part.unreadable)
