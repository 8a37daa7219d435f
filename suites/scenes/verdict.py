"""What a failover may cost, by how the announcer went away, and the judgement of one that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clusters import budgets
from clusters.vantage import failover
from clusters.vantage.failover import Failover
from clusters.vantage.timeline import Timeline
from suites.plugin.record import Record
from suites.scenes.announced import Announced
from suites.scenes.trouble import Symptom


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Names of budgets by figure; `moves` says whether the address is to move at all."""

    budgets: Mapping[str, str]
    moves: bool = True
    lossless: bool = False

    def seconds(self) -> dict[str, float]:
        """The limit of every judged figure, in seconds."""
        limits = {figure: budgets.get(name).within for figure, name in self.budgets.items()}
        return limits | ({"failed requests": 0.0} if self.lossless else {})


GRACEFUL = Limits(
    budgets={
        "address moved after": "failed_over_graceful",
        "gap of the address": "nobody_answers_graceful",
        "gap of the service": "traffic_gap_graceful",
        "two nodes answering": "double_answers_overlap",
        "back on its node after": "failed_back",
    }
)
KILLED = Limits(
    budgets={
        "address moved after": "failed_over_killed",
        "gap of the address": "failed_over_killed",
        "gap of the service": "traffic_gap_killed",
        "two nodes answering": "double_answers_overlap",
        "two nodes answering after the return": "double_answers_overlap",
        "back on its node after": "failed_back",
    }
)
LOST = Limits(
    budgets={
        "address moved after": "failed_over_node_lost",
        "gap of the address": "failed_over_node_lost",
        "gap of the service": "traffic_gap_node_lost",
        "service steady again after": "service_recovered_after_node_lost",
        "two nodes answering": "double_answers_overlap",
        "two nodes answering after the return": "double_answers_rejoined",
        "back on its node after": "failed_back",
    }
)
EXCLUDED = Limits(
    budgets={
        "address moved after": "moved_on_exclusion",
        "gap of the address": "traffic_gap_excluded",
        "gap of the service": "traffic_gap_excluded",
        "two nodes answering": "double_answers_overlap",
        "back on its node after": "moved_on_exclusion",
    },
    lossless=True,
)
RESTARTED = Limits(
    budgets={"gap of the service": "traffic_gap_controller_restart"}, moves=False, lossless=True
)


def judge(announced: Announced, timeline: Timeline, limits: Limits, record: Record) -> Failover:
    """Keep every figure of a failover and raise Trouble where it did not happen as promised.

    Figures over their budget are told by the record when the check has ended, so all of them are kept first.
    """
    seen = announced.failover(timeline)
    failover.record(seen, record, limits.seconds())
    turns = " → ".join(seen.owners) or "nobody"
    record.note(f"{announced.address} was answered by {turns}")
    if seen.unseen:
        record.note(seen.unseen)
    strangers = sorted(set(seen.owners) - set(announced.wire.macs.nodes.values()))
    if strangers:
        text = f"{', '.join(strangers)}, which is no node, answered for {announced.address} ({turns})"
        raise announced.trouble(Symptom.WRONG_ANNOUNCER, text)
    if limits.moves and seen.moved_after is None:
        text = f"{seen.before} went away and nobody else answered for {announced.address} ({turns})"
        raise announced.trouble(Symptom.NOT_MOVED, text)
    if not limits.moves and len(set(seen.owners)) > 1:
        raise announced.trouble(
            Symptom.WRONG_ANNOUNCER, f"the address moved ({turns}), which nothing called for"
        )
    expected = announced.predicted()
    if seen.last_owner != expected:
        text = f"it ended on {seen.last_owner}, the election says {expected} ({turns})"
        raise announced.trouble(Symptom.NOT_BACK, text)
    return seen
