"""The picture of a failover: requests, who answers ARP, gratuitous ARP and fault, as positions for an inline SVG.

Whatever colour says is said by a shape, a pattern or a word as well, and once more as a table of moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from clusters.checks import CheckResult
from clusters.checks.outcome import is_evidence_path
from clusters.confinement import RefusedPath, Tree
from clusters.json_text import parsed
from reports.wording import shown

if TYPE_CHECKING:
    from clusters.vantage import Timeline
    from clusters.vantage.analysis import Span

#: The drawing's width in user units, and where its time axis begins and ends.
WIDTH, LEFT, RIGHT = 900.0, 128.0, 890.0
#: How many of those who answer differ by pattern; the letters go on.
PATTERNS = 4
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)
_MOST_TICKS = 12
#: Requests closer together than this, in user units, are one tick: failed where any of them did.
_COLUMN = 2.5
#: Seconds kept before and after what happened; the quiet rest is left out of the picture.
_AROUND = 2.0
#: Bars of one kind closer together than this, in user units, are drawn as one.
_APART = 6.0
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A stretch of time on a row: where it begins, how wide it is, what it is called, and its kind."""

    x: float
    width: float
    label: str
    kind: int | str = ""
    letter: str = ""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A moment: where it is and what it is called."""

    x: float
    label: str
    letter: str = ""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that the template places, and the same in words."""

    served: str
    failed: str
    outages: tuple[Bar, ...]
    answering: tuple[Bar, ...]
    silences: tuple[Bar, ...]
    overlaps: tuple[Bar, ...]
    gratuitous: tuple[Point, ...]
    marks: tuple[Point, ...]
    ticks: tuple[Point, ...]
    legend: tuple[str, ...]
    text: str
    moments: tuple[tuple[str, str], ...]


class _Scale:
    """Seconds of the measurement to user units, and to what a reader calls the moment: from the fault on."""

    def __init__(self, timeline: Timeline) -> None:
        self.zero = next((mark.t for mark in timeline.marks if mark.name == "fault"), 0.0)
        self.low, self.high = _window(timeline)

    def at(self, t: float) -> float:
        inside = min(max(t, self.low), self.high)
        return round(LEFT + (inside - self.low) / (self.high - self.low) * (RIGHT - LEFT), 1)

    def sees(self, t: float) -> bool:
        return self.low <= t <= self.high

    def bar(self, start: float, stop: float, label: str, *, kind: int | str = "", letter: str = "") -> Bar:
        x = self.at(start)
        return Bar(x=x, width=max(round(self.at(stop) - x, 1), 2.0), label=label, kind=kind, letter=letter)

    def worded(self, t: float) -> str:
        return f"{t - self.zero:+.2f} s"


def timelines(check: CheckResult, directory: Path) -> list[tuple[str, Timeline]]:
    """The check's measured timelines, with their files; one that is missing or broken is left out."""
    names = [name for name in check.evidence if is_evidence_path(name) and _is_timeline(Path(name))]
    found = [(name, _timeline(directory, name)) for name in names]
    return [(name, one) for name, one in found if one is not None]


def _is_timeline(path: Path) -> bool:
    return path.name.startswith("timeline") and path.name.endswith(".json")


def _timeline(directory: Path, name: str) -> Timeline | None:
    # Imported here: most pages have no timeline, and this brings the whole of the wire's libraries.
    from clusters.vantage import Timeline  # noqa: PLC0415

    try:
        return Timeline.from_json(parsed(Tree(directory, name="the run's directory").read(name)))
    except (RefusedPath, OSError, ValueError):
        return None


def drawing(timeline: Timeline, names: Mapping[str, str]) -> Drawing:
    """The drawing of one timeline. `names` are node names by MAC, as far as they are known."""
    scale = _Scale(timeline)
    macs = list(dict.fromkeys([one.mac for one in timeline.spans] + [one.mac for one in timeline.gratuitous]))
    letters = {mac: _LETTERS[number % len(_LETTERS)] for number, mac in enumerate(macs)}
    called = partial(_called, names)
    return Drawing(
        served=_ticks_path(scale, [one.t for one in timeline.attempts if one.ok], top=44, height=8),
        failed=_ticks_path(scale, [one.t for one in timeline.attempts if not one.ok], top=30, height=22),
        outages=_joined(
            (
                scale.bar(one.start, one.end, f"not served {shown(one.length, 's')}")
                for one in timeline.outages.windows
            ),
            several="not served, several times",
        ),
        answering=tuple(
            scale.bar(
                one.start,
                one.end,
                called(one.mac),
                kind=macs.index(one.mac) % PATTERNS,
                letter=letters[one.mac],
            )
            for one in _answering(timeline)
        ),
        silences=tuple(
            scale.bar(one.start, one.end, f"no reply {shown(one.length, 's')}")
            for one in timeline.address_outages.windows
        ),
        overlaps=_joined(
            (scale.bar(one.start, one.end, "two hosts answer") for one in timeline.overlaps),
            several="two hosts answer",
        ),
        gratuitous=tuple(
            Point(
                x=scale.at(one.t),
                label=f"{called(one.mac)} at {scale.worded(one.t)}",
                letter=letters[one.mac],
            )
            for one in timeline.gratuitous
            if scale.sees(one.t)
        ),
        marks=tuple(Point(x=scale.at(one.t), label=one.name) for one in timeline.marks),
        ticks=_ticks(scale),
        legend=tuple(f"{letters[mac]} = {called(mac)}" for mac in macs),
        text=_text(timeline, scale, names),
        moments=tuple(_moments(timeline, scale, names)),
    )


