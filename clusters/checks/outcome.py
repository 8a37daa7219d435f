"""What a check found, as frozen data in the shape of results.json, and how it says that it did not pass.

The latter are exceptions, which carry findings or a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Literal, TypeVar

from clusters.checks.path_links import ServicePath
from clusters.commands import Command
from clusters.subject import Subject

_Word = TypeVar("_Word", bound=StrEnum)
#: The folder of a run's directory that every evidence file is under.
EVIDENCE = "evidence/"


class Outcome(StrEnum):
    """How one check ended. A probe without output is inconclusive, never passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SUPPORTED = "not_supported"
    SKIPPED = "skipped"
    INCONCLUSIVE = "inconclusive"
    WAIVED = "waived"


class Verdict(StrEnum):
    """How a whole run ended."""

    PASSED = "passed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"
    CLEANUP_FAILED = "cleanup-failed"


@cache
def word_of(kind: type[_Word], text: str) -> _Word:
    """The member of an enumeration that is called so; a word that it does not have comes back as it is.

    For what a newer release may have written: such a word is no member, equals none, and can still be shown.
    """
    try:
        return kind(text)
    except ValueError:
        word = str.__new__(kind, text)
        word._name_ = word._value_ = text
        return word


def is_known(word: StrEnum) -> bool:
    """Whether a word that `word_of` gave is one of its enumeration."""
    return word in type(word).__members__.values()


class Scope(StrEnum):
    """How far the trouble that a run found reaches."""

    NONE = "none"
    SERVICE = "service"
    POOL = "pool"
    CLUSTER = "cluster"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause with its proof.

    `cause` is an id of `clusters.checks.causes`; `subject` names the object ("service default/web",
    "pool metallb-pool", "node w1", "cluster"); `evidence` holds texts or paths relative to the run's
    directory; `commands` is what a person would type. `ruled_out` lists what was looked at and is not
    the cause. `root` is the id of the check that carries the root finding where this one only repeats it.
    """

    cause: str
    subject: Subject
    summary: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    commands: tuple[Command, ...] = ()
    ruled_out: tuple[str, ...] = ()
    root: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.subject, Subject):  # a text that has been written, or left as plain text
            object.__setattr__(self, "subject", Subject.read(self.subject))


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured figure: the worst sample, with all `samples`, and the budget it was judged by (or None).

    `worst` says which sample that is: the highest (times, losses; the budget is a most) or the lowest
    (counts that must be reached; the budget is a least).
    """

    value: float
    unit: str
    budget: float | None = None
    samples: tuple[float, ...] = ()
    worst: Literal["highest", "lowest"] = "highest"

    @property
    def within_budget(self) -> bool:
        """Whether the worst sample keeps the budget; without a budget it always does."""
        if self.budget is None:
            return True
        return self.value <= self.budget if self.worst == "highest" else self.value >= self.budget


#: The figures of a consumer that was asked while something was disturbed; {} is its "namespace/name".
CONSUMER_FIGURES: Mapping[str, str] = {
    "longest": "gap of consumer {}",
    "total": "gaps of consumer {} together",
    "failed": "requests of consumer {} failed",
    "cut": "requests of consumer {} cut",
}


def consumer_figure(name: str) -> tuple[str, str] | None:
    """Which of a consumer's figures has this name, and whose it is; None for any other figure."""
    for figure, pattern in CONSUMER_FIGURES.items():
        before, after = pattern.split("{}")
        service = name.removeprefix(before).removesuffix(after)
        if name == pattern.format(service) and service.count("/") == 1 and " " not in service:
            return figure, service
    return None


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check's outcome in one run. `reason` is empty only for passed. `started` is RFC 3339, UTC."""

    id: str
    title: str
    runbook: tuple[str, ...]
    level: str
    outcome: Outcome
    reason: str = ""
    started: str = ""
    duration_s: float = 0.0
    findings: tuple[Finding, ...] = ()
    measurements: dict[str, Measurement] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Which run this was: of which suite, against which cluster, how far it was allowed to go.

    `maintenance` are the declared hours of work on the cluster that it fell into, "" for none.
    """

    id: str
    started: str
    finished: str
    cluster: str
    provider: str
    context: str
    allow: str
    kubernetes_version: str
    metallb_version: str
    suite_version: str
    vantage: str
    verdict: Verdict
    scope: Scope
    maintenance: str = ""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A whole run: what results.json holds. `not_tested` is (check id, reason) pairs.

    `paths` are those of the services that were in trouble when the run looked at the cluster.
    """

    run: RunInfo
    checks: tuple[CheckResult, ...]
    not_tested: tuple[tuple[str, str], ...]
    schema_version: int = 1
    paths: tuple[ServicePath, ...] = ()


class CheckFailed(Exception):  # noqa: N818 - it is a verdict on the cluster, not an error of the program
    """A promise does not hold, for the causes that `findings` name. The text is written for a person."""

    def __init__(self, findings: Finding | Sequence[Finding]) -> None:
        found = (findings,) if isinstance(findings, Finding) else tuple(findings)
        if not found:
            raise ValueError("A failed check names at least one finding.")
        super().__init__("\n".join(describe(finding) for finding in found))
        self.findings = found


class NotSupported(Exception):  # noqa: N818 - as above
    """What the check looks at does not exist in this version or variant; the text says since when it does."""


def is_evidence_path(text: str) -> bool:
    """Whether a text among evidence is a path relative to the run's directory, not something to read.

    It names a file in a folder of `EVIDENCE`: what would lead out of it, wherever a page is opened, is none.
    """
    parts = text.split("/")
    below = text.startswith(EVIDENCE) and len(parts) > 2 and not {"", ".", ".."} & set(parts)
    return below and text.isprintable() and not set(text) & set(" \\")


def describe(finding: Finding) -> str:
    """A finding as a few plain lines: cause and subject, what was seen, what to do, what to type."""
    lines = [f"{finding.cause}: {finding.subject}: {finding.summary}"]
    seen = [text for text in finding.evidence if not is_evidence_path(text)]
    lines += [f"  seen: {line}" for text in seen for line in text.splitlines()]
    lines += [f"  ruled out: {text}" for text in finding.ruled_out]
    if finding.remedy:
        lines.append(f"  remedy: {finding.remedy}")
    lines += [f"  $ {command}" for command in finding.commands]
    return "\n".join(lines)
