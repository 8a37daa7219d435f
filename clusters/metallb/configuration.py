"""What MetalLB would refuse to load, and what it loads although it should not be there.

MetalLB validates its whole configuration at once. One bad object makes the controller and the speakers keep
the configuration they had, or wait without one after a restart; the webhook refuses what it can before that.

The metric metallb_k8s_client_config_stale_bool is no proof of a present refusal: where the bad object is
taken back, so that the configuration is exactly what it was, MetalLB sees no change and leaves the metric at
1 (seen on 0.15.2; the code is the same in 0.16.2).

Sources: `For` and what it calls in internal/config/config.go, and the webhooks in internal/k8s/webhooks,
0.15.2 and 0.16.2. Only layer 2 is looked at. Nothing in MetalLB checks pools against nodes, gateways or
networks (0.15.0 alone refused node addresses; 0.15.1 took that back).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.cause_ids import CauseId
from clusters.metallb import advertisements as ads
from clusters.metallb import pools, ranges
from clusters.metallb.advertisements import Advertisement
from clusters.metallb.nodes import Node
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address, Network
from clusters.metallb.reasons import Reason
from clusters.metallb.selectors import SelectorError
from clusters.objects import metadata_of, spec_of
from clusters.subject import Subject

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Configuration:
    """MetalLB's layer 2 configuration. `refusals` says why MetalLB would not load it, empty if it would."""

    pools: tuple[Pool, ...]
    advertisements: tuple[Advertisement, ...]
    refusals: tuple[Reason, ...] = ()

    @property
    def loads(self) -> bool:
        """Whether MetalLB takes this configuration."""
        return not self.refusals


def read(raw_pools: Iterable[Raw], raw_advertisements: Iterable[Raw] = ()) -> Configuration:
    """IPAddressPools and L2Advertisements of a cluster or an overlay. Never raises for what they contain."""
    refusals: list[Reason] = []
    good_pools: list[Pool] = []
    good_advertisements: list[Advertisement] = []
    for raw in raw_pools:
        subject = Subject.pool(_name(raw))
        refusals += _duplicates(raw, subject, within="serviceAllocation")
        try:
            good_pools.append(pools.parse(raw))
        except SelectorError as error:
            refusals.append(Reason(CauseId.CONFIG_REJECTED, f"In {subject}: {error}", subject))
    for raw in raw_advertisements:
        subject = Subject("advertisement", _name(raw))
        refusals += _duplicates(raw, subject)
        try:
            good_advertisements.append(ads.parse(raw))
        except SelectorError as error:
            refusals.append(Reason(CauseId.CONFIG_REJECTED, f"In {subject}: {error}", subject))
    refusals += range_problems(good_pools)
    return Configuration(tuple(good_pools), tuple(good_advertisements), tuple(refusals))


def range_problems(all_pools: Sequence[Pool]) -> Iterator[Reason]:
    """Malformed, missing and overlapping ranges. A range overlaps another of its own pool as well."""
    for pool in all_pools:
        subject = Subject.pool(pool.name)
        for error in pool.invalid:
            yield Reason(CauseId.POOL_RANGE_INVALID, f"Pool {pool.name}: {error}", subject)
        if not pool.ranges and not pool.invalid:
            yield Reason(CauseId.POOL_RANGE_INVALID, f"Pool {pool.name} has no addresses at all.", subject)
    owners = {id(each): pool.name for pool in all_pools for each in pool.ranges}
    for one, other, shared in ranges.overlapping(each for pool in all_pools for each in pool.ranges):
        first, second = owners[id(one)], owners[id(other)]
        text = f"Range {one} of pool {first} and range {other} of pool {second} share {shared}."
        yield Reason(CauseId.POOL_OVERLAP, text, Subject.pool(first))


def reserved_addresses(
    all_pools: Iterable[Pool],
    *,
    nodes: Iterable[Node],
    gateways: Iterable[Address],
    networks: Iterable[Network],
) -> Iterator[Reason]:
    """Addresses that a pool would give away although another has them, or nobody may have them.

    `networks` are those that nodes have addresses in: their network and broadcast addresses may not be in a
    pool.
    """
    known = [
        *_node_addresses(nodes),
        *((each, CauseId.POOL_HOLDS_GATEWAY_ADDRESS, f"the gateway {each}") for each in gateways),
        *_edge_addresses(networks),
    ]
    for pool in all_pools:
        for address, cause, what in known:
            if pool.gives(address):
                yield Reason(cause, f"Pool {pool.name} contains {what}.", Subject.pool(pool.name))


def _node_addresses(nodes: Iterable[Node]) -> Iterator[tuple[Address, CauseId, str]]:
    for node in nodes:
        for address in node.addresses:
            yield address, CauseId.POOL_HOLDS_NODE_ADDRESS, f"{address}, the address of node {node.name}"


def _edge_addresses(networks: Iterable[Network]) -> Iterator[tuple[Address, CauseId, str]]:
    for network in networks:
        for address in ranges.edges(network):
            kind = "network" if address == network.network_address else "broadcast"
            yield address, CauseId.POOL_RANGE_INVALID, f"{address}, the {kind} address of {network}"


def _duplicates(raw: Raw, subject: Subject, *, within: str = "") -> list[Reason]:
    """Entries that stand twice in a list; MetalLB refuses those in most of its lists."""
    spec = spec_of(raw)
    part = (spec.get(within) or {}) if within else spec
    found = []
    for name in ("namespaces", "ipAddressPools"):
        found += [f"{name} {each!r}" for each in _twice(part.get(name) or ())]
    for name in ("namespaceSelectors", "serviceSelectors", "ipAddressPoolSelectors", "nodeSelectors"):
        found += [f"{name} {each!r}" for each in _twice(_texts(part.get(name) or ()))]
    return [Reason(CauseId.CONFIG_REJECTED, f"In {subject}, {each} stands twice.", subject) for each in found]


def _twice(entries: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    twice: list[str] = []
    for each in entries:
        if each in seen and each not in twice:
            twice.append(each)
        seen.add(each)
    return twice


def _texts(raw_selectors: Iterable[Raw]) -> Iterator[str]:
    """The selectors as comparable texts. MetalLB compares them as written, but for the order of values."""
    for each in raw_selectors:
        terms = [
            dict(term, values=sorted(term.get("values") or ())) for term in each.get("matchExpressions") or ()
        ]
        yield json.dumps({"labels": each.get("matchLabels") or {}, "expressions": terms}, sort_keys=True)


def _name(raw: Raw) -> str:
    return metadata_of(raw).get("name") or "without a name"
