"""What a list of attempts and answers means: outages, owners, overlaps. Pure functions; times are seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

from clusters.vantage.vantage_data import Attempt, Learned, Mac, Reply, Slip


@dataclass(frozen=True, kw_only=True)
class Window:
    """A time in which nobody was served: from the start of the first attempt that failed to the first answer.

    `recovered` is False where the measurement ended first. `failed` counts attempts. `blind` (s) is how
    much of it the probe itself was late for. `uncertainty` (s): how far `length` may be off, either way.
    """

    start: float
    end: float
    failed: int
    recovered: bool
    uncertainty: float
    blind: float = 0.0

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Outages:
    """All windows, in order, none touching another. One long outage and many short ones differ: keep both.

    `resolution` is the probe's interval: what is shorter may not be seen at all.
    """

    windows: tuple[Window, ...]
    resolution: float

    @property
    def count(self) -> int:
        """How many."""
        return len(self.windows)

    @property
    def longest(self) -> float:
        """The longest, in seconds; 0 where there was none."""
        return max((window.length for window in self.windows), default=0.0)

    @property
    def total(self) -> float:
        """All of them together, in seconds."""
        return sum(window.length for window in self.windows)

    @property
    def uncertainty(self) -> float:
        """How far `longest` may be off, in seconds, either way."""
        worst = max(self.windows, key=lambda window: window.length, default=None)
        return worst.uncertainty if worst else self.resolution


def outages(attempts: Iterable[Attempt], *, end: float, every: float, slips: Sequence[Slip] = ()) -> Outages:
    """The outages among attempts made every `every` seconds until `end`.

    A failed attempt stands for the time from its start to the first answer of any attempt begun later; the
    windows are the union of these. So a request that hung and was answered late ends an outage when it was
    answered, not when it was begun, and one success between failures does end a window.
    """
    ordered = sorted(attempts, key=lambda attempt: attempt.t)
    gaps = [every, *(later.t - earlier.t for earlier, later in pairwise(ordered)), every]
    served = inf
    found: list[Window] = []
    for index in range(len(ordered) - 1, -1, -1):
        attempt = ordered[index]
        if attempt.ok:
            served = min(served, attempt.ended)
            continue
        window = Window(
            start=attempt.t,
            end=max(attempt.t, min(served, end)),
            failed=1,
            recovered=served <= end,
            uncertainty=max(every, gaps[index], gaps[index + 1]),
        )
        if found and found[-1].start <= window.end:
            window = _joined(window, found.pop(), before=max(every, gaps[index]))
        found.append(window)
    windows = (replace(one, blind=_blind(one.start, one.end, slips)) for one in reversed(found))
    return Outages(windows=tuple(windows), resolution=every)


def _joined(earlier: Window, later: Window, *, before: float) -> Window:
    """One window of two that touch; `before` is the uncertainty of its start."""
    uncertainty = max(before, later.uncertainty)
    return replace(later, start=earlier.start, failed=later.failed + 1, uncertainty=uncertainty)


def _blind(start: float, end: float, slips: Sequence[Slip]) -> float:
    return sum(max(0.0, min(end, slip.t + slip.late) - max(start, slip.t)) for slip in slips)


@dataclass(frozen=True, kw_only=True)
class Round:
    """One question and the MACs that answered it, each with the time of its first answer."""

    t: float
    macs: dict[Mac, float]


@dataclass(frozen=True, kw_only=True)
class OwnerChange:
    """`after` answers alone where `before` did. `t` is its first answer, also where both did at first."""

    t: float
    before: Mac
    after: Mac


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Questions in a row that more than one MAC answered: from the first such question to the last answer."""

    start: float
    end: float
    macs: frozenset[Mac]
    rounds: int

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Span:
    """A time in which one MAC was the owner."""

    mac: Mac
    start: float
    end: float


def rounds(requests: Sequence[float], answers: Iterable[Reply]) -> tuple[Round, ...]:
    """Questions with their answers. `requests` are times in order, which a reply's `round` indexes."""
    macs: list[dict[Mac, float]] = [{} for _ in requests]
    for answer in sorted(answers, key=lambda reply: reply.t):
        if 0 <= answer.round < len(macs):
            macs[answer.round].setdefault(answer.mac, answer.t)
    return tuple(Round(t=t, macs=found) for t, found in zip(requests, macs, strict=True))


def round_of(requests: Sequence[float], t: float) -> int:
    """The question that an answer at `t` belongs to: the last one before it; -1 where there is none."""
    return bisect_right(requests, t) - 1


def owner_changes(asked: Sequence[Round]) -> tuple[OwnerChange, ...]:
    """Who took over from whom. While two answer the owner stays, until the new one answers alone."""
    changes: list[OwnerChange] = []
    owner: Mac | None = None
    since: dict[Mac, float] = {}
    for one in asked:
        if not one.macs:
            continue
        since = {mac: since.get(mac, t) for mac, t in one.macs.items()}
        if len(one.macs) > 1 or owner in one.macs:
            continue
        alone = next(iter(one.macs))
        if owner is not None:
            changes.append(OwnerChange(t=since[alone], before=owner, after=alone))
        owner = alone
    return tuple(changes)


def learned_changes(learned: Sequence[Learned]) -> tuple[OwnerChange, ...]:
    """The owners that the client's kernel believed in: all that a vantage without raw sockets knows."""
    known = [one for one in learned if one.mac]
    return tuple(
        OwnerChange(t=after.t, before=before.mac, after=after.mac)
        for before, after in pairwise(known)
        if before.mac != after.mac
    )


def overlaps(asked: Sequence[Round]) -> tuple[Overlap, ...]:
    """Times in which more than one MAC answered the same questions."""
    found: list[Overlap] = []
    open_ = False
    for one in asked:
        if len(one.macs) > 1:
            end, macs, count, start = max(one.macs.values()), frozenset(one.macs), 1, one.t
            if open_:
                last = found.pop()
                start, macs, count = last.start, last.macs | macs, last.rounds + 1
            found.append(Overlap(start=start, end=end, macs=macs, rounds=count))
            open_ = True
        else:
            open_ = False
    return tuple(found)


def spans(asked: Sequence[Round], end: float) -> tuple[Span, ...]:
    """Who was the owner from when to when. The first begins with the first answer of anyone alone."""
    first = next((one for one in asked if len(one.macs) == 1), None)
    if first is None:
        return ()
    owner, start = next(iter(first.macs.items()))
    found: list[Span] = []
    for change in owner_changes(asked):
        found.append(Span(mac=owner, start=start, end=change.t))
        owner, start = change.after, change.t
    return (*found, Span(mac=owner, start=start, end=max(start, end)))


def unanswered(asked: Sequence[Round], *, end: float, every: float, slips: Sequence[Slip] = ()) -> Outages:
    """The times in which nobody answered for the address, by the same definition as for a service."""
    attempts = (
        Attempt(t=one.t, ok=bool(one.macs), latency=min(one.macs.values(), default=one.t) - one.t)
        for one in asked
    )
    return outages(attempts, end=end, every=every, slips=slips)
