"""The picture of a failover: requests, owner, gratuitous ARPs and fault, as positions for an inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.figures import shown

if TYPE_CHECKING:
    from clusters.vantage import Timeline

#: The drawing's width in user units, and where its time axis begins.
WIDTH, LEFT, RIGHT = 900.0, 110.0, 890.0
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
_MOST_TICKS = 12


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A stretch of time on a row: where it begins, how wide it is, what it is called, and its kind."""

    x: float
    width: float
    label: str
    kind: int | str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A moment: where it is and what it is called."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that the template places, and the same in words."""

    outages: tuple[Bar, ...]
    owners: tuple[Bar, ...]
    silences: tuple[Bar, ...]
    overlaps: tuple[Bar, ...]
    gratuitous: tuple[Point, ...]
    marks: tuple[Point, ...]
    ticks: tuple[Point, ...]
    text: str


def drawing(timeline: Timeline) -> Drawing:
    """The drawing of one timeline."""
    end = max(timeline.ended, 0.001)

    def at(t: float) -> float:
        return round(LEFT + min(max(t, 0.0), end) / end * (RIGHT - LEFT), 1)

    def bar(start: float, stop: float, *, label: str, kind: int | str) -> Bar:
        return Bar(x=at(start), width=max(round(at(stop) - at(start), 1), 1.5), label=label, kind=kind)

    macs = list(dict.fromkeys(span.mac for span in timeline.spans))
    return Drawing(
        outages=tuple(
            bar(one.start, one.end, label=f"not served for {shown(one.length, 's')}", kind="outage")
            for one in timeline.outages.windows
        ),
        owners=tuple(
            bar(one.start, one.end, label=one.mac, kind=macs.index(one.mac) % 4) for one in timeline.spans
        ),
        silences=tuple(
            bar(one.start, one.end, label=f"nobody answered for {shown(one.length, 's')}", kind="silence")
            for one in timeline.address_outages.windows
        ),
        overlaps=tuple(
            bar(one.start, one.end, label="more than one answer", kind="overlap") for one in timeline.overlaps
        ),
        gratuitous=tuple(
            Point(x=at(one.t), label=f"{one.mac} at {one.t:.2f} s") for one in timeline.gratuitous
        ),
        marks=tuple(Point(x=at(one.t), label=one.name) for one in timeline.marks),
        ticks=tuple(Point(x=at(t), label=f"{t:g}") for t in _ticks(end)),
        text=_text(timeline),
    )


def _ticks(end: float) -> list[float]:
    step = next((one for one in _TICKS if end / one <= _MOST_TICKS), end)
    return [round(step * number, 6) for number in range(int(end / step) + 1)]


def _text(timeline: Timeline) -> str:
    """What the picture shows, for whoever does not see it."""
    outages = timeline.outages
    owners = ", then ".join(f"{span.mac} from {span.start:.2f} s" for span in timeline.spans) or "nobody"
    marks = ", ".join(f"{mark.name} at {mark.t:.2f} s" for mark in timeline.marks) or "none"
    served = (
        f"The service was not served {outages.count} time{'s' if outages.count > 1 else ''}, "
        f"{shown(outages.longest, 's')} at the longest."
        if outages.count
        else "No request failed."
    )
    silence = (
        f"Nobody answered for {shown(timeline.address_gap, 's')} at the longest. "
        if timeline.address_gap
        else ""
    )
    return (
        f"{timeline.address} over {timeline.ended:.1f} s. {served} Answering for the address: {owners}. {silence}"
        f"Double answers for {shown(timeline.overlap, 's')}. "
        f"{len(timeline.gratuitous)} gratuitous announcements. Marks: {marks}."
    )
