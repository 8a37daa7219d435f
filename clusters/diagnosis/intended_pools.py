"""Whether the cluster's pools are those that its profile means: by name, and by their addresses."""

from __future__ import annotations

from collections.abc import Iterator

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb import ranges
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import AddressRange
from clusters.subject import Subject


def root_causes(facts: Facts) -> Iterator[RootCause]:
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
            yield _root(facts, name, f"There is no pool {name}, which the profile means; there is {others}.")
        elif ranges.merged(pool.ranges) != wanted:
            yield _root(facts, name, f"Pool {name} holds {_listed(pool)}; the profile means {_told(wanted)}.")


def _root(facts: Facts, pool: str, summary: str) -> RootCause:
    return RootCause(
        cause=CauseId.POOL_NOT_INTENDED,
        subject=Subject.pool(pool),
        summary=summary,
        fields=facts.command_fields(pool=pool),
    )


def _listed(pool: Pool) -> str:
    return _told(ranges.merged(pool.ranges)) or "no address"


def _told(found: tuple[AddressRange, ...]) -> str:
    return ", ".join(map(str, found))
