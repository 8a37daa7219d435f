"""What a failover may cost, by how the announcer went away, and what one that was measured must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clusters import budgets
from clusters.budgets import Budget
from clusters.diagnosis.symptoms import Symptom
from clusters.vantage import failover
from clusters.vantage.failover import Failover
from clusters.vantage.timeline import Timeline
from suites.plugin.record import Record
from suites.scenes.announced import Announced


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Budgets by figure; `moves` says whether the address is to move at all."""

    budgets: Mapping[str, Budget]
    moves: bool = True
    lossless: bool = False

    def seconds(self) -> dict[str, float]:
        """The limit of every limited figure, in seconds."""
        limits = {figure: budgets.get(budget).within for figure, budget in self.budgets.items()}
        return limits | ({"failed requests": 0.0} if self.lossless else {})


GRACEFUL = Limits(
    budgets={
        "address moved after": budgets.FAILED_OVER_GRACEFUL,
        "gap of the address": budgets.NOBODY_ANSWERS_GRACEFUL,
        "gap of the service": budgets.TRAFFIC_GAP_GRACEFUL,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "back on its node after": budgets.FAILED_BACK,
    }
)
KILLED = Limits(
    budgets={
        "address moved after": budgets.FAILED_OVER_KILLED,
        "gap of the address": budgets.FAILED_OVER_KILLED,
        "gap of the service": budgets.TRAFFIC_GAP_KILLED,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "two nodes answering after the return": budgets.DOUBLE_ANSWERS_OVERLAP,
        "back on its node after": budgets.FAILED_BACK,
    }
)
LOST = Limits(
    budgets={
        "address moved after": budgets.FAILED_OVER_NODE_LOST,
        "gap of the address": budgets.FAILED_OVER_NODE_LOST,
        "gap of the service": budgets.TRAFFIC_GAP_NODE_LOST,
        "service steady again after": budgets.SERVICE_RECOVERED_AFTER_NODE_LOST,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "two nodes answering after the return": budgets.DOUBLE_ANSWERS_REJOINED,
        "back on its node after": budgets.FAILED_BACK,
    }
)
EXCLUDED = Limits(
    budgets={
        "address moved after": budgets.MOVED_ON_EXCLUSION,
        "gap of the address": budgets.TRAFFIC_GAP_EXCLUDED,
        "gap of the service": budgets.TRAFFIC_GAP_EXCLUDED,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "back on its node after": budgets.MOVED_ON_EXCLUSION,
    },
    lossless=True,
)
RESTARTED = Limits(
    budgets={"gap of the service": budgets.TRAFFIC_GAP_CONTROLLER_RESTART}, moves=False, lossless=True
)


def expect_failover(announced: Announced, timeline: Timeline, limits: Limits, record: Record) -> Failover:
    """Keep every figure of a failover and raise BrokenPromise where it did not happen as promised.

    Figures over their budget are told by the record when the check has ended, so all of them are kept first.
    """
    seen = announced.failover(timeline)
    failover.record(seen, record, limits.seconds())
    turns = " → ".join(seen.owners) or "nobody"
    record.note(f"{announced.address} was answered by {turns}")
    if seen.unseen:
        record.note(seen.unseen)
    outsiders = sorted(set(seen.owners) - set(announced.wire.macs.nodes.values()))
    if outsiders:
        text = f"a host outside the cluster answered ARP for {announced.address}: {', '.join(outsiders)} ({turns})"
        raise announced.broken_promise(Symptom.WRONG_ANNOUNCER, text)
    if limits.moves and seen.moved_after is None:
        text = f"{seen.before} went away and nobody else answered for {announced.address} ({turns})"
        raise announced.broken_promise(Symptom.NOT_MOVED, text)
    if not limits.moves and len(set(seen.owners)) > 1:
        raise announced.broken_promise(
            Symptom.WRONG_ANNOUNCER, f"the announcer changed ({turns}) although no node failed"
        )
    expected = announced.predicted()
    if seen.last_owner != expected:
        text = f"it ended on {seen.last_owner}, the election says {expected} ({turns})"
        raise announced.broken_promise(Symptom.NOT_BACK, text)
    return seen