def _joined(bars: Iterable[Bar], several: str) -> tuple[Bar, ...]:
    """The bars, those that are drawn next to each other as one called `several`; the list of moments has each."""
    found: list[Bar] = []
    for bar in bars:
        last = found[-1] if found else None
        if last and bar.x - (last.x + last.width) <= _APART:
            width = round(max(bar.x + bar.width, last.x + last.width) - last.x, 1)
            found[-1] = replace(last, width=width, label=several)
        else:
            found.append(bar)
    return tuple(found)


def _answering(timeline: Timeline) -> Iterator[Span]:
    """Who answered from when to when, without the times in which nobody did."""
    for span in timeline.spans:
        start = span.start
        for silence in timeline.address_outages.windows:
            if start <= silence.start < span.end:
                yield replace(span, start=start, end=silence.start)
                start = min(silence.end, span.end)
        if start < span.end:
            yield replace(span, start=start, end=span.end)


def _called(names: Mapping[str, str], mac: str) -> str:
    return f"{names[mac]} ({mac})" if mac in names else mac


def _window(timeline: Timeline) -> tuple[float, float]:
    """The stretch of a measurement that something happened in, or all of it where that is not much longer."""
    end = max(timeline.ended, 0.001)
    moments = [mark.t for mark in timeline.marks] + [change.t for change in timeline.owner_changes]
    for windows in (timeline.outages.windows, timeline.address_outages.windows, timeline.overlaps):
        moments += [edge for one in windows for edge in (one.start, one.end)]
    if not moments:
        return 0.0, end
    low, high = max(min(moments) - _AROUND, 0.0), min(max(moments) + _AROUND, end)
    return (low, high) if 0 < high - low < 0.7 * end else (0.0, end)


def _ticks_path(scale: _Scale, times: Sequence[float], *, top: float, height: float) -> str:
    """One tick a column of the picture as path data, so that thousands of requests stay small."""
    columns = sorted({round(scale.at(t) / _COLUMN) for t in times if scale.sees(t)})
    return "".join(f"M{column * _COLUMN:g} {top:g}v{height:g}" for column in columns)


def _ticks(scale: _Scale) -> tuple[Point, ...]:
    length = scale.high - scale.low
    step = next((one for one in _TICKS if length / one <= _MOST_TICKS), length)
    first = -int((scale.zero - scale.low) / step)
    found = []
    for number in range(first, first + int(length / step) + 2):
        t = scale.zero + number * step
        if scale.sees(t):
            found.append(Point(x=scale.at(t), label=f"{round(number * step, 6):g}"))
    return tuple(found)


def _moments(timeline: Timeline, scale: _Scale, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The picture as a list: when, and what happened."""
    found = [(mark.t, mark.name) for mark in timeline.marks]
    found += [(one.start, f"{_called(names, one.mac)} answers for the address") for one in timeline.spans]
    found += [
        (one.start, f"requests fail ({one.failed}), for {shown(one.length, 's')}{_unless(one.recovered)}")
        for one in timeline.outages.windows
    ]
    found += [
        (one.start, f"no reply for the address, for {shown(one.length, 's')}{_unless(one.recovered)}")
        for one in timeline.address_outages.windows
    ]
    found += [(one.start, "more than one host answers for the address") for one in timeline.overlaps]
    found += [
        (one.t, f"gratuitous announcement ({one.kind}) by {_called(names, one.mac)}")
        for one in timeline.gratuitous
    ]
    return [(scale.worded(t), what) for t, what in sorted(found, key=lambda moment: moment[0])]


def _unless(recovered: bool) -> str:  # noqa: FBT001 - the one thing that it is about
    return "" if recovered else ", and still at the end"


def _text(timeline: Timeline, scale: _Scale, names: Mapping[str, str]) -> str:
    """What the picture shows, for whoever does not see it."""
    outages = timeline.outages
    answering = (
        ", then ".join(f"{_called(names, one.mac)} from {scale.worded(one.start)}" for one in timeline.spans)
        or "no host"
    )
    marks = ", ".join(f"{mark.name} at {scale.worded(mark.t)}" for mark in timeline.marks) or "none"
    served = (
        f"The service was unreachable {outages.count} time{'s' if outages.count > 1 else ''}, "
        f"{shown(outages.longest, 's')} at the longest."
        if outages.count
        else "No request failed."
    )
    silence = (
        f"No reply for {shown(timeline.address_gap, 's')} at the longest. " if timeline.address_gap else ""
    )
    return (
        f"{timeline.address} over {timeline.ended:.1f} s. {served} Answering for the address: {answering}. {silence}"
        f"Two hosts answered at once for {shown(timeline.overlap, 's')}. "
        f"Gratuitous announcements: {len(timeline.gratuitous)}. Marks: {marks}."
    )
