"""The state of a run: what is known at any moment of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters.checks import CheckResult, CheckSpec, Level, Outcome, Place, Verdict, may
from clusters.errors import Inconclusive
from suites.plugin.run import Abandoned, Ahead, Run, describe_error
from suites.plugin.run_state import NOT_REACHED, ItemResult, Plan, RunState


def spec(name: str) -> CheckSpec:
    return CheckSpec(id=name, title="X", promise="X.", runbook=("1",), level=Level.OBSERVE)


def part(name: str, outcome: Outcome = Outcome.PASSED, *, cleanup_failed: bool = False) -> ItemResult:
    reason = "" if outcome is Outcome.PASSED else "no"
    result = CheckResult(
        id=name, title="X", runbook=("1",), level="observe", outcome=outcome, reason=reason, duration_s=1.0
    )
    return ItemResult(result=result, cleanup_failed=cleanup_failed)


@pytest.fixture
def state(tmp_path: Path) -> RunState:
    settings: Any = SimpleNamespace(
        profile=SimpleNamespace(name="lab", provider="lab", maintenance=()),
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
    return RunState(settings, plan)


def outcomes(state: RunState) -> dict[str, str]:
    return {check.id: str(check.outcome) for check in state.result().checks}


def test_what_is_not_reached_is_skipped(state: RunState) -> None:
    assert outcomes(state) == {"health.a": "skipped", "health.b": "skipped"}
    assert state.result().checks[0].reason == NOT_REACHED
    assert state.result().run.verdict is Verdict.INCOMPLETE


def test_a_check_has_passed_when_all_of_its_repetitions_have(state: RunState) -> None:
    state.add(part("health.a"))
    state.add(part("health.b"))
    assert outcomes(state) == {"health.a": "skipped", "health.b": "passed"}

    state.add(part("health.a"))
    assert outcomes(state) == {"health.a": "passed", "health.b": "passed"}
    assert state.result().run.verdict is Verdict.PASSED
    assert state.result().checks[0].duration_s == 2.0


def test_one_repetition_that_fails_fails_it_at_once(state: RunState) -> None:
    state.add(part("health.a", Outcome.FAILED))

    assert outcomes(state)["health.a"] == "failed"
    assert state.result().run.verdict is Verdict.FAILED


def test_an_unclean_check_makes_the_run_unclean(state: RunState) -> None:
    state.add(part("health.b", Outcome.FAILED, cleanup_failed=True))

    assert state.result().run.verdict is Verdict.CLEANUP_FAILED


def test_a_refused_run_has_tested_nothing(state: RunState) -> None:
    state.refused = "2 reasons not to start:\n  1. One.\n  2. Two."

    result = state.result()
    assert result.checks == ()
    assert dict(result.not_tested) == {
        "failover.c": "needs --allow disrupt",
        "health.a": "the run was refused: 2 reasons not to start",
        "health.b": "the run was refused: 2 reasons not to start",
    }


def test_what_a_run_says_of_itself_has_no_secret_and_nothing_that_acts(state: RunState) -> None:
    state.context, state.vantage = "admin\u202e@prod", "ssh://root:hunter2@probe"
    state.refused = "password: hunter2\nmore"

    result = state.result()

    assert (result.run.context, result.run.vantage) == ("admin\\u202e@prod", "ssh://<redacted>@probe")
    assert dict(result.not_tested)["health.a"] == "the run was refused: password: <redacted>"


def test_an_error_of_this_suite_s_own_is_told_with_its_place_and_without_secrets() -> None:
    with pytest.raises(ValueError, match="hunter2") as caught:
        int("https://bob:hunter2@example.org \x1b[2J")
    text = describe_error(caught.value)

    assert "test_run_state.py" in text
    assert "'https://<redacted>@example.org \\x1b[2J'" in text


def test_the_logs_of_machines_are_kept_without_secrets(state: RunState, tmp_path: Path) -> None:
    def exported(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "kubelet.log").write_text("Authorization: Bearer hunter2-token\n")

    state.settings.evidence = tmp_path / "evidence"  # type: ignore[misc]  # a stand-in for settings
    run = Run(state.settings)
    run.state = state
    state.add(part("health.a", Outcome.FAILED))
    run.__dict__["cluster"] = SimpleNamespace(export_logs=exported)

    assert "the machines' logs are in" in run.keep_machine_logs()
    assert (tmp_path / "evidence" / "lab" / "kubelet.log").read_text() == "Authorization: <redacted>\n"


def test_a_plan_reaches_the_controller_as_it_was(state: RunState, tmp_path: Path) -> None:
    state.plan.write(tmp_path)

    assert Plan.read(tmp_path) == state.plan
    assert Plan.read(tmp_path / "elsewhere").checks == {}


def test_a_part_travels_as_text() -> None:
    whole = part("health.a", Outcome.FAILED, cleanup_failed=True)

    assert ItemResult.from_text(whole.to_text()) == whole


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    uses = (
        *may("get delete", "pods", place=Place.METALLB),
        *may("get", "namespaces", names=("kube-system",)),
    )
    chosen = replace(spec("failover.a"), level=Level.DISRUPT, uses=uses)
    plan = Plan(checks={"failover.a": chosen}, items={"failover.a": 1}, alone=frozenset({"a"}))

    plan.write(tmp_path)

    assert Plan.read(tmp_path) == plan


def test_what_is_begun_ahead_does_not_go_on_before_preflight_has_passed() -> None:
    steps: list[str] = []

    def work(permitted: Callable[[], None]) -> str:
        steps.append("listed")
        permitted()
        steps.append("asked the wire")
        return "seen"

    refused = Ahead(work)
    refused.abandon()
    with pytest.raises(Abandoned):
        refused.result()
    assert steps == ["listed"]

    passed = Ahead(work)
    passed.permit()
    passed.abandon()  # the run ends: what was permitted goes on
    assert passed.result() == "seen"
    assert steps == ["listed", "listed", "asked the wire"]


def test_what_fails_ahead_fails_where_it_is_asked_for() -> None:
    def work(_: Callable[[], None]) -> str:
        raise Inconclusive("kubectl was not found.")

    begun = Ahead(work)

    with pytest.raises(Inconclusive, match="kubectl was not found"):
        begun.result()
