"""A run to report on: every outcome once, with texts that a careless page would take for markup."""

from __future__ import annotations

import pytest

from clusters.checks import CheckResult, Finding, Measurement, Outcome, RunInfo, RunResult, Scope, Verdict

INFO = RunInfo(
    id="20260101-000000-ab12",
    started="2026-01-01T00:00:00Z",
    finished="2026-01-01T00:04:10Z",
    cluster="lab",
    provider="lab",
    context="lab",
    allow="disrupt",
    kubernetes_version="v1.34.4",
    metallb_version="0.15.2",
    suite_version="0.1.0",
    vantage="netns:client",
    verdict=Verdict.FAILED,
    scope=Scope.CLUSTER,
)


def result_of(check_id: str, outcome: Outcome, reason: str = "", **more: object) -> CheckResult:
    area, _, name = check_id.partition(".")
    return CheckResult(
        id=check_id,
        title=f"{name} of {area}",
        runbook=("2.1",),
        level="observe",
        outcome=outcome,
        reason=reason,
        started="2026-01-01T00:00:01.5Z",
        duration_s=1.25,
        **more,  # type: ignore[arg-type]  # the fields of a CheckResult
    )


@pytest.fixture
def run() -> RunResult:
    """A run that failed."""
    return failed_run()


def failed_run() -> RunResult:
    finding = Finding(
        cause="speaker-down",
        subject="node w1",
        summary='its speaker says "<script>alert(1)</script>"',
        evidence=("w1: not ready", "evidence/failover.moves/speaker.log"),
        remedy="Delete the pod & wait.",
        commands=("kubectl get pods -o wide | grep -v '<none>'", "kubectl delete pod speaker-x"),
        ruled_out=("memberlist: all members agree",),
    )
    repeated = Finding(
        cause="speaker-down",
        subject="node w1",
        summary="the same",
        root="failover.moves",
        remedy="See there.",
    )
    figures = {
        "moved after": Measurement(value=12.5, unit="s", budget=10.0, samples=(0.2, 12.5)),
        "gap": Measurement(value=0.12, unit="s", budget=2.0, samples=(0.12,)),
        "announcements": Measurement(value=1, unit="frames", budget=2, samples=(1,), worst="lowest"),
        "answers": Measurement(value=120, unit="frames"),
    }
    return RunResult(
        run=INFO,
        checks=(
            result_of("health.passes", Outcome.PASSED, evidence=("a note | with a bar",)),
            result_of(
                "failover.moves",
                Outcome.FAILED,
                "its speaker is not ready",
                findings=(finding,),
                measurements=figures,
                evidence=("evidence/failover.moves/speaker.log",),
            ),
            result_of("traffic.repeats", Outcome.FAILED, "the same", findings=(repeated,)),
            result_of("health.unsure", Outcome.INCONCLUSIVE, "The probe gave no output."),
            result_of("overlay.repository", Outcome.SKIPPED, "needs the GitOps repository"),
            result_of("health.waived", Outcome.WAIVED, "waived until 2026-02-01: known"),
            result_of("health.state", Outcome.NOT_SUPPORTED, "needs MetalLB 0.15.3 or newer"),
        ),
        not_tested=(
            ("recovery.reapply", "needs --allow disrupt"),
            ("rollback.drill", "needs --allow disrupt"),
        ),
    )
