"""Requests that a move itself cuts: under way at the very moment, on a connection that the new node does not know.

Connection tracking is each node's own. Packets of a connection that stands go to the new owner from the first
gratuitous ARP on; it has no entry for them, and the client gets a reset. No announcer can spare them that, so they
are told apart from requests that failed before or after.
"""

from __future__ import annotations

from collections.abc import Iterator

from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import Attempt

_RESET = "reset"


def resets_caused_by_move(timeline: Timeline, *, since: float) -> tuple[Attempt, ...]:
    """The attempts begun at `since` or later that were reset while the client began to send to another machine."""
    moments = tuple(_moments(timeline, since))
    return tuple(
        one
        for one in timeline.attempts
        if one.t >= since
        and one.error == _RESET
        and any(one.t <= last and first <= one.ended for first, last in moments)
    )


def _moments(timeline: Timeline, since: float) -> Iterator[tuple[float, float]]:
    """From when to when each move may have been: by gratuitous ARP, or else between two looks at the kernel's table."""
    if not timeline.gratuitous:
        yield from ((change.t - timeline.every, change.t) for change in timeline.learned_changes)
        return
    owner = timeline.owner_at(since)
    for one in timeline.gratuitous:
        if one.t >= since:
            if one.mac != owner:
                yield one.t, one.t
            owner = one.mac
