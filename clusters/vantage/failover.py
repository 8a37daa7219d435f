"""One failover, or the appearance of a new address, as it looked from outside the cluster.

Pure: a timeline in, figures out; times are seconds.

A client without privileges has its requests, and whom its own kernel took for the owner. The kernel believes in one
machine an address, and hears of another by its gratuitous ARP, or by asking when the old one does not answer any more.
So a move is seen when this client would follow it. Two machines that answer at once, the gap of the address itself,
and gratuitous ARP are not seen: only raw sockets show them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from clusters.errors import Inconclusive
from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import Attempt, Learned, Mac

FAULT = "fault"
RESTORED = "restored"

#: The figures that say for how long two nodes answered for one address.
OVERLAP, OVERLAP_AFTER_RETURN = "two nodes answering", "two nodes answering after the return"
OVERLAPS = frozenset({OVERLAP, OVERLAP_AFTER_RETURN})

_RESET = "reset"
#: What a vantage without raw sockets does not see.
UNSEEN = (
    "without raw sockets it was not seen whether two machines answered at once, for how long nobody answered for the "
    "address, nor any gratuitous ARP"
)


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
    (see `_resets_caused_by_move`); `overlap` the longest time in which two machines answered, until the
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
    if _known_by_kernel_alone(timeline):
        return _by_kernel(timeline, nodes)
    timeline.require_control()
    fault = timeline.time_of(FAULT)
    marks = {mark.name for mark in timeline.marks}
    after = timeline.between(FAULT)
    away = timeline.between(FAULT, RESTORED if RESTORED in marks else None)
    old = timeline.owner_at(FAULT)
    reset = len(_resets_caused_by_move(timeline, since=fault))
    first_other = min(
        (reply.t for reply in timeline.answers if reply.t >= fault and reply.mac != old), default=None
    )
    announced = [one.t for one in timeline.gratuitous_after(FAULT) if one.mac != old]
    return Failover(
        before=node_name(old, nodes),
        owners=tuple(node_name(span.mac, nodes) for span in timeline.spans),
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
    old = _owner_learned_at(timeline, fault)
    reset = len(_resets_caused_by_move(timeline, since=fault))
    back = timeline.time_of(RESTORED) if RESTORED in marks else fault
    return Failover(
        before=node_name(old, nodes),
        owners=tuple(node_name(mac, nodes) for mac in _owners_learned(timeline)),
        moved_after=_move_learned_after(timeline, fault),
        address_gap=None,
        service_gap=after.outages.longest,
        service_gap_total=after.outages.total,
        failed=sum(not attempt.ok for attempt in after.attempts) - reset,
        cut=reset,
        overlap=None,
        overlap_after_return=None,
        gratuitous_after=None,
        back_after=_move_learned_after(timeline, back, to=old) if old else None,
        steady_after=_steady_after(away, fault),
        unseen=UNSEEN,
    )


def baseline(timeline: Timeline) -> int:
    """How many requests in a row were served at the end of a timeline in which somebody answers; else 0."""
    if timeline.owner_at(timeline.ended) is None and not _known_by_kernel_alone(timeline):
        return 0
    failed = [attempt.t for attempt in timeline.attempts if not attempt.ok]
    return sum(attempt.t > max(failed, default=-1.0) for attempt in timeline.attempts)


def settled_for(timeline: Timeline, owner: str, nodes: Mapping[Mac, str]) -> float:
    """How long (s) `owner` alone has answered every question, at the end of a timeline."""
    if _known_by_kernel_alone(timeline):
        return _learned_alone_for(timeline, frozenset(mac for mac, node in nodes.items() if node == owner))
    alone = timeline.ended
    # The last question may not be answered yet.
    for asked in reversed(timeline.rounds[:-1]):
        if {node_name(mac, nodes) for mac in asked.macs} != {owner}:
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


def node_name(mac: Mac | None, nodes: Mapping[Mac, str]) -> str:
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


def _resets_caused_by_move(timeline: Timeline, *, since: float) -> tuple[Attempt, ...]:
    """The attempts begun at `since` or later that were reset while the client began to send to another machine.

    Connection tracking is each node's own. Packets of a connection that stands go to the new owner from the first
    gratuitous ARP on; it has no entry for them, and the client gets a reset. No announcer can spare them that, so they
    are told apart from requests that failed before or after.
    """
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


def answered(timeline: Timeline, mark: str) -> float:
    """Until somebody first answered for the address; without raw sockets, until the kernel had learnt of one."""
    times = [one.t for one in timeline.answers]
    if _known_by_kernel_alone(timeline):
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
    if not _known_by_kernel_alone(timeline):
        timeline.require_control()
    begun = timeline.time_of(mark)
    first = min((t for t in times if t >= begun), default=None)
    if first is None:
        raise Inconclusive(
            f"The measurement of {timeline.address} ended before it held {what}.",
            remedy="Run the check again; nothing is said about MetalLB.",
        )
    return first - begun


def _known_by_kernel_alone(timeline: Timeline) -> bool:
    """Whether the wire was not asked, but the kernel's table was read."""
    return not timeline.requests and any(one.mac for one in timeline.learned)


def _owners_learned(timeline: Timeline) -> tuple[Mac, ...]:
    """The owners in turn, as the kernel believed in them."""
    turns: list[Mac] = []
    for one in _known(timeline.learned):
        if not turns or turns[-1] != one.mac:
            turns.append(one.mac)
    return tuple(turns)


def _owner_learned_at(timeline: Timeline, t: float) -> Mac | None:
    """Whom the kernel took for the owner at a time; None before it knew any."""
    earlier = [one.mac for one in _known(timeline.learned) if one.t <= t]
    return earlier[-1] if earlier else None


def _move_learned_after(timeline: Timeline, t: float, *, to: Mac | None = None) -> float | None:
    """Seconds from a time until the kernel took another machine (`to`, where given) for the owner; None if never."""
    moves = (one.t for one in timeline.learned_changes if one.t >= t and to in (None, one.after))
    return next((moved - t for moved in moves), None)


def _learned_alone_for(timeline: Timeline, mac_of_owner: frozenset[Mac]) -> float:
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
