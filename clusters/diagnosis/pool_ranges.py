"""Ranges that must not be: overlapping, malformed, or holding addresses that nodes, gateways or networks have.

`roots` judges the live pools; `problems` judges any pools, for instance those that an overlay renders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb import configuration
from clusters.metallb.nodes import Node
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import Address, Network, parse_address
from clusters.metallb.reasons import Reason


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
        facts.pools, nodes=tuple(facts.nodes.values()), gateways=gateways(facts), networks=()
    )
    for reason in found:
        yield RootCause(
            cause=reason.named,
            subject=reason.subject,
            summary=reason.text,
            fields=facts.command_fields(pool=reason.subject.name),
        )


def gateways(facts: Facts) -> tuple[Address, ...]:
    """The gateways that the vantage is known to use; a cluster does not tell its nodes' gateways."""
    found = {route.gateway for route in facts.snapshot.wire.routes if route.gateway}
    return tuple(parse_address(each) for each in sorted(found))
