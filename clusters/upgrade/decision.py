"""Going through the table: GO, NO-GO or UNDECIDED, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from clusters.checks import CheckFailed, Finding
from clusters.commands import commands, fields_of
from clusters.errors import Inconclusive
from clusters.metallb.versions import NEWEST
from clusters.upgrade import config_rules, manifest_rules, speaker_rules, version_rules
from clusters.upgrade.decision_record import DecisionRecord, RuleRecord, SightingRecord
from clusters.upgrade.rule import Rule, Sighting, Situation

RULES: tuple[Rule, ...] = (
    *version_rules.RULES,
    *config_rules.RULES,
    *manifest_rules.RULES,
    *speaker_rules.RULES,
)
"""The whole table of what is known to break on the way from one MetalLB version to another."""


class Verdict(StrEnum):
    """Whether the upgrade may start."""

    GO = "GO"
    NO_GO = "NO-GO"
    UNDECIDED = "UNDECIDED"


class Result(StrEnum):
    """What one rule says of this upgrade, worst first."""

    STOPS = "stops"
    UNKNOWN = "unknown"
    HEED = "heed"
    CLEAR = "clear"
    ELSEWHERE = "not about this upgrade"


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """One rule with what it saw; `unknown` is the sentence that says why it could not tell."""

    rule: Rule
    about: bool
    seen: tuple[Sighting, ...] = ()
    unknown: str = ""

    @property
    def result(self) -> Result:
        """What that comes to."""
        if any(each.stops for each in self.seen):
            return Result.STOPS
        if self.unknown:
            return Result.UNKNOWN
        if self.seen:
            return Result.HEED
        return Result.CLEAR if self.about else Result.ELSEWHERE


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Every ruling, and what no rule can know: `beyond` is empty, or why the table does not reach."""

    situation: Situation
    rulings: tuple[Ruling, ...]
    beyond: str = ""

    @property
    def verdict(self) -> Verdict:
        """NO-GO for whatever stops it, UNDECIDED for what is not known, else GO."""
        results = {each.result for each in self.rulings}
        if Result.STOPS in results:
            return Verdict.NO_GO
        return Verdict.UNDECIDED if self.beyond or Result.UNKNOWN in results else Verdict.GO

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What stops the upgrade, each with its remedy."""
        namespace = self.situation.snapshot.metallb_namespace
        return tuple(
            _finding(each.rule, seen, namespace) for each in self.rulings for seen in each.seen if seen.stops
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be told, a sentence each, once each."""
        told = (each.unknown for each in self.rulings if each.result is Result.UNKNOWN)
        return tuple(dict.fromkeys(filter(None, (self.beyond, *told))))

    @property
    def heed(self) -> Iterator[tuple[Rule, Sighting]]:
        """What does not stop it and has to be known."""
        for each in self.rulings:
            yield from ((each.rule, seen) for seen in each.seen if not seen.stops)

    @property
    def record(self) -> DecisionRecord:
        """The decision as it is kept."""
        namespace = self.situation.snapshot.metallb_namespace
        return DecisionRecord(
            verdict=str(self.verdict),
            current=str(self.situation.current or ""),
            target=str(self.situation.target),
            unknown=self.unknown,
            rules=tuple(_rule_record(each, namespace) for each in self.rulings),
        )


def decide(situation: Situation, rules: Iterable[Rule] = RULES) -> Decision:
    """Look at a situation by every rule. Never raises for what could not be seen: that is part of the decision."""
    return Decision(
        situation=situation,
        rulings=tuple(_ruling(each, situation) for each in rules),
        beyond=_beyond(situation),
    )


def conclude(found: Decision) -> None:
    """Return for GO. Raises CheckFailed for what stops the upgrade, Inconclusive for what is not known."""
    if found.findings:
        raise CheckFailed(found.findings)
    if found.verdict is not Verdict.GO:
        raise Inconclusive(" ".join(found.unknown))


def _beyond(situation: Situation) -> str:
    current, target = situation.current, situation.target
    if target > NEWEST:
        return f"MetalLB {target} is newer than the newest release that this suite knows, {NEWEST}."
    if current is None:
        return "The running MetalLB's images name no version, so the version to upgrade from is not known."
    if current > NEWEST:
        return f"MetalLB {current} runs, which is newer than what this suite knows."
    if current > target:
        return f"MetalLB {current} runs; nothing is known about a downgrade to {target}."
    return ""


def _ruling(rule: Rule, situation: Situation) -> Ruling:
    about = rule.about(situation)
    if about is False:
        return Ruling(rule=rule, about=False)
    if about is None:
        return Ruling(rule=rule, about=True, unknown=_beyond(situation))
    try:
        return Ruling(rule=rule, about=True, seen=tuple(rule.look(situation)))
    except Inconclusive as error:
        return Ruling(rule=rule, about=True, unknown=str(error))


def _finding(rule: Rule, seen: Sighting, namespace: str) -> Finding:
    return Finding(
        cause=rule.cause,
        subject=seen.subject,
        summary=f"{seen.summary} {rule.consequence}",
        evidence=(*seen.lines, f"rule {rule.id}: {rule.source}"),
        remedy=rule.remedy,
        commands=commands(rule.commands, metallb_namespace=namespace, **fields_of(seen.subject)),
    )


def _rule_record(each: Ruling, namespace: str) -> RuleRecord:
    rule = each.rule
    return RuleRecord(
        id=rule.id,
        result=str(each.result),
        current=rule.current or "any",
        target=rule.target or "any",
        condition=rule.condition,
        consequence=rule.consequence,
        remedy=rule.remedy,
        commands=tuple(commands(rule.commands, metallb_namespace=namespace)),
        source=rule.source,
        cause=rule.cause,
        unknown=each.unknown,
        seen=tuple(
            SightingRecord(subject=one.subject, summary=one.summary, evidence=one.lines, stops=one.stops)
            for one in each.seen
        ),
    )
