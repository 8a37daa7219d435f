"""From an exception and a phase to an outcome and a reason."""

from __future__ import annotations

import pytest

from clusters.checks import CheckFailed, Finding, NotSupported, Outcome
from clusters.errors import CleanupFailed, Inconclusive, UsageError
from suites.plugin.phase_outcome import Phase, outcome_of

FINDING = Finding(cause="speaker-down", subject="node w1", summary="it is not ready")


def raised_while(handling: BaseException, error: BaseException) -> BaseException:
    try:
        try:
            raise handling
        except type(handling):
            raise error  # noqa: B904 - the context is what is tested
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "phase", "outcome", "reason"),
    [
        (CheckFailed(FINDING), "call", Outcome.FAILED, "it is not ready"),
        (CheckFailed(FINDING), "setup", Outcome.FAILED, "it is not ready"),
        (AssertionError("3 nodes answer\nmore"), "call", Outcome.FAILED, "3 nodes answer"),
        (AssertionError("no address"), "setup", Outcome.INCONCLUSIVE, "set-up failed: no address"),
        (pytest.fail.Exception("no"), "call", Outcome.FAILED, "no"),
        (Inconclusive("No output."), "call", Outcome.INCONCLUSIVE, "No output."),
        (UsageError("Bad."), "call", Outcome.INCONCLUSIVE, "Bad."),
        (NotSupported("needs 0.15"), "setup", Outcome.NOT_SUPPORTED, "needs 0.15"),
        (pytest.skip.Exception("no repository"), "setup", Outcome.SKIPPED, "no repository"),
        (KeyError("x"), "call", Outcome.INCONCLUSIVE, "the check itself broke: KeyError: 'x'"),
        (AssertionError("still tainted"), "teardown", Outcome.FAILED, "clean-up failed: still tainted"),
        (CleanupFailed("A taint."), "call", Outcome.FAILED, "clean-up failed: A taint."),
    ],
)
def test_an_exception_means_an_outcome(
    error: BaseException, phase: Phase, outcome: Outcome, reason: str
) -> None:
    found = outcome_of(error, phase)

    assert (found.outcome, found.reason) == (outcome, reason)


def test_only_a_mistake_of_ours_counts_as_a_broken_check() -> None:
    assert outcome_of(KeyError("x"), "call").broken
    assert outcome_of(ValueError("x"), "teardown").broken
    assert not outcome_of(AssertionError("x"), "call").broken
    assert not outcome_of(CleanupFailed("x"), "teardown").broken


def test_a_clean_up_that_fails_in_a_failing_body_keeps_the_causes() -> None:
    error = raised_while(CheckFailed(FINDING), CleanupFailed("The taint is still there."))

    found = outcome_of(error, "call")

    assert found.cleanup_failed
    assert found.findings == (FINDING,)


def test_a_clean_up_is_found_in_a_group_of_fixtures_that_failed() -> None:
    error = ExceptionGroup("teardown", [ValueError("x"), CleanupFailed("The label is still there.")])

    assert outcome_of(error, "teardown").cleanup_failed
    assert outcome_of(error, "teardown").reason == "clean-up failed: The label is still there."


def test_causes_survive_what_is_raised_while_leaving_the_body() -> None:
    found = outcome_of(raised_while(CheckFailed(FINDING), AssertionError("not ready again")), "call")

    assert (found.outcome, found.findings) == (Outcome.FAILED, (FINDING,))
