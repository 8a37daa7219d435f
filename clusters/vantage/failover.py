"""One failover as it looked from outside the cluster. Pure: a timeline in, figures out; times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from clusters.vantage import neighbour_table, reset_by_move
from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import Mac

FAULT = "fault"
RESTORED = "restored"

#: The figures that say for how long two nodes answered for one address.
OVERLAP, OVERLAP_AFTER_RETURN = "two nodes answering", "two nodes answering after the return"
OVERLAPS = frozenset({OVERLAP, OVERLAP_AFTER_RETURN})


class Measures(Protocol):
    """Where figures go: the check's record."""

    def measure(self, name: str, value: float, *, unit: str = "s", budget: float | None = None) -> float:
        """Keep one sample."""


@dataclass(frozen=True, kw_only=True)
class Failover:
    """What one failover cost.

    `moved_after` is the time from the fault until another machine answered for the address, alone or beside
    the old one (None where none did); `address_gap` the longest time in which nobody answered; `service_gap`
    the longest without service; `failed` the number of failed requests, but for those that the move itself `cut`
    (see `clusters.vantage.reset_by_move`); `overlap` the longest time in which two machines answered, until the
    restoration and (`overlap_after_return`) from then on.
    `gratuitous_after` counts from the fault; `back_after` from the restoration, or from the fault where
    nothing had to be restored; `steady_after` is the end of the last gap before that.
    `owners` are the nodes that owned the address in turn, as the wire says. What a vantage without raw sockets
    does not see is None, and `unseen` says so.
    """

    before: str
    owners: tuple[str, ...]
    moved_after: float | None
    address_gap: float | None
    service_gap: float
    service_gap_total: float
    failed: int
    cut: int
    overlap: float | None
    overlap_after_return: float | None
    gratuitous_after: float | None
    back_after: float | None
    steady_after: float | None
    unseen: str = ""

    @property
    def last_owner(self) -> str:
        """The node that owned the address at the end."""
        return self.owners[-1] if self.owners else ""


def read(timeline: Timeline, nodes: Mapping[Mac, str]) -> Failover:
    """The failover in a timeline with the marks "fault" and, where something was restored, "restored".

    `nodes` gives the node of each MAC; a MAC of no node stands for itself.
    """
    if neighbour_table.applies(timeline):
        return _by_kernel(timeline, nodes)
    timeline.require_control()
    fault = timeline.time_of(FAULT)
    marks = {mark.name for mark in timeline.marks}
    after = timeline.between(FAULT)
    away = timeline.between(FAULT, RESTORED if RESTORED in marks else None)
    old = timeline.owner_at(FAULT)
    reset = len(reset_by_move.resets_caused_by_move(timeline, since=fault))
    first_other = min(
        (reply.t for reply in timeline.answers if reply.t >= fault and reply.mac != old), default=None
    )
    announced = [one.t for one in timeline.gratuitous_after(FAULT) if one.mac != old]
    return Failover(
        before=name(old, nodes),
        owners=tuple(name(span.mac, nodes) for span in timeline.spans),
        moved_after=None if first_other is None else first_other - fault,
        address_gap=after.address_gap,
        service_gap=after.outages.longest,
        service_gap_total=after.outages.total,
        failed=sum(not attempt.ok for attempt in after.attempts) - reset,
        cut=reset,
        overlap=away.overlap,
        overlap_after_return=timeline.between(RESTORED).overlap if RESTORED in marks else 0.0,
        gratuitous_after=min(announced) - fault if announced else None,
        back_after=timeline.failback_after(RESTORED if RESTORED in marks else FAULT),
        steady_after=_steady_after(away, fault),
    )


def _by_kernel(timeline: Timeline, nodes: Mapping[Mac, str]) -> Failover:
    """The same, as far as traffic and the client's own neighbour table tell it."""
    fault = timeline.time_of(FAULT)
    marks = {mark.name for mark in timeline.marks}
    after = timeline.between(FAULT)
    away = timeline.between(FAULT, RESTORED if RESTORED in marks else None)
    old = neighbour_table.owner_at(timeline, fault)
    reset = len(reset_by_move.resets_caused_by_move(timeline, since=fault))
    back = timeline.time_of(RESTORED) if RESTORED in marks else fault
    return Failover(
        before=name(old, nodes),
        owners=tuple(name(mac, nodes) for mac in neighbour_table.owners(timeline)),
        moved_after=neighbour_table.moved_after(timeline, fault),
        address_gap=None,
        service_gap=after.outages.longest,
        service_gap_total=after.outages.total,
        failed=sum(not attempt.ok for attempt in after.attempts) - reset,
        cut=reset,
        overlap=None,
        overlap_after_return=None,
        gratuitous_after=None,
        back_after=neighbour_table.moved_after(timeline, back, to=old) if old else None,
        steady_after=_steady_after(away, fault),
        unseen=neighbour_table.UNSEEN,
    )


def baseline(timeline: Timeline) -> int:
    """How many requests in a row were served at the end of a timeline in which somebody answers; else 0."""
    if timeline.owner_at(timeline.ended) is None and not neighbour_table.applies(timeline):
        return 0
    failed = [attempt.t for attempt in timeline.attempts if not attempt.ok]
    return sum(attempt.t > max(failed, default=-1.0) for attempt in timeline.attempts)


def settled_for(timeline: Timeline, owner: str, nodes: Mapping[Mac, str]) -> float:
    """How long (s) `owner` alone has answered every question, at the end of a timeline."""
    if neighbour_table.applies(timeline):
        return neighbour_table.alone_for(
            timeline, frozenset(mac for mac, node in nodes.items() if node == owner)
        )
    alone = timeline.ended
    # The last question may not be answered yet.
    for asked in reversed(timeline.rounds[:-1]):
        if {name(mac, nodes) for mac in asked.macs} != {owner}:
            break
        alone = asked.t
    return timeline.ended - alone


def steady_for(timeline: Timeline) -> float:
    """How long (s) every request has been answered at the end of a timeline; those under way do not count."""
    failed = [attempt.ended for attempt in timeline.attempts if not attempt.ok]
    return timeline.ended - max(failed, default=0.0)


def _steady_after(timeline: Timeline, fault: float) -> float | None:
    ended = [window.end for window in timeline.outages.windows if window.recovered]
    return max(ended) - fault if ended else None


def name(mac: Mac | None, nodes: Mapping[Mac, str]) -> str:
    """The node behind a MAC, the MAC itself where it is of no node, "nobody" where there is none."""
    return "nobody" if mac is None else nodes.get(mac, mac)


def record(failover: Failover, measures: Measures, budgets: Mapping[str, float]) -> None:
    """Keep every figure; `budgets` gives the limit (s) of those that are judged, by the figure's name."""
    figures = {
        "address moved after": failover.moved_after,
        "gap of the address": failover.address_gap,
        "gap of the service": failover.service_gap,
        "gaps of the service together": failover.service_gap_total,
        OVERLAP: failover.overlap,
        OVERLAP_AFTER_RETURN: failover.overlap_after_return,
        "gratuitous ARP after": failover.gratuitous_after,
        "back on its node after": failover.back_after,
        "service steady again after": failover.steady_after,
    }
    for figure, value in figures.items():
        if value is not None:
            measures.measure(figure, value, budget=budgets.get(figure))
    measures.measure(
        "failed requests", failover.failed, unit="requests", budget=budgets.get("failed requests")
    )
    measures.measure("requests cut by a move", failover.cut, unit="requests")
