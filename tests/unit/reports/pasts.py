"""A past to render: four earlier nights of the run in conftest, one of them killed."""

from __future__ import annotations

from clusters.checks import Outcome, Verdict
from reports.attribution import Attribution
from reports.history.comparison import Change, Comparison, EarlierRun, FailingDifferently, Move, Regression
from reports.history.history_view import HistoryView
from reports.history.standings import Standing

P, F = Outcome.PASSED, Outcome.FAILED


def _run(day: int, verdict: Verdict | None) -> EarlierRun:
    return EarlierRun(
        id=f"202512{day}-000000-aaaa",
        finished=f"2025-12-{day}T00:05:00Z",
        verdict=verdict,
        metallb_version="0.15.2",
        kubernetes_version="v1.34.4",
    )


RUNS = (
    _run(28, Verdict.PASSED),
    _run(29, Verdict.PASSED),
    _run(30, None),
    _run(31, Verdict.FAILED),
)


def _validated(check: str, **more: object) -> Standing:
    return Standing(
        cluster="lab",
        check=check,
        title="x",
        runbook=("1",),
        metallb_version="0.15.2",
        kubernetes_version="v1.34.4",
        last_at="2026-01-01T00:04:10Z",
        last_outcome=P,
        **more,  # type: ignore[arg-type]  # the fields of Standing
    )


PAST = HistoryView(
    runs=RUNS,
    comparison=Comparison(
        against="the previous run",
        run=RUNS[-1],
        newly_failing=(Change(check="failover.moves", before=P, after=F, reason="its speaker is not ready"),),
        failing_differently=(
            FailingDifferently(
                check="traffic.repeats",
                before=(Attribution("speaker-down", "node w1"),),
                after=(Attribution("node-not-ready", "node w1"),),
                reason="the node is gone",
            ),
        ),
        fixed=(Change(check="health.passes", before=F, after=P),),
        newly_untested=(Change(check="overlay.repository", before=P, after=None),),
        regressions=(
            Regression(
                check="failover.moves",
                figure="moved after",
                unit="s",
                before=2.0,
                after=12.5,
                usual=(1.8, 2.4),
            ),
        ),
        moves=(Move(subject="service default/web", before=("172.30.0.10",), after=("172.30.0.11",)),),
        reconfigured=("IPAddressPool metallb-pool has other addresses.",),
    ),
    strips={"health.passes": (P, P, None, F), "failover.moves": (P, F, None, P)},
    trends={("failover.moves", "moved after"): (1.8, 2.4, None, 2.0)},
    standings=(
        _validated("health.passes", validated_at="2026-01-01T00:04:10Z", failed_at="2025-12-31T00:05:00Z"),
        _validated(
            "failover.moves",
            validated_at="2025-12-31T00:05:00Z",
            failed_at="2026-01-01T00:04:10Z",
            failures=2,
            since="2025-12-31T09:00:00Z",
        ),
        _validated("overlay.repository", validated_at="2025-12-29T00:05:00Z"),
    ),
    as_of="2026-01-01T00:04:10Z",
)
