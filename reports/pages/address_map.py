"""The address map of a run's observation: what every pool holds, and who announces what, as plain data.

Judged by the same code that the checks use (`clusters.diagnosis`), from snapshot.json alone. Ranges of any size
are drawn: long runs of addresses alike are one cell that says how many they are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from clusters import outbound
from clusters.errors import ConformanceError
from reports.model import SNAPSHOT

if TYPE_CHECKING:
    from clusters.diagnosis.facts import Facts
    from clusters.diagnosis.wire_index import Responder
    from clusters.metallb.pools import Pool
    from clusters.metallb.ranges import Address, AddressRange

    Mark = tuple[Address, "Cell"]

#: Runs of addresses alike that are longer than this are drawn as one cell.
_SINGLE = 40
#: More cells than this in a range or on the page, or more announced addresses than this, are counted and not drawn.
_MOST_CELLS, _MOST_OF_ALL, _MOST_ROWS = 600, 3000, 60
_FEW_NODES = 12


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One address or a run of addresses alike: "assigned", "free", "answered" (although free) or "avoided"."""

    kind: str
    first: str
    last: str
    count: int
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One range of a pool: as it is written, and its cells from the first address to the last."""

    text: str
    cells: tuple[Cell, ...]
    not_drawn: int = 0


@dataclass(frozen=True, kw_only=True)
class PoolMap:
    """One pool. `assigned` pairs each address given away with whom it was given to."""

    name: str
    stretches: tuple[Stretch, ...]
    assigned: tuple[tuple[str, str], ...]
    answered: tuple[tuple[str, str], ...]
    free: int
    probed: str


@dataclass(frozen=True, kw_only=True)
class AnnouncedAddress:
    """One announced address: its service, the sources that name each node (by name), and MACs of no known node."""

    address: str
    service: str
    by_node: Mapping[str, tuple[str, ...]]
    unknown_macs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AddressMap:
    """What one observation shows. `outside` are addresses that services hold and no pool has."""

    taken_at: str
    pools: tuple[PoolMap, ...]
    outside: tuple[tuple[str, str], ...]
    nodes: tuple[str, ...]
    rows: tuple[AnnouncedAddress, ...]
    rows_left_out: int
    wire_probed: bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the page takes of a run's observation. `names` are node names by MAC; `problem` is why there is no map."""

    map: AddressMap | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def seen(directory: Path) -> Seen:
    """The observation beside a run's results. One that is none costs the page its map, and nothing else."""
    if not (directory / SNAPSHOT).exists():
        return Seen()
    # Imported here: the other commands need nothing of this, and it takes a while.
    from clusters.diagnosis.facts import Facts  # noqa: PLC0415
    from clusters.observation import load  # noqa: PLC0415

    try:
        facts = Facts(load(directory / SNAPSHOT))
    except ConformanceError as error:
        return Seen(problem=f"There is no map of addresses: {error.args[0]}")
    return Seen(map=outbound.record(address_map(facts)), names=facts.wire_index.node_of_mac)


def address_map(facts: Facts) -> AddressMap | None:
    """The map of one observation; None where neither pools nor services could be read."""
    if not facts.snapshot.ip_address_pools.known and not facts.snapshot.services.known:
        return None
    rows = tuple(_rows(facts))
    return AddressMap(
        taken_at=facts.snapshot.taken_at,
        pools=tuple(_drawn(_pool(facts, pool) for pool in facts.pools)),
        outside=tuple(_outside(facts)),
        nodes=_columns(facts, rows[:_MOST_ROWS]),
        rows=rows[:_MOST_ROWS],
        rows_left_out=len(rows[_MOST_ROWS:]),
        wire_probed=facts.wire_index.asked,
    )


def _drawn(pools: Iterable[PoolMap]) -> Iterator[PoolMap]:
    """The same pools; where all of them have more cells than a page can hold, the rest is only counted."""
    room = _MOST_OF_ALL
    for pool in pools:
        stretches = []
        for one in pool.stretches:
            kept = one.cells[:room]
            room -= len(kept)
            stretches.append(replace(one, cells=kept, not_drawn=one.not_drawn + len(one.cells) - len(kept)))
        yield replace(pool, stretches=tuple(stretches))


