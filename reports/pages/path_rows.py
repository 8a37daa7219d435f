"""The paths of services in trouble as rows of links, each with a sign and a word for what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clusters.checks import Candidate, LinkReading, Reading, ServicePath, is_known

_SIGNS = {Reading.OK: "✓", Reading.BROKEN: "✕", Reading.UNKNOWN: "?", Reading.NOT_APPLICABLE: "–"}
_WORDS = {
    Reading.OK: "ok",
    Reading.BROKEN: "broken",
    Reading.UNKNOWN: "not known",
    Reading.NOT_APPLICABLE: "not needed",
}


@dataclass(frozen=True, kw_only=True)
class LinkCell:
    """One link as the page draws it."""

    name: str
    question: str
    reading: str
    sign: str
    word: str
    proof: tuple[str, ...]
    cause: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True)
class PathRow:
    """One path of one service. `way` says which one, and `label` the same for who does not see the row."""

    service: str
    way: str
    label: str
    links: tuple[LinkCell, ...]


def rows(paths: Sequence[ServicePath]) -> tuple[PathRow, ...]:
    """A row for each path, those first in which something is broken or open."""
    found = sorted(paths, key=lambda path: not any(link.cause or link.candidates for link in path.links))
    return tuple(_row(path) for path in found)


def _row(path: ServicePath) -> PathRow:
    port = f" port {path.port}" if path.port else ""
    way = f"{path.path}{f', {path.address}{port}' if path.address else ''}"
    return PathRow(
        service=path.service,
        way=way,
        label=f"The {path.path} path of {path.service}",
        links=tuple(_cell(link) for link in path.links),
    )


def _cell(link: LinkReading) -> LinkCell:
    return LinkCell(
        name=str(link.link),
        question=link.link.question if is_known(link.link) else "",
        reading=str(link.reading),
        sign=_SIGNS.get(link.reading, "?"),
        word=_WORDS.get(link.reading, str(link.reading)),
        proof=link.proof,
        cause=link.cause,
        candidates=link.candidates,
    )
