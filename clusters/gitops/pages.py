"""Markdown pages as data, and what the service page, the change log and the list of follow-ups say in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from clusters.metallb import ranges, versions
from clusters.metallb.ranges import Address, AddressError, AddressRange, Network, RangeError

_PARSER = MarkdownIt("commonmark").enable("table")
_SKIPPED = frozenset({"softbreak", "hardbreak"})


@dataclass(frozen=True)
class Piece:
    """One statement of a page. `kind` is "item", "text" or "command"; `section` the headings above it."""

    kind: str
    text: str
    line: int
    section: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: its heading row in lower case, and its rows as the cells' plain texts."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int
    section: tuple[str, ...] = ()

    def column(self, *words: str) -> int | None:
        """The first column whose heading holds one of the words, the words in order of preference."""
        return next((at for word in words for at, name in enumerate(self.header) if word in name), None)


@dataclass
class _Reading:
    """Where the reader stands on the page."""

    headings: dict[int, str] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)
    depth: int = 0

    @property
    def section(self) -> tuple[str, ...]:
        return tuple(self.headings[level] for level in sorted(self.headings))

    def heading(self, level: int, text: str) -> None:
        self.headings = {at: name for at, name in self.headings.items() if at < level} | {level: text}


def parse(text: str) -> tuple[tuple[Piece, ...], tuple[Table, ...]]:
    """A page's statements and tables, each in order."""
    found = tuple(_walk(_PARSER.parse(text)))
    return (
        tuple(each for each in found if isinstance(each, Piece)),
        tuple(each for each in found if isinstance(each, Table)),
    )


def _walk(tokens: Sequence[Token]) -> Iterator[Piece | Table]:
    state, above, line = _Reading(), "", 0
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        match token.type:
            case "list_item_open":
                state.depth += 1
            case "list_item_close":
                state.depth -= 1
            case "inline":
                text = plain(token)
                if above.startswith("heading"):
                    state.heading(int(above[-1]), text)
                elif above == "cell":
                    state.cells.append(text)
                else:
                    yield Piece("item" if state.depth else "text", text, line, state.section)
            case "fence" | "code_block":
                yield from _commands(token, line, state.section)
            case "tr_close":
                state.rows.append(tuple(state.cells))
                state.cells = []
            case "table_close":
                header, *rows = state.rows
                start = line - len(rows)
                yield Table(tuple(map(str.lower, header)), tuple(rows), start, state.section)
                state.rows = []
        above = {"heading_open": f"heading {token.tag[-1:]}", "td_open": "cell", "th_open": "cell"}.get(
            token.type, ""
        )


def _commands(token: Token, line: int, section: tuple[str, ...]) -> Iterator[Piece]:
    first = line + (1 if token.type == "fence" else 0)
    for number, text in enumerate(token.content.splitlines()):
        if text.strip() and not text.lstrip().startswith("#"):
            yield Piece("command", text.strip(), first + number, section)


def plain(token: Token) -> str:
    """An inline token's text without its marks: links, emphasis, code."""
    parts = (
        " " if child.type in _SKIPPED else child.content
        for child in token.children or ()
        if child.content or child.type in _SKIPPED
    )
    return " ".join("".join(parts).split())


_IP = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})"
# A range as people write it: with a dash of either length, "to", or only the end's last part (10.0.0.1-9).
_WRITTEN = re.compile(
    rf"(?P<first>{_IP})(?:/(?P<length>\d{{1,3}})|\s*(?:-|–|to)\s*(?P<last>{_IP}|\d{{1,3}}\b))?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")


@dataclass(frozen=True)
class ClusterRow:
    """What the service page says of one cluster; parts that it does not say are empty."""

    cluster: str
    pool: str = ""
    ranges: tuple[AddressRange, ...] = ()
    version: str = ""
    network: Network | None = None
    gateway: Address | None = None
    line: int = 0


@dataclass(frozen=True)
class ConsumerRow:
    """A service that the page names, with the addresses that it is said to hold."""

    cluster: str
    service: str
    addresses: tuple[Address, ...]
    line: int = 0


