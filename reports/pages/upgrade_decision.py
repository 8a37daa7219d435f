"""May tonight's upgrade start? The decision of a run that was given a target version, as page, Markdown and JSON.

It follows the run's verdict, so that it says the same as the exit code: what failed stops the upgrade, what was
not decided leaves it undecided. `upgrade.readiness` brings what there is to know besides.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from clusters import outbound
from clusters.check_ids import CheckId
from clusters.checks import CheckResult, Outcome, RunResult, Verdict
from clusters.checks.outcome import EVIDENCE
from clusters.commands import Command
from clusters.confinement import RefusedPath, Tree
from clusters.upgrade.decision_record import FILE, DecisionRecord, RuleRecord
from reports.markup import code, fenced, plain
from reports.model import write_text
from reports.pages.page_templates import rendered
from reports.wording import in_a_sentence

CHECK = CheckId.UPGRADE_READINESS
NAMES = ("decision.html", "decision.json", "decision.md")
_KEPT = f"{EVIDENCE}{CHECK}/{FILE}"
_WORDS = {
    Verdict.REFUSED: "The run was refused before anything was looked at.",
    Verdict.CLEANUP_FAILED: "The run could not clean up after itself.",
}


class Answer(StrEnum):
    """The decision."""

    GO = "GO"
    NO_GO = "NO-GO"
    UNDECIDED = "UNDECIDED"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why it is not GO. `stops` says that it is NO-GO; `check` is empty for what is about the run itself."""

    check: str
    text: str
    stops: bool
    subject: str = ""
    remedy: str = ""
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Heed:
    """What does not stop the upgrade and has to be known."""

    text: str
    consequence: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer with its reasons first. `rules` is every rule of the table with what it came to."""

    answer: Answer
    cluster: str
    current: str
    target: str
    run: str
    finished: str
    reasons: tuple[Reason, ...] = ()
    heed: tuple[Heed, ...] = ()
    rules: tuple[RuleRecord, ...] = ()

    @property
    def headline(self) -> str:
        """The answer, on what."""
        way = f"from {self.current or 'an unknown version'} to {self.target}"
        return f"{self.answer}: MetalLB on {self.cluster} {way}"


def decision_of(result: RunResult, *, directory: Path, target: str) -> Decision:
    """The decision of a run that was to prepare an upgrade to `target`."""
    readiness = next((one for one in result.checks if one.id == CHECK), None)
    kept = _kept(readiness, directory)
    # What is about the upgrade itself comes before what is wrong with the cluster.
    checks = sorted(result.checks, key=lambda one: one.id != CHECK)
    reasons = (*_stops(checks), *_open(result, readiness, checks))
    rules = kept.rules if kept else ()
    found = Decision(
        answer=_answer(reasons),
        cluster=result.run.cluster,
        current=result.run.metallb_version,
        target=kept.target if kept else target,
        run=result.run.id,
        finished=result.run.finished,
        reasons=reasons,
        heed=(*_to_expect(rules), *_accepted(checks)),
        rules=rules,
    )
    return outbound.record(found)


def writers(found: Decision, directory: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """What writes each of the decision's files."""
    page, data, text = (directory / name for name in NAMES)
    yield page.name, lambda: write_text(page, html(found))
    yield data.name, lambda: write_text(data, json.dumps(as_json(found), indent=1) + "\n")
    yield text.name, lambda: write_text(text, markdown(found))


def forget(directory: Path) -> None:
    """Remove the decision of an earlier run into the same directory: nobody may act on it any more."""
    for name in NAMES:
        (directory / name).unlink(missing_ok=True)


def as_json(found: Decision) -> dict[str, Any]:
    """The decision for machines."""
    data = asdict(replace(found, rules=()))
    rules = [rule.as_json() for rule in found.rules]
    return {"schema_version": 1, "verdict": str(data.pop("answer")), **data, "rules": rules}


def markdown(found: Decision) -> str:
    """The decision for a change request: the answer, its reasons, what to expect."""
    lines = [f"# {plain(found.headline)}", "", f"Run {code(found.run)}, {found.finished}."]
    for title, stops in (("What stops it", True), ("What is not known", False)):
        chosen = [one for one in found.reasons if one.stops is stops]
        lines += ["", f"## {title} ({len(chosen)})", ""] if chosen else []
        for one in chosen:
            lines += _reason(one)
    lines += ["", f"## What to expect ({len(found.heed)})", ""] if found.heed else []
    lines += [f"- {plain(one.text)} {plain(one.consequence)} **{plain(one.remedy)}**" for one in found.heed]
    return "\n".join(lines) + "\n"


