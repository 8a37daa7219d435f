"""What the service page, the change log and the list of follow-ups say, as far as it can be checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clusters.gitops import markdown
from clusters.gitops.markdown import Table
from clusters.metallb import ranges, versions
from clusters.metallb.ranges import Address, AddressError, AddressRange, Network, RangeError

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
    return tuple(row for table in markdown.parse(page)[1] for row in _cluster_rows(table))


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
    return tuple(row for table in markdown.parse(page)[1] for row in _consumer_rows(table))


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
    pieces, tables = markdown.parse(page)
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
