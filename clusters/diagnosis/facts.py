"""A Snapshot turned once into what judgements ask for: typed objects, and indexes instead of loops in loops.

Everything is derived from the Snapshot alone and only when it is asked for. Thousands of services cost one
pass each: pools are found by bisection, candidates once per pool and set of advertisements.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property

from clusters.diagnosis import announced_elsewhere
from clusters.diagnosis.metallb_components import Components
from clusters.diagnosis.signals import Signals, seconds
from clusters.diagnosis.wire_index import WireIndex
from clusters.metallb import advertisements, nodes, pools, selectors, services, usage
from clusters.metallb.advertisements import Advertisement
from clusters.metallb.allocation import World
from clusters.metallb.election import Scene, Speakers
from clusters.metallb.nodes import Endpoint, Node
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address
from clusters.metallb.selectors import LabelSelector, SelectorError
from clusters.metallb.services import Service
from clusters.metallb.signatures import Hit, read_log
from clusters.observation import node_macs
from clusters.observation.snapshot import Json, Snapshot

_SERVICE_NAME = "kubernetes.io/service-name"


class Facts:
    """What one Snapshot says, indexed. `now` is when it was taken, in seconds of the epoch."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.now = seconds(snapshot.taken_at) or 0.0
        self.components = Components(snapshot, self.now)
        self.signals = Signals(snapshot, self.now)

    @property
    def namespace(self) -> str:
        """MetalLB's namespace."""
        return self.snapshot.metallb_namespace

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """The cluster's nodes by name."""
        found = (nodes.parse(raw) for raw in self.snapshot.nodes.items)
        return {node.name: node for node in found}

    @cached_property
    def raw_nodes(self) -> Mapping[str, Json]:
        """The node objects by name, for taints and conditions."""
        return {raw["metadata"]["name"]: raw for raw in self.snapshot.nodes.items}

    @cached_property
    def wire_index(self) -> WireIndex:
        """What the wire said."""
        return WireIndex(self.snapshot.wire, self.nodes, node_macs.learn(self.snapshot))

    @cached_property
    def services(self) -> Mapping[str, Service]:
        """Every service of type LoadBalancer by namespace/name, MetalLB's or not."""
        read = services.prefixes(self.components.version)
        found = (services.parse(raw, read=read) for raw in self.snapshot.services.items)
        return {service.key: service for service in found}

    @cached_property
    def raw_services(self) -> Mapping[str, Json]:
        """The service objects by namespace/name."""
        return {_key(raw): raw for raw in self.snapshot.services.items}

    @cached_property
    def owned(self) -> Mapping[str, Service]:
        """The services that MetalLB is responsible for."""
        lb_class = self.components.lb_class
        return {key: each for key, each in self.services.items() if services.foreign(each, lb_class) is None}

    @cached_property
    def addressed(self) -> Mapping[str, Service]:
        """MetalLB's services that hold an address."""
        return {key: service for key, service in self.owned.items() if service.ingress}

    @cached_property
    def slices(self) -> Mapping[str, tuple[Json, ...]]:
        """The EndpointSlices of each service."""
        slices: dict[str, list[Json]] = {}
        for raw in self.snapshot.endpoint_slices.items:
            about = raw["metadata"]
            name = (about.get("labels") or {}).get(_SERVICE_NAME, "")
            slices.setdefault(f"{about['namespace']}/{name}", []).append(raw)
        return {key: tuple(each) for key, each in slices.items()}

    @cached_property
    def endpoints(self) -> Mapping[str, tuple[Endpoint, ...]]:
        """The endpoints of each service."""
        return {key: nodes.parse_endpoints(each) for key, each in self.slices.items()}

    @cached_property
    def pools(self) -> tuple[Pool, ...]:
        """The IPAddressPools, those with a selector that nobody could read left out."""
        return tuple(pool for raw in self.snapshot.ip_address_pools.items if (pool := _pool(raw)))

    @cached_property
    def advertisements(self) -> tuple[Advertisement, ...]:
        """The L2Advertisements."""
        found = (_advertisement(raw) for raw in self.snapshot.l2_advertisements.items)
        return tuple(each for each in found if each)

    @cached_property
    def covering(self) -> Mapping[str, tuple[Advertisement, ...]]:
        """The L2Advertisements that cover each pool, by the pool's name."""
        return {pool.name: advertisements.covering(pool, self.advertisements) for pool in self.pools}

    @cached_property
    def bgp_only(self) -> frozenset[str]:
        """The pools that are announced by BGP alone: nobody answers for their addresses on a segment."""
        found = (_advertisement(raw) for raw in self.snapshot.bgp_advertisements.items)
        bgp = [each for each in found if each]
        return frozenset(
            pool.name
            for pool in self.pools
            if not self.covering[pool.name] and any(each.covers(pool) for each in bgp)
        )

    @cached_property
    def announced_by_others(self) -> Mapping[str, str]:
        """The pools that something else than MetalLB announces, with what says so."""
        seen = self.snapshot
        known = seen.l2_advertisements.known and seen.bgp_advertisements.known
        covered = {name for name, found in self.covering.items() if found} | self.bgp_only
        return announced_elsewhere.pools(
            self.pools,
            seen.expectations,
            covered=covered if known else None,
            wire=self.wire_index,
            without_speakers=self.without_speakers,
        )

    @property
    def needs_no_speaker(self) -> bool:
        """Whether nothing is left for speakers to announce, and there is none."""
        every = {pool.name for pool in self.pools}
        none = self.components.daemon_set is None and not self.components.speakers
        return none and bool(every) and every <= self.announced_by_others.keys()

    @cached_property
    def layer2(self) -> Mapping[str, Service]:
        """MetalLB's services that hold an address which is meant to be answered for on a segment."""
        elsewhere = self.bgp_only | self.announced_by_others.keys()
        if not elsewhere:
            return self.addressed
        names = {key: self.pool_of(service.ingress[0]) for key, service in self.addressed.items()}
        return {
            key: service
            for key, service in self.addressed.items()
            if (pool := names[key]) is None or pool.name not in elsewhere
        }

    @property
    def without_speakers(self) -> bool:
        """Whether there is nothing that would announce and nothing that says what to: no speaker, no advertisement."""
        seen = self.snapshot
        lists = (seen.pods, seen.daemon_sets, seen.l2_advertisements, seen.bgp_advertisements)
        nothing = not (
            seen.l2_advertisements.items or seen.bgp_advertisements.items or self.components.speakers
        )
        return all(part.known for part in lists) and nothing and self.components.daemon_set is None

    @cached_property
    def world(self) -> World:
        """What the controller knows."""
        names = {
            raw["metadata"]["name"]: raw["metadata"].get("labels") or {}
            for raw in self.snapshot.namespaces.items
        }
        return World(self.pools, tuple(self.services.values()), names, self.components.lb_class)

    @cached_property
    def members(self) -> frozenset[str]:
        """The nodes whose speaker takes part: it is ready, or at least runs on a node that is not lost."""
        return frozenset(
            name
            for name, pod in self.components.speakers.items()
            if pod.ready
            or (pod.running and not pod.crashing and name in self.nodes and self.nodes[name].ready)
        )

    @cached_property
    def speakers_read(self) -> frozenset[str]:
        """The nodes of which all speakers' metrics were read: what these do not name, they deny."""
        unread = {
            pod.node
            for pod in self.components.pods
            if pod.component == "speaker"
            and not ((page := self.signals.metrics.get(pod.name)) and page.readable)
        }
        return frozenset(self.components.speakers) - unread

    @cached_property
    def announcer_selector(self) -> LabelSelector | None:
        """The profile's label selector for announcing nodes, None where it has none that can be read."""
        text = self.snapshot.expectations.announcer_selector
        try:
            return selectors.parse_text(text) if text else None
        except SelectorError:
            return None  # of a profile that an older release took; it is told where speakers are placed

    @cached_property
    def scene(self) -> Scene:
        """What the speakers know."""
        settings = self.components.speaking
        return Scene(
            pools=self.pools,
            advertisements=self.advertisements,
            nodes=tuple(self.nodes.values()),
            speakers=Speakers(
                members=self.members,
                memberlist=settings.memberlist if settings else True,
                ignore_exclude_label=bool(settings and settings.ignore_exclude_label),
            ),
            version=self.components.assumed_version,
        )

    @property
    def election_known(self) -> bool:
        """Whether all was read that decides who may announce: of what was not, nothing is missing."""
        seen = self.snapshot
        parts = (seen.nodes, seen.pods, seen.endpoint_slices, seen.ip_address_pools, seen.l2_advertisements)
        return all(part.known for part in parts)

    @cached_property
    def _bounds(self) -> tuple[list[tuple[int, int]], list[tuple[int, Pool]]]:
        """Every range of every pool by its first address; with it, the last address and the pool."""
        found = sorted(
            ((one.version, int(one.first), int(one.last), number) for number, pool in enumerate(self.pools)
             for one in pool.ranges),
        )  # fmt: skip
        return (
            [(version, first) for version, first, _, _ in found],
            [(last, self.pools[number]) for _, _, last, number in found],
        )

    def pool_of(self, address: Address) -> Pool | None:
        """The pool that contains an address. Where two overlap, which MetalLB refuses, one of them."""
        starts, ends = self._bounds
        place = bisect_right(starts, (address.version, int(address))) - 1
        if place < 0 or starts[place][0] != address.version or int(address) > ends[place][0]:
            return None
        return ends[place][1]

    @cached_property
    def held_by_pool(self) -> Mapping[str, usage.Holdings]:
        """Who holds which address, apart for each pool; "" for addresses of no pool."""
        found: dict[str, dict[Address, tuple[Service, ...]]] = {}
        for address, holders in self.world.held.items():
            pool = self.pool_of(address)
            found.setdefault(pool.name if pool else "", {})[address] = holders
        return found

    @cached_property
    def usage(self) -> Mapping[str, usage.PoolUsage]:
        """How much of each pool is given away, by its name."""
        return {pool.name: usage.of_pool(pool, self.held_by_pool.get(pool.name, {})) for pool in self.pools}

    @cached_property
    def stated(self) -> Mapping[str, frozenset[str]]:
        """The nodes that ServiceL2Status objects name, by service."""
        found: dict[str, set[str]] = {}
        for raw in self.snapshot.service_l2_statuses.items:
            status = raw.get("status") or {}
            if status.get("node"):
                key = f"{status.get('serviceNamespace')}/{status.get('serviceName')}"
                found.setdefault(key, set()).add(status["node"])
        return {key: frozenset(nodes) for key, nodes in found.items()}

    @cached_property
    def hits(self) -> Mapping[str, tuple[Hit, ...]]:
        """The failures that the logs of MetalLB's pods tell of and that still hold, by pod."""
        now = dt.datetime.fromtimestamp(self.now, dt.UTC)
        found = {}
        for pod in self.components.pods:
            tail = self.signals.logs.get(pod.name)
            if tail and tail.lines:
                text = "\n".join(tail.lines)
                found[pod.name] = read_log(pod.component, text, now=now, version=self.components.version)
        return found

    def command_fields(self, **more: str) -> dict[str, str]:
        """What a cause's commands need to name MetalLB's workloads, and `more`."""
        return {
            "metallb_namespace": self.namespace,
            "controller": self.components.controller_name,
            "speaker": self.components.speaker_name,
        } | more

    def budget(self, name: str, default: float) -> float:
        """Seconds of a budget as it was when the observation was made."""
        return self.snapshot.expectations.budgets.get(name, default)

    def age(self, service: str) -> float:
        """How old a service is, in seconds."""
        made = seconds(self.raw_services[service]["metadata"].get("creationTimestamp"))
        return self.now - made if made is not None else 0.0


def _key(raw: Json) -> str:
    return f"{raw['metadata']['namespace']}/{raw['metadata']['name']}"


def _pool(raw: Json) -> Pool | None:
    try:
        return pools.parse(raw)
    except SelectorError:
        return None


def _advertisement(raw: Json) -> Advertisement | None:
    try:
        return advertisements.parse(raw)
    except SelectorError:
        return None
