"""The ledger: what is known of a run at any moment of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.checks import CheckResult, CheckSpec, Level, Outcome, Place, Verdict, may
from suites.plugin.ledger import NOT_REACHED, Ledger, Part, Plan
from suites.plugin.running import Run, told


def spec(name: str) -> CheckSpec:
    return CheckSpec(id=name, title="X", promise="X.", runbook=("1",), level=Level.OBSERVE)


def part(name: str, outcome: Outcome = Outcome.PASSED, *, cleanup_failed: bool = False) -> Part:
    reason = "" if outcome is Outcome.PASSED else "no"
    result = CheckResult(
        id=name, title="X", runbook=("1",), level="observe", outcome=outcome, reason=reason, duration_s=1.0
    )
    return Part(result=result, cleanup_failed=cleanup_failed)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    settings: Any = SimpleNamespace(
        profile=SimpleNamespace(name="lab", provider="lab"),
        run_id="r1",
        started="2026-01-01T00:00:00Z",
        level=Level.OBSERVE,
        directory=tmp_path,
    )
    names = ("health.a", "health.b")
    plan = Plan(
        checks={name: spec(name) for name in names},
        items={"health.a": 2, "health.b": 1},
        not_tested=(("failover.c", "needs --allow disrupt"),),
    )
    return Ledger(settings, plan)


def outcomes(ledger: Ledger) -> dict[str, str]:
    return {check.id: str(check.outcome) for check in ledger.result().checks}


def test_what_is_not_reached_is_skipped(ledger: Ledger) -> None:
    assert outcomes(ledger) == {"health.a": "skipped", "health.b": "skipped"}
    assert ledger.result().checks[0].reason == NOT_REACHED
    assert ledger.result().run.verdict is Verdict.INCOMPLETE


def test_a_check_has_passed_when_all_of_its_repetitions_have(ledger: Ledger) -> None:
    ledger.add(part("health.a"))
    ledger.add(part("health.b"))
    assert outcomes(ledger) == {"health.a": "skipped", "health.b": "passed"}

    ledger.add(part("health.a"))
    assert outcomes(ledger) == {"health.a": "passed", "health.b": "passed"}
    assert ledger.result().run.verdict is Verdict.PASSED
    assert ledger.result().checks[0].duration_s == 2.0


def test_one_repetition_that_fails_fails_it_at_once(ledger: Ledger) -> None:
    ledger.add(part("health.a", Outcome.FAILED))

    assert outcomes(ledger)["health.a"] == "failed"
    assert ledger.result().run.verdict is Verdict.FAILED


def test_an_unclean_check_makes_the_run_unclean(ledger: Ledger) -> None:
    ledger.add(part("health.b", Outcome.FAILED, cleanup_failed=True))

    assert ledger.result().run.verdict is Verdict.CLEANUP_FAILED


def test_a_refused_run_has_tested_nothing(ledger: Ledger) -> None:
    ledger.refused = "2 reasons not to start:\n  1. One.\n  2. Two."

    result = ledger.result()
    assert result.checks == ()
    assert dict(result.not_tested) == {
        "failover.c": "needs --allow disrupt",
        "health.a": "the run was refused: 2 reasons not to start",
        "health.b": "the run was refused: 2 reasons not to start",
    }


def test_what_a_run_says_of_itself_has_no_secret_and_nothing_that_acts(ledger: Ledger) -> None:
    ledger.context, ledger.vantage = "admin\u202e@prod", "ssh://root:hunter2@probe"
    ledger.refused = "password: hunter2\nmore"

    result = ledger.result()

    assert (result.run.context, result.run.vantage) == ("admin\\u202e@prod", "ssh://<redacted>@probe")
    assert dict(result.not_tested)["health.a"] == "the run was refused: password: <redacted>"


def test_an_error_of_this_suite_s_own_is_told_with_its_place_and_without_secrets() -> None:
    with pytest.raises(ValueError, match="hunter2") as caught:
        int("https://bob:hunter2@example.org \x1b[2J")
    text = told(caught.value)

    assert "test_ledger.py" in text
    assert "'https://<redacted>@example.org \\x1b[2J'" in text


def test_the_logs_of_machines_are_kept_without_secrets(ledger: Ledger, tmp_path: Path) -> None:
    def exported(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "kubelet.log").write_text("Authorization: Bearer hunter2-token\n")

    ledger.settings.evidence = tmp_path / "evidence"  # type: ignore[misc]  # a stand-in for settings
    run = Run(ledger.settings)
    run.ledger = ledger
    ledger.add(part("health.a", Outcome.FAILED))
    run.__dict__["cluster"] = SimpleNamespace(export_logs=exported)

    assert "the machines' logs are in" in run.keep_machine_logs()
    assert (tmp_path / "evidence" / "lab" / "kubelet.log").read_text() == "Authorization: <redacted>\n"


def test_a_plan_reaches_the_controller_as_it_was(ledger: Ledger, tmp_path: Path) -> None:
    ledger.plan.write(tmp_path)

    assert Plan.read(tmp_path) == ledger.plan
    assert Plan.read(tmp_path / "elsewhere").checks == {}


def test_a_part_travels_as_text() -> None:
    whole = part("health.a", Outcome.FAILED, cleanup_failed=True)

    assert Part.from_text(whole.to_text()) == whole


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    uses = (
        *may("get delete", "pods", place=Place.METALLB),
        *may("get", "namespaces", names=("kube-system",)),
    )
    chosen = replace(spec("failover.a"), level=Level.DISRUPT, uses=uses)
    plan = Plan(checks={"failover.a": chosen}, items={"failover.a": 1}, alone=frozenset({"a"}))

    plan.write(tmp_path)

    assert Plan.read(tmp_path) == plan
