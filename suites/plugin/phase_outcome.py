"""From what a check raised to its outcome, its reason, and the findings that explain it. No pytest state, no I/O.

A failure that names no cause is explained by whoever knows how: it registers an explainer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from clusters.cause_ids import CauseId
from clusters.checks import CheckFailed, CheckSpec, Finding, NotSupported, Outcome
from clusters.checks.causes import CAUSES
from clusters.commands import commands, fields_of
from clusters.errors import CleanupFailed, ConformanceError, Inconclusive
from clusters.subject import CLUSTER
from suites.plugin.redacted_output import without_ends

Phase = Literal["setup", "call", "teardown"]
#: Takes the failed item and what was raised, and returns the findings that explain it, or none.
Explainer = Callable[[pytest.Item, BaseException], Sequence[Finding]]

UNEXPLAINED = CauseId.UNEXPLAINED
_EXPLAINERS: list[Explainer] = []


@dataclass(frozen=True, kw_only=True)
class PhaseOutcome:
    """What one phase of an item says. `claim` is true where a promise, not the harness, did not hold."""

    outcome: Outcome
    reason: str
    findings: tuple[Finding, ...] = ()
    claim: bool = False
    broken: bool = False
    cleanup_failed: bool = False

    @property
    def acceptable(self) -> bool:
        """Whether a waiver can cover it: a promise that does not hold, or what this cluster does not let us decide."""
        if self.outcome is Outcome.FAILED:
            return self.claim
        return self.outcome in {Outcome.SKIPPED, Outcome.INCONCLUSIVE} and not self.broken


def outcome_of(error: BaseException, phase: Phase) -> PhaseOutcome:
    """The outcome that an exception in a phase means.

    A clean-up that failed fails the check, wherever it was raised. CheckFailed fails it in any phase; a
    claim that did not hold (an assertion, a budget) fails it in the body, and in the set-up only means
    that the check could not be decided. Whatever else goes wrong says nothing about MetalLB.
    """
    chain = tuple(_chain(error))
    cleanup = next((one for one in chain if isinstance(one, CleanupFailed)), None)
    failed = next((one for one in chain if isinstance(one, CheckFailed)), None)
    if cleanup or phase == "teardown":
        return _cleanup(cleanup or error, failed)
    if failed:
        reason = failed.findings[0].summary
        return PhaseOutcome(outcome=Outcome.FAILED, reason=reason, findings=failed.findings, claim=True)
    return _undeclared(_leaf(error), phase)


def _undeclared(error: BaseException, phase: Phase) -> PhaseOutcome:
    if isinstance(error, pytest.skip.Exception):
        return PhaseOutcome(outcome=Outcome.SKIPPED, reason=sentence(error))
    if isinstance(error, NotSupported):
        return PhaseOutcome(outcome=Outcome.NOT_SUPPORTED, reason=sentence(error))
    if isinstance(error, AssertionError | pytest.fail.Exception):
        if phase == "setup":
            return PhaseOutcome(
                outcome=Outcome.INCONCLUSIVE, reason=f"set-up failed: {sentence(error)}", claim=True
            )
        return PhaseOutcome(outcome=Outcome.FAILED, reason=sentence(error), claim=True)
    if isinstance(error, Inconclusive | ConformanceError):
        return PhaseOutcome(outcome=Outcome.INCONCLUSIVE, reason=sentence(error))
    reason = f"the check itself broke: {type(error).__name__}: {sentence(error)}"
    return PhaseOutcome(outcome=Outcome.INCONCLUSIVE, reason=reason, broken=True)


def _cleanup(error: BaseException, failed: CheckFailed | None) -> PhaseOutcome:
    text = sentence(_leaf(error)) or type(error).__name__
    return PhaseOutcome(
        outcome=Outcome.FAILED,
        reason=f"clean-up failed: {text}",
        findings=failed.findings if failed else (),
        cleanup_failed=isinstance(error, CleanupFailed),
        broken=not isinstance(error, ConformanceError | AssertionError),
    )


def sentence(error: BaseException) -> str:
    """The first line of an exception's text."""
    text = str(error.msg) if isinstance(error, pytest.skip.Exception) else str(error)
    if isinstance(error, AssertionError):
        text = without_ends(text)
    return text.strip().partition("\n")[0].strip()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, those inside a group, and what was being handled when each was raised."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        waiting.extend(link for link in (one.__cause__, one.__context__) if link is not None)


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def explainer(function: Explainer) -> Explainer:
    """Register a function that turns a plain failure into findings; the first that finds any is taken."""
    if function not in _EXPLAINERS:
        _EXPLAINERS.append(function)
    return function


def explain(item: pytest.Item, error: BaseException) -> tuple[tuple[Finding, ...], str]:
    """The findings for a failure, and what went wrong in finding them: no explainer masks a failure."""
    faults = []
    for function in _EXPLAINERS:
        try:
            found = tuple(function(item, error))
        except Exception as fault:  # noqa: BLE001 - the failure itself counts, not the attempt to explain it
            faults.append(f"the diagnosis broke: {type(fault).__name__}: {fault}")
            continue
        if found:
            return found, "; ".join(faults)
    return (), "; ".join(faults)


def unexplained(summary: str) -> Finding:
    """The finding for a failure whose cause nobody could name."""
    return Finding(cause=UNEXPLAINED, subject=CLUSTER, summary=summary)


def over_budget(summary: str) -> Finding:
    """The finding for a figure that breaks its budget where nothing else was found wrong."""
    return Finding(cause=CauseId.OVER_BUDGET, subject=CLUSTER, summary=summary)


def completed(finding: Finding, spec: CheckSpec, *, namespace: str, overlay: str = "") -> Finding:
    """The finding with the remedy and the commands of its cause where it names none.

    `namespace` is MetalLB's, `overlay` the folder of the cluster's overlay; the rest of what the commands name is
    taken from the finding's subject.
    """
    known = CAUSES.get(finding.cause)
    fields = {"metallb_namespace": namespace, "overlay": overlay, **fields_of(finding.subject)}
    own = commands(spec.commands, **fields)
    of_cause = known.render(**fields) if known else ()
    typed = (own or of_cause) if finding.cause == UNEXPLAINED else (of_cause or own)
    return replace(
        finding,
        remedy=finding.remedy or (known.remedy if known else ""),
        commands=finding.commands or typed,
    )