def _pool(facts: Facts, pool: Pool) -> PoolMap:
    held = {
        address: ", ".join(each.key for each in holders) for address, holders in facts.usage[pool.name].held
    }
    answered = {
        address: _who(facts.wire_index.behind(one.macs))
        for one in (facts.wire_index.free if facts.wire_index.asked else ())
        if one.macs and (address := _address(one.address)) in pool and address not in held
    }
    marks = _marks(held, answered)
    share = next((one for one in facts.snapshot.wire.shares if one.pool == pool.name), None)
    return PoolMap(
        name=pool.name,
        stretches=tuple(_stretch(one, pool, _within(one, marks)) for one in pool.ranges),
        assigned=tuple((str(address), holders) for address, holders in held.items()),
        answered=tuple((str(address), who) for address, who in answered.items()),
        free=facts.usage[pool.name].free,
        probed=f"{share.asked} of {share.free} free addresses were probed" if share else "",
    )


def _address(text: str) -> Address:
    from clusters.metallb.ranges import parse_address  # noqa: PLC0415 - see facts_of

    return parse_address(text)


def _marks(held: Mapping[Address, str], answered: Mapping[Address, str]) -> list[Mark]:
    """A cell for each address that is held, or answered although free, ascending."""
    found = (("assigned", held), ("answered", answered))
    marks = [
        (address, Cell(kind=kind, first=str(address), last=str(address), count=1, label=label))
        for kind, labels in found
        for address, label in labels.items()
    ]
    return sorted(marks, key=_place)


def _place(mark: Mark) -> tuple[int, int]:
    return mark[0].version, int(mark[0])


def _within(whole: AddressRange, marks: Sequence[Mark]) -> Sequence[Mark]:
    version, low, high = whole.bounds
    return marks[
        bisect_left(marks, (version, low), key=_place) : bisect_right(marks, (version, high), key=_place)
    ]


def _stretch(whole: AddressRange, pool: Pool, marks: Iterable[Mark]) -> Stretch:
    cells = list(_cells(whole, pool, marks))
    text = whole.text or f"{whole.first}-{whole.last}"
    return Stretch(text=text, cells=tuple(cells[:_MOST_CELLS]), not_drawn=len(cells[_MOST_CELLS:]))


def _cells(whole: AddressRange, pool: Pool, marks: Iterable[Mark]) -> Iterator[Cell]:
    """The cells of a range. Only what is held or answered is looked at one by one, however long it is."""
    place = int(whole.first)
    for address, cell in marks:
        yield from _free(whole, pool, place, int(address) - 1)
        yield cell
        place = int(address) + 1
    yield from _free(whole, pool, place, int(whole.last))


def _free(whole: AddressRange, pool: Pool, low: int, high: int) -> Iterator[Cell]:
    """Free addresses from low to high, one by one where they are few. Avoided ones are marked there only."""
    make = type(whole.first)
    if high - low + 1 > _SINGLE:
        yield Cell(kind="free", first=str(make(low)), last=str(make(high)), count=high - low + 1)
        return
    for number in range(low, high + 1):
        text = str(make(number))
        yield Cell(kind="free" if pool.gives(make(number)) else "avoided", first=text, last=text, count=1)


def _outside(facts: Facts) -> Iterator[tuple[str, str]]:
    for service in facts.services.values():
        for address in service.ingress:
            if facts.pool_of(address) is None:
                yield str(address), service.key


def _columns(facts: Facts, rows: Iterable[AnnouncedAddress]) -> tuple[str, ...]:
    """The nodes to draw: all of a small cluster, of a large one those that announce something."""
    if len(facts.nodes) <= _FEW_NODES:
        return tuple(sorted(facts.nodes))
    return tuple(sorted({node for row in rows for node in row.by_node}))


def _rows(facts: Facts) -> Iterator[AnnouncedAddress]:
    """Who announces each address: by status, by the speakers' metric and by the wire."""
    for key, service in facts.layer2.items():
        for address in service.ingress:
            text = str(address)
            replying = facts.wire_index.responders(text) or ()
            named = {
                "status": facts.stated.get(key, frozenset()),
                "metric": facts.signals.announced.get(text, frozenset()),
                "wire": frozenset(each.node for each in replying if each.node),
            }
            pairs = sorted((node, source) for source, nodes in named.items() for node in nodes)
            by_node = {
                node: tuple(source for _, source in group)
                for node, group in groupby(pairs, key=lambda pair: pair[0])
            }
            yield AnnouncedAddress(
                address=text,
                service=key,
                by_node=by_node,
                unknown_macs=tuple(each.mac for each in replying if each.mac),
            )


def _who(responders: Iterable[Responder]) -> str:
    return ", ".join(f"node {each.node}" if each.node else f"MAC {each.mac}" for each in responders)
