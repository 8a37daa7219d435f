"""A measurement through an event, and what it says: evidence, kept as timeline.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from clusters.errors import Inconclusive
from clusters.vantage import analysis
from clusters.vantage.analysis import Outages, Overlap, OwnerChange, Round, Span
from clusters.vantage.vantage_data import (
    Attempt,
    Control,
    Gratuitous,
    Learned,
    Mac,
    Mark,
    Reply,
    Slip,
    VantageError,
)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Traffic to one address and what its wire said, sampled from one vantage.

    All times are seconds since `began_ns` (ns of the epoch, the vantage's clock); `ended` is the last moment
    that counts. Attempts were begun every `every` s, questions asked every `arp_every` s: these are the
    resolutions. `requests` are the questions seen leaving; `answers[i].round` is an index into them.
    `learned` is the client kernel's own view, `control_attempts` traffic to another, undisturbed target.
    `truncated` says that the measurement's own limit ended it before its block did.
    """

    vantage: str
    address: str
    port: int
    protocol: str
    began_ns: int
    ended: float
    every: float
    arp_every: float
    attempts: tuple[Attempt, ...]
    requests: tuple[float, ...]
    answers: tuple[Reply, ...]
    gratuitous: tuple[Gratuitous, ...]
    learned: tuple[Learned, ...]
    marks: tuple[Mark, ...]
    slips: tuple[Slip, ...]
    control: Control
    control_attempts: tuple[Attempt, ...] = ()
    frames_dropped: int = 0
    clock_step: float = 0.0
    truncated: bool = False
    schema_version: int = 1

    @cached_property
    def outages(self) -> Outages:
        """The outages of the service: `.longest`, `.total`, `.count`, `.windows`, `.uncertainty`."""
        return analysis.outages(self.attempts, end=self.ended, every=self.every, slips=self._slips("probe"))

    @cached_property
    def control_outages(self) -> Outages:
        """The outages of the control target. Where they fall together, the vantage is in doubt."""
        return analysis.outages(
            self.control_attempts, end=self.ended, every=self.every, slips=self._slips("control")
        )

    @cached_property
    def address_outages(self) -> Outages:
        """The times in which nobody answered for the address."""
        slips = self._slips("questions")
        return analysis.unanswered(self.rounds, end=self.ended, every=self.arp_every, slips=slips)

    @property
    def address_gap(self) -> float:
        """The longest time (s) without any answer for the address."""
        return self.address_outages.longest

    @cached_property
    def rounds(self) -> tuple[Round, ...]:
        """Every question with the MACs that answered it."""
        return analysis.rounds(self.requests, self.answers)

    @cached_property
    def owner_changes(self) -> tuple[OwnerChange, ...]:
        """Every change of owner, in order."""
        return analysis.owner_changes(self.rounds)

    @property
    def learned_changes(self) -> tuple[OwnerChange, ...]:
        """When the client's own kernel took another owner for the true one."""
        return analysis.learned_changes(self.learned)

    @cached_property
    def overlaps(self) -> tuple[Overlap, ...]:
        """Every time in which more than one MAC answered."""
        return analysis.overlaps(self.rounds)

    @property
    def overlap(self) -> float:
        """The longest time (s) in which more than one MAC answered, in whole questions; 0 for none."""
        return max((one.length + self.arp_every for one in self.overlaps), default=0.0)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Who was the owner from when to when."""
        return analysis.spans(self.rounds, self.ended)

    @property
    def macs(self) -> frozenset[Mac]:
        """Every MAC that ever answered for the address."""
        return frozenset(answer.mac for answer in self.answers)

    @property
    def servers(self) -> dict[str, int]:
        """How many attempts each server (by what it answered) served."""
        names = [attempt.server for attempt in self.attempts if attempt.ok]
        return {name: names.count(name) for name in sorted(set(names))}

    def owner_at(self, when: float | str) -> Mac | None:
        """The owner at a time or a mark: whoever answered last; None before any answer."""
        t = self.time_of(when)
        return next((span.mac for span in reversed(self.spans) if span.start <= t), None)

    def time_of(self, when: float | str) -> float:
        """The time of the last mark of that name (VantageError for none); a number as it is."""
        if not isinstance(when, str):
            return when
        times = [mark.t for mark in self.marks if mark.name == when]
        if not times:
            known = ", ".join(mark.name for mark in self.marks) or "none"
            raise VantageError(f"The measurement of {self.address} has no mark {when!r} (it has: {known}).")
        return times[-1]

    def first_failure(self, after: float | str = 0.0) -> float | None:
        """When the first attempt began that failed at or after a time or mark."""
        t = self.time_of(after)
        return min(
            (attempt.t for attempt in self.attempts if not attempt.ok and attempt.t >= t), default=None
        )

    def first_recovery(self, after: float | str = 0.0) -> float | None:
        """When the first outage that ended after a time or mark ended; None where none did."""
        t = self.time_of(after)
        return next((one.end for one in self.outages.windows if one.recovered and one.end >= t), None)

    def moved_after(self, mark: float | str, *, to: Mac | None = None) -> float | None:
        """Seconds from a mark to the next change of owner (to `to`, where given); None for no change."""
        t = self.time_of(mark)
        moves = (one.t for one in self.owner_changes if one.t >= t and to in (None, one.after))
        return next((moved - t for moved in moves), None)

    def failback_after(self, mark: float | str, *, fault: float | str = "fault") -> float | None:
        """Seconds from a mark ("restored") until the owner of before `fault` is it again; None if never."""
        original = self.owner_at(fault)
        return None if original is None else self.moved_after(mark, to=original)

    def gratuitous_after(self, mark: float | str, *, mac: Mac | None = None) -> tuple[Gratuitous, ...]:
        """The gratuitous announcements at or after a mark (of one MAC, where given)."""
        t = self.time_of(mark)
        return tuple(one for one in self.gratuitous if one.t >= t and mac in (None, one.mac))

    def between(self, start: float | str, end: float | str | None = None) -> Timeline:
        """The timeline from one time or mark to another (None: its end), with its times as they were."""
        low = self.time_of(start)
        high = self.ended if end is None else self.time_of(end)
        first = sum(t < low for t in self.requests)
        return replace(
            self,
            ended=high,
            attempts=_within(self.attempts, low, high),
            control_attempts=_within(self.control_attempts, low, high),
            requests=tuple(t for t in self.requests if low <= t < high),
            answers=tuple(
                replace(one, round=one.round - first)
                for one in _within(self.answers, low, high)
                if one.round >= first
            ),
            gratuitous=_within(self.gratuitous, low, high),
        )

    def unix(self, when: float | str) -> float:
        """Seconds of the epoch for a time or mark, to compare with events and logs."""
        return self.began_ns / 1e9 + self.time_of(when)

    def require_control(self) -> Timeline:
        """Itself, where its capture is proved to see ARP; Inconclusive where it is not."""
        require_control(self.control, vantage=self.vantage)
        return self

    def to_json(self) -> dict[str, Any]:
        """The timeline as plain data; docs/measuring.md describes the shape."""
        data: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Timeline:
        """The timeline that `to_json` gave; pydantic's ValidationError where the data is none."""
        return _ADAPTER.validate_python(data)

    def write(self, path: Path) -> Path:
        """Write timeline.json; returns `path`."""
        path.write_text(json.dumps(self.to_json(), separators=(",", ":")) + "\n", encoding="utf-8")
        return path

    def _slips(self, of: str) -> Sequence[Slip]:
        return [slip for slip in self.slips if slip.of == of]


def require_control(control: Control, *, vantage: str) -> None:
    """Nothing where the positive control holds; Inconclusive with its reason where it does not."""
    if not control.ok:
        raise Inconclusive(
            f"What vantage {vantage} saw on the wire proves nothing: {control.reason}.",
            remedy="Check the vantage's interface and its segment; nothing is said about MetalLB.",
        )


def _within(items: tuple[Any, ...], low: float, high: float) -> tuple[Any, ...]:
    return tuple(item for item in items if low <= item.t < high)


_ADAPTER = TypeAdapter(Timeline)
