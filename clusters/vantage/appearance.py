"""How a new address appeared on the wire. Pure: a timeline in, seconds since a mark out."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.errors import Inconclusive
from clusters.vantage import neighbour_table
from clusters.vantage.timeline import Timeline


def answered(timeline: Timeline, mark: str) -> float:
    """Until somebody first answered for the address; without raw sockets, until the kernel had learnt of one."""
    times = [one.t for one in timeline.answers]
    if neighbour_table.applies(timeline):
        times = [one.t for one in timeline.learned if one.mac]
    return _first(timeline, mark, times, "an answer")


def served(timeline: Timeline, mark: str) -> float:
    """Until the first request was served."""
    return _first(timeline, mark, (one.ended for one in timeline.attempts if one.ok), "a served request")


def announced(timeline: Timeline, mark: str) -> float:
    """Until the first gratuitous ARP."""
    timeline.require_control()
    return _first(timeline, mark, (one.t for one in timeline.gratuitous), "a gratuitous ARP")


def _first(timeline: Timeline, mark: str, times: Iterable[float], what: str) -> float:
    if not neighbour_table.applies(timeline):
        timeline.require_control()
    begun = timeline.time_of(mark)
    first = min((t for t in times if t >= begun), default=None)
    if first is None:
        raise Inconclusive(
            f"The measurement of {timeline.address} ended before it held {what}.",
            remedy="Run the check again; nothing is said about MetalLB.",
        )
    return first - begun
