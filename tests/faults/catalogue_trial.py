"""What came of one fault: what the checks said of it, with raw sockets and without, and what they had to say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from clusters.checks import Finding, Outcome
from tests.faults.catalogue_fault import SUMMARIES, Fault, Less
from tests.faults.catalogue_judging import Looked, told
from tests.faults.confusion import Case

_SILENT = frozenset({Outcome.PASSED, Outcome.NOT_SUPPORTED, Outcome.WAIVED})
#: The check that nobody can decide well without raw sockets, and what it says then.
ALONE, UNHEARD = "traffic.single-announcer", "raw sockets"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was said of one fault. `missed` are checks that stayed silent, `misnamed` those with another cause.

    `missaid` are sentences on what says something else than it must. `named` are all causes that any check named,
    `declared` those of them that the fault says to be true consequences of it.
    """

    fault: Fault
    missed: tuple[str, ...] = ()
    misnamed: tuple[str, ...] = ()
    missaid: tuple[str, ...] = ()
    unrelated: tuple[str, ...] = ()
    named: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()

    @property
    def detected(self) -> bool:
        """Whether any of the checks that must fail did."""
        return len(self.missed) < len(self.fault.shows)

    @property
    def right(self) -> bool:
        """Whether all of them failed, with the cause and subject that they must name."""
        return not (self.missed or self.misnamed)

    @property
    def wrong(self) -> str:
        """What is not as it must be, a line each; empty where all is."""
        lines = [f"{check} stays silent" for check in self.missed]
        lines += [f"{check} does not name {self.fault.cause}" for check in self.misnamed]
        lines += self.missaid
        lines += [f"unrelated: {each}" for each in self.unrelated]
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one fault: with raw sockets, and `ordinary` without, None where nobody looked so.

    `seconds` are those until all was silent again; `again` those of them for the look without raw sockets.
    `combination` is the key of the kind of cluster that it was made on.
    """

    told: Told
    ordinary: Told | None = None
    seconds: float
    again: float = 0.0
    combination: str = ""

    @classmethod
    def broken(cls, fault: Fault, why: str, *, seconds: float) -> Self:
        """A fault that could not be made, or not mended."""
        return cls(told=Told(fault=fault, missed=tuple(fault.shows), missaid=(why,)), seconds=seconds)

    @property
    def case(self) -> Case:
        """What it counts for in the confusion table: the look with raw sockets."""
        return Case(self.fault.cause, self.told.named, self.told.declared)

    @property
    def fault(self) -> Fault:
        """What was made."""
        return self.told.fault

    @property
    def named(self) -> bool:
        """Whether it was told without raw sockets, and by its own cause."""
        plain = self.ordinary
        return bool(plain and plain.detected and plain.right and plain.fault.cause == self.fault.cause)

    @property
    def wrong(self) -> str:
        """What is not as it must be, a line each; empty where all is."""
        plain = self.ordinary.wrong.splitlines() if self.ordinary else ()
        return "\n".join([*self.told.wrong.splitlines(), *(f"without raw sockets: {line}" for line in plain)])


def judge(fault: Fault, looked: Looked) -> Told:
    """Judge one look at a fault."""
    failed = {check for check, _ in looked.found}
    named = {check for check, finding in looked.found if _names(fault, check, finding)}
    return Told(
        fault=fault,
        missed=tuple(check for check in fault.shows if check not in failed),
        misnamed=tuple(check for check in fault.shows if check in failed - named),
        missaid=tuple(_missaid(fault, looked)),
        unrelated=tuple(_unrelated(fault, looked)),
        named=frozenset(finding.cause for _, finding in looked.found),
        declared=_declared(fault, looked),
    )


def judge_ordinary(fault: Fault, looked: Looked) -> Told:
    """Judge one look at a fault without raw sockets: what is not seen has to come out as it is declared."""
    less = fault.less or Less(why="", cause=fault.cause, shows=fault.shows, says=fault.says)
    if fault.less and not {check for check, _ in looked.found} & set(less.shows):
        less = Less(why=less.why)
    expected = replace(
        fault,
        cause=less.cause or fault.cause,
        shows=less.shows,
        says=less.says,
        undecided=fault.undecided | ({ALONE} | set(fault.shows)) - set(less.shows),
    )
    found = judge(expected, looked)
    return replace(found, missaid=(*found.missaid, *_overclaimed(fault, less, looked)))


def _overclaimed(fault: Fault, less: Less, looked: Looked) -> Iterator[str]:
    """Checks that pass where they can tell nothing without raw sockets, or are undecided for another reason."""
    unseen = ({ALONE} | set(fault.shows)) - set(less.shows)
    for check in sorted(unseen):
        outcome, reason = looked.outcomes[check], looked.reasons[check]
        if outcome is Outcome.FAILED or check in fault.undecided:
            continue  # a finding is judged by its cause
        if outcome is not Outcome.INCONCLUSIVE or (check == ALONE and UNHEARD not in reason):
            yield f"{check} must be inconclusive for want of raw sockets, and is {outcome}: {reason}"


def unexpected(looked: Looked) -> list[str]:
    """What is said of a healthy set-up without raw sockets, but for the one check that nobody can decide so."""
    lines = [line for line in looked.trouble if not line.startswith(f"{ALONE}: {Outcome.INCONCLUSIVE}: ")]
    if looked.outcomes[ALONE] is Outcome.PASSED or UNHEARD not in looked.reasons[ALONE]:
        lines.append(f"{ALONE}: {looked.outcomes[ALONE]}: {looked.reasons[ALONE]}")
    return [f"without raw sockets: {line}" for line in lines]


def _names(fault: Fault, check: str, finding: Finding) -> bool:
    subject = fault.shows.get(check)
    return (
        subject is not None and finding.cause == fault.cause and bool(re.fullmatch(subject, finding.subject))
    )


def _missaid(fault: Fault, looked: Looked) -> Iterator[str]:
    if fault.says is None:
        return
    for check, pattern in fault.says.notes.items():
        said = next(iter(looked.notes[check]), "")
        if not re.match(pattern, said):
            yield f"{check} must say {pattern!r}, and says {said!r}"


def _unrelated(fault: Fault, looked: Looked) -> Iterator[str]:
    for check, finding in looked.found:
        if not (
            _names(fault, check, finding) or _refers(fault, check, finding) or _also(fault, check, finding)
        ):
            yield told(check, finding)
    for check, outcome in looked.outcomes.items():
        if outcome not in _SILENT and outcome is not Outcome.FAILED and check not in fault.undecided:
            yield f"{check}: {outcome}: {looked.reasons[check]}"


def _refers(fault: Fault, check: str, finding: Finding) -> bool:
    """Whether it tells of the same cause and says at which check the root is, or sums up."""
    return finding.cause == fault.cause and (finding.root in fault.shows or check in SUMMARIES)


def _also(fault: Fault, check: str, finding: Finding) -> bool:
    return any(
        each.check == check and each.cause == finding.cause and re.fullmatch(each.subject, finding.subject)
        for each in fault.also
    )


def _declared(fault: Fault, looked: Looked) -> frozenset[str]:
    """The causes that are named as declared consequences alone."""
    beside = {finding.cause for check, finding in looked.found if _also(fault, check, finding)}
    others = {finding.cause for check, finding in looked.found if not _also(fault, check, finding)}
    return frozenset(beside - others - {fault.cause})
