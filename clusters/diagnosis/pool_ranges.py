"""Ranges that must not be: overlapping, holding what nodes, gateways or networks have, or not those that are meant.

`root_causes` and `not_intended` judge the live pools; `problems` judges any pools, for instance those that an overlay
renders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb import configuration, ranges
from clusters.metallb.nodes import Node
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address, AddressRange, Network
from clusters.metallb.reasons import Reason
from clusters.observation import surroundings
from clusters.subject import Subject


def problems(
    pools: Sequence[Pool],
    *,
    nodes: Iterable[Node] = (),
    gateways: Iterable[Address] = (),
    networks: Iterable[Network] = (),
) -> Iterator[Reason]:
    """Everything that is wrong with the ranges of `pools`, among themselves and against the network."""
    yield from configuration.range_problems(pools)
    yield from configuration.reserved_addresses(pools, nodes=nodes, gateways=gateways, networks=networks)


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """What is wrong with the live pools' ranges. What MetalLB itself refuses is told with its configuration."""
    found = configuration.reserved_addresses(
        facts.pools,
        nodes=tuple(facts.nodes.values()),
        gateways=gateways(facts),
        networks=surroundings.networks(facts.snapshot),
    )
    for reason in found:
        yield RootCause(
            cause=reason.named,
            subject=reason.subject,
            summary=reason.text,
            fields=facts.command_fields(pool=reason.subject.name),
        )


def gateways(facts: Facts) -> tuple[Address, ...]:
    """The gateways that are known; a cluster does not tell its nodes' gateways."""
    return surroundings.gateways(facts.snapshot)


def not_intended(facts: Facts) -> Iterator[RootCause]:
    """A root for each pool that the profile names and that is not there, or holds other addresses.

    Pools that the profile does not name are nobody's business. Without any pool at all that alone is the fault.
    """
    expected = facts.snapshot.expectations.pools
    if not expected or not facts.snapshot.ip_address_pools.known or not facts.pools:
        return
    live = {pool.name: pool for pool in facts.pools}
    for name, texts in sorted(expected.items()):
        wanted = ranges.merged(map(ranges.parse, texts))
        pool = live.get(name)
        if pool is None:
            others = ", ".join(sorted(live))
            yield _not_intended(
                facts, name, f"There is no pool {name}, which the profile means; there is {others}."
            )
        elif ranges.merged(pool.ranges) != wanted:
            yield _not_intended(
                facts, name, f"Pool {name} holds {_listed(pool)}; the profile means {_ranges(wanted)}."
            )


def _not_intended(facts: Facts, pool: str, summary: str) -> RootCause:
    return RootCause(
        cause=CauseId.POOL_NOT_INTENDED,
        subject=Subject.pool(pool),
        summary=summary,
        fields=facts.command_fields(pool=pool),
    )


def _listed(pool: Pool) -> str:
    return _ranges(ranges.merged(pool.ranges)) or "no address"


def _ranges(found: tuple[AddressRange, ...]) -> str:
    return ", ".join(map(str, found))
