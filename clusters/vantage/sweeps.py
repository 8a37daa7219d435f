"""Tries at many targets in turns: in which order, how long that may take, and whose each one was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clusters import budgets
from clusters.vantage import asking
from clusters.vantage.agent.paced_tries import AT_ONCE
from clusters.vantage.messages import Message
from clusters.vantage.vantage_data import Attempt

#: How much of an answer is kept: enough for what kube-proxy says of its health.
BODY = 512


def order(counts: Sequence[int]) -> list[int]:
    """Indexes of the targets, each as often as its count says, in turns."""
    return [
        number
        for turn in range(max(counts, default=0))
        for number, count in enumerate(counts)
        if turn < count
    ]


def limit(tries: int, *, every: float, timeout: float) -> float:
    """Seconds after which it is over in any case: each try in its turn, and all of them waiting in vain."""
    return tries * every + tries / AT_ONCE * timeout + timeout + budgets.seconds(budgets.PROBES_ENDED)


def by_target(
    messages: Iterable[Message], order: Sequence[int], targets: int
) -> tuple[tuple[Attempt, ...], ...]:
    """The attempts of each target, in the order in which they were begun."""
    found: list[list[Attempt]] = [[] for _ in range(targets)]
    known = [one for one in messages if 0 <= one["n"] < len(order)]
    for message, attempt in zip(known, asking.attempts_of(known, began_ns=0), strict=True):
        found[order[message["n"]]].append(attempt)
    return tuple(tuple(sorted(each, key=lambda one: one.t)) for each in found)
