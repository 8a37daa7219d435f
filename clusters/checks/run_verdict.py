"""From the outcomes of items to a check's, from checks to a run's verdict, scope and exit code, and to a fleet's.

A fleet are several clusters side by side, one run each. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clusters.checks.causes import CAUSES
from clusters.checks.outcome import CheckResult, Finding, Measurement, Outcome, Scope, Verdict
from clusters.errors import ExitCode
from clusters.subject import Subject

#: Worst first: what one repetition or variant says holds for its check when the others say less.
SEVERITY = (
    Outcome.FAILED,
    Outcome.INCONCLUSIVE,
    Outcome.SKIPPED,
    Outcome.WAIVED,
    Outcome.NOT_SUPPORTED,
    Outcome.PASSED,
)
_UNDECIDED = frozenset({Outcome.SKIPPED, Outcome.INCONCLUSIVE})
_EXIT_CODES = {
    Verdict.PASSED: ExitCode.PASSED,
    Verdict.FAILED: ExitCode.FAILED,
    Verdict.INCOMPLETE: ExitCode.INCOMPLETE,
    Verdict.REFUSED: ExitCode.REFUSED,
    Verdict.CLEANUP_FAILED: ExitCode.CLEANUP_FAILED,
}
_SCOPES = {"service": Scope.SERVICE, "pool": Scope.POOL, "advertisement": Scope.POOL}


def merge(parts: Sequence[CheckResult]) -> CheckResult:
    """One result from a check's repetitions and variants, in the order they were run.

    The worst outcome holds, with its reason; findings and evidence are kept once each; measurements of
    one name keep every sample and the worst value; durations add up.
    """
    worst = min(parts, key=lambda part: SEVERITY.index(part.outcome))
    return replace(
        worst,
        started=min((part.started for part in parts if part.started), default=""),
        duration_s=sum(part.duration_s for part in parts),
        findings=_merged_findings(parts),
        measurements=_merged_measurements(parts),
        evidence=tuple(dict.fromkeys(one for part in parts for one in part.evidence)),
    )


def verdict(checks: Iterable[CheckResult], *, cleanup_failed: bool = False, refused: bool = False) -> Verdict:
    """The run's verdict. A failed clean-up outranks everything, a failed check an undecided one."""
    outcomes = {check.outcome for check in checks}
    if cleanup_failed:
        return Verdict.CLEANUP_FAILED
    if refused:
        return Verdict.REFUSED
    if Outcome.FAILED in outcomes:
        return Verdict.FAILED
    return Verdict.INCOMPLETE if outcomes & _UNDECIDED or not outcomes else Verdict.PASSED


def exit_code(reached: Verdict) -> ExitCode:
    """What a command returns for a verdict."""
    return _EXIT_CODES[reached]


def scope(checks: Iterable[CheckResult]) -> Scope:
    """How far what failed reaches: the widest of the causes found holds.

    Findings that only repeat another check's root do not count.
    """
    order = list(Scope)
    found = [
        reach(finding.cause, finding.subject)
        for check in checks
        if check.outcome is Outcome.FAILED
        for finding in check.findings
        if not finding.root
    ]
    return max(found, key=order.index, default=Scope.NONE)


def reach(cause: str, subject: Subject) -> Scope:
    """How far one cause reaches that was found at one subject: a service, a pool, or anything else, which is all.

    It reaches as far as its subject at least: a host that replies for a pool's free address concerns the pool. A
    cause that touches nobody stays so, and one that is not in the list reaches as far as its subject.
    """
    known = CAUSES.get(cause)
    at = _SCOPES.get(subject.kind.lower())
    if known is None or (known.narrowed_by_subject and at is not None):
        return at or Scope.CLUSTER
    if known.scope is Scope.NONE or at is None:
        return known.scope
    return max(known.scope, at, key=list(Scope).index)


def _merged_findings(parts: Sequence[CheckResult]) -> tuple[Finding, ...]:
    """Each cause and subject once, as it was first told, with the evidence of all repetitions."""
    merged: dict[tuple[str, str], Finding] = {}
    for finding in (one for part in parts for one in part.findings):
        key = (finding.cause, finding.subject)
        known = merged.get(key, finding)
        evidence = tuple(dict.fromkeys((*known.evidence, *finding.evidence)))
        merged[key] = replace(known, evidence=evidence)
    return tuple(merged.values())


def _merged_measurements(parts: Sequence[CheckResult]) -> dict[str, Measurement]:
    merged: dict[str, Measurement] = {}
    for part in parts:
        for name, one in part.measurements.items():
            merged[name] = together(merged[name], one) if name in merged else one
    return merged


def together(first: Measurement, second: Measurement) -> Measurement:
    """Two measurements of one name as one: all samples, the worse value."""
    worse = max if first.worst == "highest" else min
    samples = (first.samples or (first.value,)) + (second.samples or (second.value,))
    return replace(first, value=worse(first.value, second.value), samples=samples)


#: Worst first. A cluster whose run was killed by us counts as 7: nobody has seen what it left.
WORST = (
    ExitCode.CLEANUP_FAILED,
    ExitCode.FAILED,
    ExitCode.INTERNAL_ERROR,
    ExitCode.INTERRUPTED,
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.INCOMPLETE,
    ExitCode.NOTHING_COLLECTED,
    ExitCode.PASSED,
)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One cluster's run in a fleet. `cluster` is the profile's name, `directory` where its files are.

    `trouble` is "" for a run that ended by itself, else how it was ended. `words` is the end of what it printed.
    """

    cluster: str
    directory: Path
    code: int
    seconds: float
    trouble: str = ""
    words: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """Its exit code; a run that ended by a signal has failed to say how it went."""
        known = {int(code) for code in ExitCode}
        if self.code in known:
            return ExitCode(self.code)
        return ExitCode.CLEANUP_FAILED if self.code < 0 else ExitCode.INTERNAL_ERROR


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code of the whole."""
    return min(codes, key=WORST.index, default=ExitCode.NOTHING_COLLECTED)