@dataclass(frozen=True)
class Entry:
    """One statement of a change log or list: its text with the headings above it, and what it mentions."""

    text: str
    heading: str
    line: int

    def names(self, word: str) -> bool:
        """Whether the entry, or a heading above it, has this name as a word of its own."""
        words = _NAME.findall(f"{self.heading} {self.text}".lower())
        return word.lower() in {found.rstrip(".,:") for found in words}

    def mentions(self, wanted: AddressRange) -> bool:
        """Whether the entry states this range, or at least both of its ends."""
        written = written_ranges(self.text)
        ends = {end for each in written for end in (each.first, each.last)}
        return any(each.bounds == wanted.bounds for each in written) or {wanted.first, wanted.last} <= ends


def written_ranges(text: str) -> tuple[AddressRange, ...]:
    """Every address, prefix and range that a text mentions; a lone address is a range of one."""
    return tuple(found for match in _WRITTEN.finditer(text) if (found := _written(match)) is not None)


def _written(match: re.Match[str]) -> AddressRange | None:
    first, last, length = match["first"], match["last"], match["length"]
    try:
        start = ranges.parse_address(first)
        if length:
            return ranges.parse(f"{first}/{length}")
        if last and last.isdigit():
            last = f"{first.rpartition('.')[0]}.{last}"
        return AddressRange(start, ranges.parse_address(last) if last else start, match[0])
    except (RangeError, AddressError):
        return None


def clusters(page: str) -> tuple[ClusterRow, ...]:
    """The rows of every table that has a column "Cluster" and one for ranges or versions."""
    return tuple(row for table in parse(page)[1] for row in _cluster_rows(table))


def _cluster_rows(table: Table) -> Iterator[ClusterRow]:
    cluster, addresses = table.column("cluster"), table.column("range", "address")
    version = table.column("version", "metallb")
    if (
        cluster is None
        or (addresses is None and version is None)
        or table.column("service", "consumer") is not None
    ):
        return
    places = (
        table.column("pool"),
        addresses,
        version,
        table.column("network", "subnet"),
        table.column("gateway"),
    )
    for number, row in enumerate(table.rows, start=1):
        pool, listed, runs, network, gateway = ("" if at is None else row[at] for at in places)
        entry = next((each for each in written_ranges(network)), None)
        router = next((each for each in written_ranges(gateway)), None)
        yield ClusterRow(
            cluster=row[cluster],
            pool=pool,
            ranges=written_ranges(listed),
            version=str(versions.parse(runs) or ""),
            network=entry.networks()[0] if entry and len(entry.networks()) == 1 else None,
            gateway=router.first if router else None,
            line=table.line + number,
        )


def consumers(page: str) -> tuple[ConsumerRow, ...]:
    """The rows of every table that has a column for services or consumers and one for addresses."""
    return tuple(row for table in parse(page)[1] for row in _consumer_rows(table))


def _consumer_rows(table: Table) -> Iterator[ConsumerRow]:
    service, address, cluster = (
        table.column("service", "consumer"),
        table.column("address"),
        table.column("cluster"),
    )
    if service is None or address is None:
        return
    for number, row in enumerate(table.rows, start=1):
        held = tuple(each.first for each in written_ranges(row[address]))
        yield ConsumerRow("" if cluster is None else row[cluster], row[service], held, table.line + number)


def entries(page: str) -> tuple[Entry, ...]:
    """Every list item and paragraph of a page, and every table row as one text."""
    pieces, tables = parse(page)
    stated = [
        Entry(piece.text, " ".join(piece.section), piece.line) for piece in pieces if piece.kind != "command"
    ]
    for table in tables:
        heading = " ".join(table.section)
        stated += [
            Entry(" ".join(row), heading, table.line + at) for at, row in enumerate(table.rows, start=1)
        ]
    return tuple(stated)


def follow_ups(pages: Iterable[tuple[str, str]], *, whole: str) -> tuple[Entry, ...]:
    """Follow-ups of (path, text) pages: the whole page at `whole`, of others what has such a heading."""
    return tuple(
        entry
        for path, text in pages
        for entry in entries(text)
        if path == whole or "follow-up" in entry.heading.lower().replace(" ", "-")
    )
