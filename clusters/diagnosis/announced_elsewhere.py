"""Addresses that MetalLB's controller gives out, and that something else announces, such as a network's BGP daemon.

That is a supported design (https://github.com/metallb/metallb/issues/1298). The profile may say that it is meant; and
where no advertisement of MetalLB's covers a pool and its addresses are served all the same, somebody announces them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from clusters.diagnosis.wire_index import WireIndex
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import parse_address
from clusters.observation.snapshot import Expectations

BY_PROFILE = "the profile says that something else than MetalLB announces it"


def by_profile(pool: Pool, expected: Expectations) -> bool:
    """Whether the profile says so of a pool, or of all."""
    return expected.pools_announced.get(pool.name, expected.announced_by_others)


def pools(
    every: Iterable[Pool],
    expected: Expectations,
    *,
    covered: Container[str] | None,
    wire: WireIndex,
    without_speakers: bool,
) -> Mapping[str, str]:
    """The names of such pools, with what says so.

    `covered` are the pools that an advertisement of MetalLB's covers, None where that is not known.
    """
    found = {}
    for pool in every:
        if by_profile(pool, expected):
            found[pool.name] = BY_PROFILE
        elif covered is not None and pool.name not in covered:
            address = _served(pool, wire, without_speakers=without_speakers)
            if address:
                why = f"no advertisement of MetalLB's covers it, and {address} is served all the same"
                found[pool.name] = why
    return found


def _served(pool: Pool, wire: WireIndex, *, without_speakers: bool) -> str:
    """An address of the pool that is served by a way that somebody must have announced.

    On a segment a client's kernel may still know the MAC from before: there somebody has to reply to ARP or NDP now, or
    MetalLB has to be set up without any speaker and advertisement, which is no state that a fault leaves behind.
    """
    for address, tries in wire.of_address.items():
        if not any(one.replied for one in tries) or parse_address(address) not in pool:
            continue
        route = wire.routes.get(address)
        if wire.responders(address) or (route and route.gateway) or without_speakers:
            return address
    return ""
