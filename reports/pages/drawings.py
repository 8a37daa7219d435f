"""The small pictures of a page as positions for inline SVGs: address map, announcers, strips and trends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from clusters.checks import Outcome
from reports.pages.address_map import AddressMap, Cell, Stretch

#: One slot of the map in user units, how many fit in a line, and how many a run of addresses takes.
SLOT, SLOTS, RUN = 32, 28, 5
#: One line of the map, one line of the announcers, and how wide their columns and a letter are at least.
LINE, ROW, COLUMN, LETTER = 28, 30, 110, 8.5

SOURCES = ("status", "metric", "wire")
_NO_NODE = "no known node"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A cell with its place, what is written in it and what it is called."""

    x: int
    y: int
    width: int
    kind: str
    mark: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The cells of one range, and how large the picture is."""

    text: str
    cells: tuple[Placed, ...]
    width: int
    height: int
    not_drawn: int


def grid(stretch: Stretch) -> Grid:
    """Lay the cells of one range out in lines."""
    placed: list[Placed] = []
    slot = line = 0
    for cell in stretch.cells:
        size = RUN if cell.count > 1 else 1
        if slot + size > SLOTS:
            slot, line = 0, line + 1
        placed.append(_placed(cell, slot * SLOT, line * LINE, size * SLOT - 3))
        slot += size
    widest = max((one.x + one.width + 3 for one in placed), default=SLOT)
    return Grid(
        text=stretch.text,
        cells=tuple(placed),
        width=widest,
        height=(line + 1) * LINE,
        not_drawn=stretch.not_drawn,
    )


def _placed(cell: Cell, x: int, y: int, width: int) -> Placed:
    if cell.count > 1:
        mark, name = f"{cell.count:,} {cell.kind}", f"{cell.first} to {cell.last}"
        if len(mark) > 20:
            mark = f"{float(cell.count):.1e} {cell.kind}"
    else:
        last = cell.first.replace(":", ".").rpartition(".")[2] or "0"
        mark, name = f"!{last}" if cell.kind == "answered" else last, cell.first
    kind = "free, but answered" if cell.kind == "answered" else cell.kind
    title = f"{name}: {kind}" + (f", {cell.label}" if cell.label else "")
    return Placed(x=x, y=y, width=width, kind=cell.kind, mark=mark, title=title)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """That one source names one node for one address; `source` says which shape."""

    x: int
    y: int
    source: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Announcers:
    """Nodes as columns and addresses as lines, with a mark for each source that names a node."""

    columns: tuple[tuple[int, str], ...]
    lines: tuple[tuple[int, str], ...]
    marks: tuple[Mark, ...]
    width: int
    height: int
    text: str


def announcers(found: AddressMap) -> Announcers:
    """Lay out who announces what; MACs that no known node has share a column of their own."""
    names = [*found.nodes, *([_NO_NODE] if any(row.unknown_macs for row in found.rows) else [])]
    labels = [f"{row.address} {row.service}" for row in found.rows]
    first = _wide(labels, 200)
    step = _wide(names, COLUMN)
    columns = {name: first + number * step for number, name in enumerate(names)}
    marks: list[Mark] = []
    for line, row in enumerate(found.rows):
        named = dict(row.by_node) | ({_NO_NODE: ("wire",)} if row.unknown_macs else {})
        for node, sources in named.items():
            who = ", ".join(row.unknown_macs) if node == _NO_NODE else node
            marks += (
                Mark(
                    x=columns.get(node, 0) + SOURCES.index(source) * 28,
                    y=(line + 1) * ROW,
                    source=source,
                    title=f"{row.address}: {source} names {who}",
                )
                for source in sources
                if node in columns
            )
    return Announcers(
        columns=tuple((x, name) for name, x in columns.items()),
        lines=tuple(((line + 1) * ROW, label) for line, label in enumerate(labels)),
        marks=tuple(marks),
        width=first + len(columns) * step,
        height=(len(found.rows) + 1) * ROW + 8,
        text=_text(found),
    )


def _wide(texts: Iterable[str], least: int) -> int:
    """How wide a column of texts is."""
    return max(least, int(max(map(len, texts), default=0) * LETTER) + 20)


def _text(found: AddressMap) -> str:
    several = [row.address for row in found.rows if len(row.by_node) + len(row.unknown_macs) > 1]
    nobody = [row.address for row in found.rows if not row.by_node and not row.unknown_macs]
    parts = [f"{len(found.rows)} addresses."]
    parts += [f"More than one host is named for {_listed(several)}."] if several else []
    parts += [f"No announcer is named for {_listed(nobody)}."] if nobody else []
    parts += [] if found.wire_probed else ["No ARP probe was made."]
    return " ".join(parts)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


#: How many earlier runs a strip and a trend show, and the width of one in user units.
SHOWN, STEP = 30, 6
#: How high both are.
_HEIGHT = 16
#: Each outcome's mark as a line from the baseline up, and back down: they differ by height and shape, not by
#: colour alone. Passed is low, failed is high, undecided an arrow's head, waived half high and the rest a dot.
_MARKS = {
    "passed": ("v-6", 6),
    "failed": ("v-16", 16),
    "inconclusive": ("l-2-6h4l-2 6v-10", 10),
    "waived": ("v-10", 10),
    "untested": ("v-2", 2),
}


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The last outcomes of a check, the newest last: path data for each kind, and the same in words."""

    paths: tuple[tuple[str, str], ...]
    width: int
    text: str