def html(found: Decision) -> str:
    """The decision as one static page."""
    return rendered("decision.html.j2", found=found)


def brief(found: Decision) -> Iterator[str]:
    """The decision in a few lines of a terminal, after the run's own failures."""
    yield f"{found.headline} ({_counted(found)})"
    texts = Counter(one.text for one in found.reasons)
    for text, times in list(texts.items())[:_BRIEF]:
        yield f"  {text}" if times == 1 else f"  {text} ({times} times)"
    if rest := sum(list(texts.values())[_BRIEF:]):
        yield f"  and {rest} more reasons, see decision.html"


_BRIEF = 6


def _counted(found: Decision) -> str:
    stops = sum(one.stops for one in found.reasons)
    parts = [f"{stops} reasons against it" if stops != 1 else "1 reason against it"] if stops else []
    unknown = len(found.reasons) - stops
    parts += [f"{unknown} not known"] if unknown else []
    parts += [f"{len(found.heed)} to expect"] if found.heed else []
    return ", ".join(parts) or "no reason against it"


def _answer(reasons: tuple[Reason, ...]) -> Answer:
    if any(one.stops for one in reasons):
        return Answer.NO_GO
    return Answer.UNDECIDED if reasons else Answer.GO


def _stops(checks: list[CheckResult]) -> Iterator[Reason]:
    """What failed; a finding that only repeats another failed check's is reported there."""
    failed = [one for one in checks if one.outcome is Outcome.FAILED]
    names = {one.id for one in failed}
    any_cause = False
    for check in failed:
        for one in check.findings:
            if one.root not in names - {check.id}:
                any_cause = True
                yield Reason(
                    check=check.id,
                    text=in_a_sentence(one),
                    stops=True,
                    subject=one.subject,
                    remedy=one.remedy,
                    commands=one.commands,
                )
        if not check.findings:
            any_cause = True
            yield Reason(check=check.id, text=check.reason, stops=True)
    if failed and not any_cause:
        yield Reason(check=failed[0].id, text=failed[0].reason, stops=True)


def _open(result: RunResult, readiness: CheckResult | None, checks: list[CheckResult]) -> Iterator[Reason]:
    """What was not decided, and what says that nothing was."""
    if word := _WORDS.get(result.run.verdict):
        yield Reason(check="", text=word, stops=False)
    if readiness is None:
        yield Reason(
            check=CHECK,
            text="The upgrade itself was not assessed: upgrade.readiness was not run.",
            stops=False,
        )
    elif readiness.outcome in {Outcome.WAIVED, Outcome.NOT_SUPPORTED}:
        yield Reason(check=CHECK, text=readiness.reason, stops=False)
    for check in checks:
        if check.outcome in {Outcome.SKIPPED, Outcome.INCONCLUSIVE}:
            yield Reason(check=check.id, text=check.reason, stops=False)


def _to_expect(rules: Iterable[RuleRecord]) -> Iterator[Heed]:
    for rule in rules:
        for seen in rule.seen:
            if not seen.stops:
                yield Heed(text=seen.summary, consequence=rule.consequence, remedy=rule.remedy)


def _accepted(checks: Iterable[CheckResult]) -> Iterator[Heed]:
    """What the profile accepts for a time does not stop the upgrade, and whoever decides has to see it."""
    for check in checks:
        if check.outcome is Outcome.WAIVED and check.id != CHECK:
            yield Heed(
                text=f"{check.id} is {check.reason.rstrip('.')}.",
                consequence="The upgrade starts without it.",
                remedy="Take the waiver out of the profile to have it decide again.",
            )


def _kept(readiness: CheckResult | None, directory: Path) -> DecisionRecord | None:
    """What the check kept of every rule; None where it did not get that far in this run."""
    if readiness is None or _KEPT not in readiness.evidence:
        return None
    try:
        return DecisionRecord.read(Tree(directory, name="the run's directory").read(_KEPT))
    except (RefusedPath, OSError, ValueError):
        return None


def _reason(one: Reason) -> list[str]:
    lines = [f"- {plain(one.text)}" + (f" ({code(one.check)})" if one.check else "")]
    lines += [f"  {plain(one.remedy)}"] if one.remedy else []
    return lines + (["", *fenced(one.commands, indent="  ")] if one.commands else [])
