"""Which L2Advertisement lets which node announce which pool's addresses, for which service and where.

Sources: `l2AdvertisementFromCR`, `preferredNodeScores` and `setL2AdvertisementsToPools` in
internal/config/config.go; `l2AdsForService`, `l2AdsForNode` and `ipAdvertisementFor` in
speaker/layer2_controller.go. serviceSelectors exist since 0.16.0, preferredNodeSelectors since 0.16.2; older
versions' CRDs drop those fields, so a live object of such a cluster has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.cause_ids import CauseId
from clusters.metallb import selectors
from clusters.metallb.nodes import Node
from clusters.metallb.pools import Pool
from clusters.metallb.reasons import Reason
from clusters.metallb.selectors import LabelSelector
from clusters.metallb.services import Service
from clusters.objects import metadata_of, spec_of
from clusters.subject import Subject


@dataclass(frozen=True)
class Preference:
    """One entry of `preferredNodeSelectors`: nodes that match it count `weight` more in the election."""

    weight: int
    selector: LabelSelector


@dataclass(frozen=True)
class Advertisement:
    """An L2Advertisement. In every list of selectors one match is enough; an empty list means all."""

    name: str
    pools: tuple[str, ...] = ()
    pool_selectors: tuple[LabelSelector, ...] = ()
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    preferences: tuple[Preference, ...] = ()

    def covers(self, pool: Pool) -> bool:
        """Whether addresses of this pool are announced: by name, by selector, or because neither is given."""
        if not self.pools and not self.pool_selectors:
            return True
        return pool.name in self.pools or selectors.any_matches(self.pool_selectors, pool.labels)

    def applies_to(self, service: Service) -> bool:
        """Whether the service is one of those that the advertisement is for."""
        return not self.service_selectors or selectors.any_matches(self.service_selectors, service.labels)

    def allows(self, node: Node) -> bool:
        """Whether the node is one of those that may announce."""
        return not self.node_selectors or selectors.any_matches(self.node_selectors, node.labels)

    def score(self, node: Node) -> int:
        """How much the advertisement prefers this node: the sum of the weights that it meets (0.16.2)."""
        if not self.allows(node):
            return 0
        return sum(each.weight for each in self.preferences if each.selector.matches(node.labels))


def parse(raw: Mapping[str, Any]) -> Advertisement:
    """An L2Advertisement object. Raises SelectorError for a selector that Kubernetes would refuse."""
    meta, spec = metadata_of(raw), spec_of(raw)
    return Advertisement(
        name=meta.get("name") or "",
        pools=tuple(spec.get("ipAddressPools") or ()),
        pool_selectors=selectors.parse_all(spec.get("ipAddressPoolSelectors")),
        node_selectors=selectors.parse_all(spec.get("nodeSelectors")),
        service_selectors=selectors.parse_all(spec.get("serviceSelectors")),
        interfaces=tuple(spec.get("interfaces") or ()),
        preferences=tuple(
            Preference(int(each.get("weight") or 0), selectors.parse(each.get("preference") or {}))
            for each in spec.get("preferredNodeSelectors") or ()
        ),
    )


def covering(pool: Pool, advertisements: Iterable[Advertisement]) -> tuple[Advertisement, ...]:
    """The advertisements that let addresses of this pool be announced at all."""
    return tuple(each for each in advertisements if each.covers(pool))


def announcing_nodes(advertisements: Iterable[Advertisement], nodes: Iterable[Node]) -> frozenset[str]:
    """The names of the nodes that one of the advertisements allows to announce."""
    choices = tuple(advertisements)
    return frozenset(node.name for node in nodes if any(each.allows(node) for each in choices))


def interfaces_on(node: Node, advertisements: Iterable[Advertisement]) -> frozenset[str] | None:
    """The interfaces on which the node may announce, or None for all of them.

    One advertisement without interfaces opens all. An empty set means that none allows this node.
    """
    allowed: set[str] = set()
    for each in advertisements:
        if not each.allows(node):
            continue
        if not each.interfaces:
            return None
        allowed.update(each.interfaces)
    return frozenset(allowed)


def interface_missing(
    node: Node, advertisements: Iterable[Advertisement], present: Collection[str]
) -> Reason | None:
    """Why the node would announce on no interface, or None. `present` is the node's interfaces.

    The election does not look at interfaces: a node without the named ones may win, and then stays silent.
    """
    named = interfaces_on(node, advertisements)
    if not named or named & set(present):
        return None
    listed = ", ".join(sorted(named))
    text = f"Node {node.name} has none of the interfaces {listed} that the advertisements name."
    return Reason(CauseId.ADVERTISEMENT_INTERFACE_MISSING, text, Subject.node(node.name))


def problems(
    advertisements: Iterable[Advertisement], *, pools: Collection[Pool], nodes: Collection[Node]
) -> Iterator[Reason]:
    """What is wrong with the advertisements and pools as they stand together; MetalLB accepts all of it.

    A service selector that no service meets yet is not among it: that may be how it is meant.
    """
    advertisements = tuple(advertisements)
    for each in advertisements:
        yield from _unknown_pools(each, pools)
        if not _spared(each, advertisements, pools=pools, nodes=nodes):
            yield from _empty_selections(each, pools, nodes)
    for pool in pools:
        if not covering(pool, advertisements):
            text = f"Pool {pool.name} is covered by no L2Advertisement, so its addresses are never announced."
            yield Reason(CauseId.POOL_NOT_ADVERTISED, text, Subject.pool(pool.name))


def _spared(
    advertisement: Advertisement,
    advertisements: Collection[Advertisement],
    *,
    pools: Collection[Pool],
    nodes: Collection[Node],
) -> bool:
    """Whether nothing depends on the advertisement: others let a node announce every pool that there is.

    One for nodes or pools that are not there yet, beside one that covers what is there, is no fault.
    """
    others = [each for each in advertisements if each is not advertisement]
    return bool(pools) and all(announcing_nodes(covering(pool, others), nodes) for pool in pools)


def _unknown_pools(advertisement: Advertisement, pools: Collection[Pool]) -> Iterator[Reason]:
    known = {each.name for each in pools}
    for name in advertisement.pools:
        if name not in known:
            text = f"L2Advertisement {advertisement.name} names the pool {name}, which does not exist."
            yield Reason(
                CauseId.ADVERTISEMENT_UNKNOWN_POOL, text, Subject("advertisement", advertisement.name)
            )


def _empty_selections(
    advertisement: Advertisement, pools: Collection[Pool], nodes: Collection[Node]
) -> Iterator[Reason]:
    name, subject = advertisement.name, Subject("advertisement", advertisement.name)
    chosen = advertisement.pool_selectors
    if chosen and not any(selectors.any_matches(chosen, each.labels) for each in pools):
        text = f"No pool has the labels that L2Advertisement {name} selects ({_any_of(chosen)})."
        yield Reason(CauseId.ADVERTISEMENT_SELECTS_NOTHING, text, subject)
    if nodes and not announcing_nodes([advertisement], nodes):
        wanted = _any_of(advertisement.node_selectors)
        text = f"No node has the labels that L2Advertisement {name} selects ({wanted})."
        yield Reason(CauseId.ADVERTISEMENT_SELECTS_NOTHING, text, subject)


def scores(advertisements: Iterable[Advertisement], nodes: Iterable[Node]) -> Counter[str]:
    """How much each node is preferred, summed over the advertisements; nodes that nobody prefers are absent.

    Two advertisements with equal preferences both count (MetalLB drops duplicates only among those without).
    """
    nodes = tuple(nodes)
    total: Counter[str] = Counter()
    for each in advertisements:
        for node in nodes:
            if points := each.score(node):
                total[node.name] += points
    return total


def _any_of(chosen: Iterable[LabelSelector]) -> str:
    return " or ".join(str(each) for each in chosen)