def strip(earlier: Sequence[Outcome | None], now: Outcome | None) -> Strip:
    """The strip of one check, this run included. None is a run that did not test it."""
    shown = [*earlier[-SHOWN:], now]
    places: dict[str, list[int]] = {}
    for number, outcome in enumerate(shown):
        kind = str(outcome) if outcome and str(outcome) in _MARKS else "untested"
        places.setdefault(kind, []).append(number * STEP + 2)
    return Strip(
        paths=tuple((kind, _path(found, *_MARKS[kind])) for kind, found in places.items()),
        width=len(shown) * STEP,
        text=_strip_text(shown),
    )


def _path(places: Sequence[int], mark: str, down: int) -> str:
    """The mark at each place. Moves are relative: two thousand strips of thirty marks are to stay small."""
    moves = (f"m{after - before} {down}{mark}" for before, after in pairwise(places))
    return f"M{places[0]} {_HEIGHT}{mark}{''.join(moves)}"


def _strip_text(shown: Sequence[Outcome | None]) -> str:
    if len(shown) == 1:
        return "no earlier run is known"
    counts = {one: shown.count(one) for one in (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE)}
    parts = [f"{number} {one}" for one, number in counts.items() if number]
    rest = len(shown) - sum(counts.values())
    parts += [f"{rest} not decided"] if rest else []
    return f"last {len(shown)} runs: {', '.join(parts)}"


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A figure over the last runs: a line through them, this run's value as a point, the budget's height."""

    line: str
    last: tuple[float, float]
    budget: float | None
    width: int
    usual: tuple[float, float]
    runs: int


def trend(earlier: Sequence[float | None], now: float, budget: float | None) -> Trend | None:
    """The trend of one figure; None where no earlier run measured it."""
    known = [one for one in earlier[-SHOWN:] if one is not None]
    if not known:
        return None
    values = [*known, now]
    top = max([*values, budget or 0.0]) or 1.0

    def height(value: float) -> float:
        return round((_HEIGHT - 1 - value / top * (_HEIGHT - 2)) * 2) / 2

    points = [(number * STEP + 2, height(value)) for number, value in enumerate(values)]
    return Trend(
        line="M" + "L".join(f"{x} {y:g}" for x, y in points),
        last=points[-1],
        budget=None if budget is None else height(budget),
        width=len(values) * STEP,
        usual=(min(known), max(known)),
        runs=len(known),
    )
