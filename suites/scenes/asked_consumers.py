"""The profile's consumers while something is disturbed: asked as their probes say, and what they missed.

Only those that kept their promise before are asked, by one probe each, five times a second (`consumer_every`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from clusters import budgets
from clusters.api import Api
from clusters.api.resources import SERVICES
from clusters.budgets import Budget
from clusters.checks.outcome import CONSUMER_FIGURES, consumer_figure
from clusters.diagnosis import consumers
from clusters.observation import consumer_probes, expectations
from clusters.observation.consumer_probes import Question
from clusters.observation.snapshot import ConsumerAnswer, Objects, Snapshot, Status
from clusters.profile import Profile
from clusters.vantage.base import Vantage
from clusters.vantage.failover import FAULT
from clusters.vantage.targets import Asked
from clusters.vantage.timeline import Timeline
from clusters.vantage.watch import Measurement
from suites.plugin.record import Record
from suites.plugin.upgrade_state import ConsumerGaps

MOST_ASKED = 6
"""Consumers that are asked through a disturbance; a note says where there are more."""
#: Which of a consumer's probes says most of what its users get.
_RANK = ("https", "http", "dns", "udp", "tcp", "quic")
_WITHOUT_STATUS = (*range(200, 400), 401, 403)


@dataclass(frozen=True)
class Consumers:
    """The consumers that a profile names, on one cluster, asked from one vantage."""

    api: Api
    profile: Profile
    vantage: Vantage

    def answers(self) -> dict[Question, ConsumerAnswer]:
        """What all of them answer now."""
        wanted = self._questions()
        return dict(zip(wanted, consumer_probes.asked(wanted, self.vantage), strict=True))

    def keeping(self) -> frozenset[str]:
        """Those of which every answer keeps what was promised now, by "namespace/name"."""
        answers = self.answers()
        broken = {
            each.service for each, answer in answers.items() if answer.error or consumers.unkept(answer)
        }
        return frozenset(each.service for each in answers) - broken

    def unkept(self, services: frozenset[str]) -> list[str]:
        """What the answers of these services do not keep now, a sentence each; one without any answer is told too."""
        if not services:
            return []
        answers = {each: answer for each, answer in self.answers().items() if each.service in services}
        silent = services - {each.service for each in answers}
        found = [f"consumer {service} holds no address to ask" for service in sorted(silent)]
        for each, answer in answers.items():
            why = consumers.unkept(answer)
            if why or answer.error:
                found.append(f"consumer {each.service}: {why or f'{consumers.url(answer)} gave no answer'}")
        return found

    def to_ask(self, record: Record) -> tuple[Asked, ...]:
        """What is asked through a measurement: of each that keeps its promise now, its best probe at each address."""
        best: dict[tuple[str, str], Question] = {}
        answers = self.answers()
        for each, answer in answers.items():
            if why := consumers.unkept(answer) or answer.error:
                record.note(
                    f"consumer {each.service} is not measured, for it does not serve to begin with: {why}"
                )
                continue
            known = best.get((each.service, each.address))
            if known is None or _rank(each) < _rank(known):
                best[each.service, each.address] = each
        if len(best) > MOST_ASKED:
            record.note(f"{MOST_ASKED} of {len(best)} addresses of consumers were measured")
        return tuple(_asked(each) for each in list(best.values())[:MOST_ASKED])

    def _questions(self) -> tuple[Question, ...]:
        if not self.profile.consumers:
            return ()
        found = [raw for raw in self.api.list(SERVICES) if raw["spec"].get("type") == "LoadBalancer"]
        for raw in found:
            raw.setdefault("status", {})
        return consumer_probes.questions(
            Snapshot(
                taken_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
                expectations=expectations.of(self.profile),
                services=Objects(status=Status.OK, items=tuple(found)),
            )
        )


def _rank(question: Question) -> int:
    return _RANK.index(question.probe.protocol)


def _asked(question: Question) -> Asked:
    probe = question.probe
    expected: tuple[int, ...] = ()
    if probe.protocol in ("http", "https") and not probe.by_default:
        expected = probe.status or _WITHOUT_STATUS
    return Asked(
        service=question.service,
        request=question.request,
        every=budgets.seconds(budgets.CONSUMER_EVERY),
        expected=(0,) if probe.protocol == "dns" else expected,
        holds=probe.body or probe.expect,
    )


def missed(asked: Asked, whole: Timeline) -> ConsumerGaps:
    """What a consumer's users missed. Times count from the fault on, where one is marked."""
    after = whole.between(FAULT) if FAULT in {mark.name for mark in whole.marks} else whole
    outages = after.outages
    return ConsumerGaps(
        service=asked.service,
        longest=outages.longest,
        total=outages.total,
        cut=sum(attempt.error == "reset" for attempt in after.attempts),
        failed=sum(not attempt.ok for attempt in after.attempts),
        sent=len(after.attempts),
        by=asked.name,
    )


def record_gaps(seen: Measurement, record: Record, *, budget: Budget | None = None) -> None:
    """Keep for each consumer the longest time without a kept promise, all of them together, and what was cut.

    The longest one is judged where there is a budget.
    """
    for asked, whole in seen.answers:
        if not whole.attempts:
            record.note(
                f"consumer {asked.service} was not asked by {asked.name}: the vantage did not come to it"
            )
            continue
        record_missed(missed(asked, whole), record, budget=budget)


def record_missed(found: ConsumerGaps, record: Record, *, budget: Budget | None = None) -> None:
    """Keep one consumer's figures; the longest time is judged where there is a budget.

    Figures of several addresses of a consumer are one, the worst: the notes tell them apart.
    """
    limit = budgets.get(budget).within if budget else None
    for figure, name in CONSUMER_FIGURES.items():
        unit, judged = ("s", figure == "longest") if figure in ("longest", "total") else ("requests", False)
        value = float(getattr(found, figure))
        record.measure(name.format(found.service), value, unit=unit, budget=limit if judged else None)
    gap = f"longest gap {found.longest:.1f} s of {found.total:.1f} s" if found.total else "no gap seen"
    record.note(
        f"consumer {found.service} by {found.by}: {found.failed} of {found.sent} requests failed, {found.cut} of them "
        f"cut; {gap}"
    )


def consumer_of(figures: frozenset[str]) -> str:
    """The consumer of whom one of these figures is, "" where none is."""
    found = (consumer_figure(each) for each in sorted(figures))
    return next((figure[1] for figure in found if figure), "")
