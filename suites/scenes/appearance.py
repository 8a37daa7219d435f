"""How a new address appeared on the wire. Pure: a timeline in, seconds since a mark out."""

from __future__ import annotations

from collections.abc import Iterable

from clusters.errors import Inconclusive
from clusters.vantage.timeline import Timeline


def answered(timeline: Timeline, mark: str) -> float:
    """Until somebody first answered for the address."""
    return _first(timeline, mark, (one.t for one in timeline.answers), "an answer")


def served(timeline: Timeline, mark: str) -> float:
    """Until the first request was served."""
    return _first(timeline, mark, (one.ended for one in timeline.attempts if one.ok), "a served request")


def announced(timeline: Timeline, mark: str) -> float:
    """Until the first gratuitous ARP."""
    return _first(timeline, mark, (one.t for one in timeline.gratuitous), "a gratuitous ARP")


def _first(timeline: Timeline, mark: str, times: Iterable[float], what: str) -> float:
    timeline.require_control()
    begun = timeline.time_of(mark)
    first = min((t for t in times if t >= begun), default=None)
    if first is None:
        raise Inconclusive(
            f"The measurement of {timeline.address} ended before it held {what}.",
            remedy="Run the check again; nothing is said about MetalLB.",
        )
    return first - begun
