"""From what a check raised to its outcome and its reason. No pytest state, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from clusters.checks import CheckFailed, Finding, NotSupported, Outcome
from clusters.errors import CleanupFailed, ConformanceError, Inconclusive
from suites.plugin.redacted_output import without_ends

Phase = Literal["setup", "call", "teardown"]


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
