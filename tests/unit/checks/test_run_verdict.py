"""From items to checks, from checks to a verdict, a scope and an exit code."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.checks import CheckResult, Finding, Measurement, Outcome, Scope, Verdict
from clusters.checks.run_verdict import SEVERITY, exit_code, merge, scope, verdict
from clusters.errors import ExitCode


def part(outcome: Outcome, *causes: str, subject: str = "service default/web", root: str = "") -> CheckResult:
    findings = tuple(Finding(cause=one, subject=subject, summary="x", root=root) for one in causes)
    return CheckResult(
        id="health.x",
        title="X",
        runbook=("1",),
        level="observe",
        outcome=outcome,
        reason="" if outcome is Outcome.PASSED else str(outcome),
        duration_s=1.0,
        findings=findings,
    )


def measured(value: float, **more: object) -> CheckResult:
    figure = Measurement(value=value, unit="s", samples=(value,), **more)  # type: ignore[arg-type]  # its fields
    return CheckResult(
        id="health.x",
        title="X",
        runbook=("1",),
        level="observe",
        outcome=Outcome.PASSED,
        started=f"2026-01-01T00:00:0{value:.0f}Z",
        measurements={"gap": figure},
    )


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=5))
def test_the_worst_of_the_repetitions_holds_in_any_order(outcomes: Sequence[Outcome]) -> None:
    merged = merge([part(one) for one in outcomes])

    assert merged.outcome == min(outcomes, key=SEVERITY.index)
    assert merged.reason == ("" if merged.outcome is Outcome.PASSED else str(merged.outcome))
    assert merged.duration_s == len(outcomes)


def test_every_outcome_has_its_place() -> None:
    assert set(SEVERITY) == set(Outcome)


@pytest.mark.parametrize("order", list(itertools.permutations((2.0, 1.0, 3.0))))
def test_the_worst_sample_is_the_value_and_all_are_kept(order: Sequence[float]) -> None:
    highest = merge([measured(one) for one in order]).measurements["gap"]
    lowest = merge([measured(one, worst="lowest") for one in order]).measurements["gap"]

    assert (highest.value, lowest.value) == (3.0, 1.0)
    assert highest.samples == lowest.samples == tuple(order)
    assert merge([measured(one) for one in order]).started == "2026-01-01T00:00:01Z"


def test_one_cause_of_one_subject_is_told_once() -> None:
    merged = merge(
        [part(Outcome.FAILED, "speaker-down", "pool-missing"), part(Outcome.FAILED, "speaker-down")]
    )

    assert [one.cause for one in merged.findings] == ["speaker-down", "pool-missing"]


@pytest.mark.parametrize(
    ("outcomes", "flags", "expected"),
    [
        ([Outcome.PASSED, Outcome.WAIVED, Outcome.NOT_SUPPORTED], {}, Verdict.PASSED),
        ([Outcome.PASSED, Outcome.SKIPPED], {}, Verdict.INCOMPLETE),
        ([Outcome.PASSED, Outcome.INCONCLUSIVE], {}, Verdict.INCOMPLETE),
        ([], {}, Verdict.INCOMPLETE),
        ([Outcome.INCONCLUSIVE, Outcome.FAILED], {}, Verdict.FAILED),
        ([Outcome.PASSED], {"cleanup_failed": True}, Verdict.CLEANUP_FAILED),
        ([Outcome.FAILED], {"cleanup_failed": True}, Verdict.CLEANUP_FAILED),
        ([], {"refused": True}, Verdict.REFUSED),
        ([], {"refused": True, "cleanup_failed": True}, Verdict.CLEANUP_FAILED),
    ],
)
def test_the_verdict_is_the_worst_that_happened(
    outcomes: Sequence[Outcome], flags: dict[str, bool], expected: Verdict
) -> None:
    assert verdict([part(one) for one in outcomes], **flags) is expected


def test_each_verdict_has_its_exit_code() -> None:
    assert {one: exit_code(one) for one in Verdict} == {
        Verdict.PASSED: ExitCode.PASSED,
        Verdict.FAILED: ExitCode.FAILED,
        Verdict.INCOMPLETE: ExitCode.INCOMPLETE,
        Verdict.REFUSED: ExitCode.REFUSED,
        Verdict.CLEANUP_FAILED: ExitCode.CLEANUP_FAILED,
    }


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([part(Outcome.PASSED)], Scope.NONE),
        ([part(Outcome.WAIVED, "controller-down")], Scope.NONE),
        ([part(Outcome.FAILED, "requested-taken")], Scope.SERVICE),
        ([part(Outcome.FAILED, "requested-taken"), part(Outcome.FAILED, "pool-exhausted")], Scope.POOL),
        ([part(Outcome.FAILED, "pool-exhausted", "controller-down")], Scope.CLUSTER),
        ([part(Outcome.FAILED, "controller-down", root="health.pods-ready")], Scope.NONE),
        ([part(Outcome.FAILED, "not-in-the-list")], Scope.SERVICE),
        ([part(Outcome.FAILED, "foreign-responder", subject="pool edge")], Scope.POOL),
        ([part(Outcome.FAILED, "config-rejected", subject="advertisement twice")], Scope.CLUSTER),
        ([part(Outcome.FAILED, "pool-missing", subject="service shop/web")], Scope.SERVICE),
        ([part(Outcome.FAILED, "pool-missing", subject="cluster")], Scope.CLUSTER),
        ([part(Outcome.FAILED, "change-undocumented", subject="pool edge")], Scope.NONE),
        ([part(Outcome.FAILED, "not-in-the-list", subject="pool edge")], Scope.POOL),
        ([part(Outcome.FAILED, "not-in-the-list", subject="node w1")], Scope.CLUSTER),
    ],
)
def test_the_widest_cause_is_the_scope(checks: list[CheckResult], expected: Scope) -> None:
    assert scope(checks) is expected
