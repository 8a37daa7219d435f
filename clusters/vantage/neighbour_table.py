"""A failover as a client without privileges sees it: its requests, and whom its own kernel took for the owner.

The kernel believes in one machine an address, and hears of another by its gratuitous ARP, or by asking when the
old one does not answer any more. So a move is seen when this client would follow it. Two machines that answer at
once, the gap of the address itself, and gratuitous ARP are not seen: only raw sockets show them.
"""

from __future__ import annotations

from collections.abc import Sequence

from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import Learned, Mac

UNSEEN = (
    "without raw sockets it was not seen whether two machines answered at once, for how long nobody answered for the "
    "address, nor any gratuitous ARP"
)


def applies(timeline: Timeline) -> bool:
    """Whether the wire was not asked, but the kernel's table was read."""
    return not timeline.requests and any(one.mac for one in timeline.learned)


def owners(timeline: Timeline) -> tuple[Mac, ...]:
    """The owners in turn, as the kernel believed in them."""
    turns: list[Mac] = []
    for one in _known(timeline.learned):
        if not turns or turns[-1] != one.mac:
            turns.append(one.mac)
    return tuple(turns)


def owner_at(timeline: Timeline, t: float) -> Mac | None:
    """Whom the kernel took for the owner at a time; None before it knew any."""
    earlier = [one.mac for one in _known(timeline.learned) if one.t <= t]
    return earlier[-1] if earlier else None


def moved_after(timeline: Timeline, t: float, *, to: Mac | None = None) -> float | None:
    """Seconds from a time until the kernel took another machine (`to`, where given) for the owner; None if never."""
    moves = (one.t for one in timeline.learned_changes if one.t >= t and to in (None, one.after))
    return next((moved - t for moved in moves), None)


def alone_for(timeline: Timeline, mac_of_owner: frozenset[Mac]) -> float:
    """How long (s) one of these has been the kernel's owner at the end of a timeline, with no failed request."""
    known = _known(timeline.learned)
    if not known or known[-1].mac not in mac_of_owner:
        return 0.0
    since = next(
        (later.t for earlier, later in zip(reversed(known[:-1]), reversed(known), strict=False)
         if earlier.mac != later.mac),
        known[0].t,
    )  # fmt: skip
    failed = [attempt.ended for attempt in timeline.attempts if not attempt.ok]
    return max(0.0, timeline.ended - max([since, *failed]))


def _known(learned: Sequence[Learned]) -> list[Learned]:
    return [one for one in learned if one.mac]
