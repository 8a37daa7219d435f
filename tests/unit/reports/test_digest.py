"""When people are told: on change, on staleness, on a first run that did not pass, and never otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.checks import Outcome, RunResult, Verdict
from clusters.checks.run_verdict import verdict
from reports.history.history_view import PreviousRun
from reports.publish.digest import ChangesSince, body, changes_since, title
from tests.unit.reports.conftest import INFO, result_of

ENDED = datetime(2026, 1, 10, tzinfo=UTC)
NIGHT = timedelta(days=1)
STALE_AFTER = timedelta(hours=36)
P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
U = Outcome.INCONCLUSIVE


def run_of(outcomes: Mapping[str, Outcome], *, ended: datetime = ENDED) -> RunResult:
    checks = tuple(result_of(name, outcome, "why") for name, outcome in outcomes.items())
    reached = verdict(checks, cleanup_failed=False, refused=False)
    info = replace(INFO, finished=ended.isoformat(), verdict=reached)
    return RunResult(run=info, checks=checks, not_tested=())


def before(outcomes: Mapping[str, Outcome], *, passed: Mapping[str, timedelta] | None = None) -> PreviousRun:
    """The run of the night before; `passed` says how long before this run's end a check last passed."""
    return PreviousRun(
        verdict=run_of(outcomes).run.verdict,
        finished=ENDED - NIGHT,
        outcomes=outcomes,
        passed={name: ENDED - ago for name, ago in (passed or {}).items()},
    )


def told(now: Mapping[str, Outcome], earlier: PreviousRun | None) -> ChangesSince:
    return changes_since(run_of(now), earlier, stale_after=STALE_AFTER)


@pytest.mark.parametrize(
    ("was", "now", "changes"),
    [
        ({"a.a": P}, {"a.a": F}, {"failing": ("a.a",)}),
        ({"a.a": F}, {"a.a": P}, {"fixed": ("a.a",)}),
        ({"a.a": F, "a.b": F}, {"a.a": F, "a.b": P}, {"fixed": ("a.b",)}),
        ({"a.a": P}, {"a.a": U}, {"undecided": ("a.a",)}),
        ({"a.a": P, "a.b": P}, {"a.a": P}, {"undecided": ("a.b",)}),
        ({"a.a": F}, {"a.a": S}, {"undecided": ("a.a",)}),
        ({"a.a": U}, {"a.a": F}, {"failing": ("a.a",)}),
        ({"a.a": P}, {"a.a": P, "a.new": F}, {"failing": ("a.new",)}),
    ],
)
def test_a_change_is_told(
    was: Mapping[str, Outcome], now: Mapping[str, Outcome], changes: Mapping[str, tuple[str, ...]]
) -> None:
    said = told(now, before(was))

    assert said.worth_sending
    assert {
        name: getattr(said, name) for name in ("failing", "fixed", "undecided") if getattr(said, name)
    } == (changes)


@pytest.mark.parametrize("outcomes", [{"a.a": P}, {"a.a": F, "a.b": P}, {"a.a": U}, {}])
def test_the_same_again_is_not_told(outcomes: Mapping[str, Outcome]) -> None:
    assert not told(outcomes, before(outcomes)).worth_sending


@pytest.mark.parametrize(("outcome", "worth"), [(P, False), (F, True), (U, True)])
def test_a_first_run_is_told_only_where_it_did_not_pass(outcome: Outcome, worth: bool) -> None:  # noqa: FBT001 - a table
    assert told({"a.a": outcome}, None).worth_sending is worth


def test_a_pass_that_grew_too_old_is_told_once() -> None:
    undecided = {"a.a": U}

    first = told(undecided, before(undecided, passed={"a.a": timedelta(hours=37)}))
    second = told(undecided, before(undecided, passed={"a.a": timedelta(hours=61)}))

    assert first.worth_sending
    assert first.stale == ("a.a",)
    assert not second.worth_sending


def test_a_pass_ends_staleness() -> None:
    assert not told({"a.a": P}, before({"a.a": P}, passed={"a.a": timedelta(hours=40)})).worth_sending


def test_a_refused_run_is_told_without_a_list_of_everything_it_did_not_do() -> None:
    refused = RunResult(
        run=replace(INFO, finished=ENDED.isoformat(), verdict=Verdict.REFUSED),
        checks=(),
        not_tested=(("a.a", "refused"),),
    )

    said = changes_since(refused, before({"a.a": P}), stale_after=STALE_AFTER)

    assert said == ChangesSince(verdict=Verdict.REFUSED, before=Verdict.PASSED)
    assert said.worth_sending


_OUTCOMES = st.dictionaries(st.sampled_from(["a.a", "a.b", "a.c"]), st.sampled_from(Outcome))


@given(was=_OUTCOMES, now=_OUTCOMES)
def test_nothing_is_told_twice_whatever_happened(
    was: Mapping[str, Outcome], now: Mapping[str, Outcome]
) -> None:
    said = told(now, before(was))

    assert not told(now, before(now)).worth_sending
    lists = [said.failing, said.fixed, said.undecided]
    names = [name for each in lists for name in each]
    assert len(names) == len(set(names))
    same_failures = {n for n, o in was.items() if o is F} == {n for n, o in now.items() if o is F}
    assert not said.failing or not same_failures


def test_the_digest_says_what_to_look_at_and_what_to_type(run: RunResult, tmp_path: Path) -> None:
    said = changes_since(run, None, stale_after=STALE_AFTER)

    text = body(run, said, report=str(tmp_path / "report.html"))

    assert title(run) == "MetalLB conformance: FAILED on lab"
    assert text.splitlines()[:5] == [
        (
            "FAILED on lab (Kubernetes v1.34.4, MetalLB 0.15.2, level disrupt): "
            "1 passed, 2 failed, 1 not supported, 1 skipped, 1 inconclusive, 1 waived, 2 not tested"
        ),
        "This is the first known run of this cluster.",
        "",
        "Newly failing (2):",
        "- failover.moves: its speaker is not ready",
    ]
    assert "  $ kubectl get pods -o wide | grep -v '<none>'" in text
    assert f"Report: {tmp_path / 'report.html'}" in text


def test_a_digest_of_a_catastrophe_still_fits_a_phone() -> None:
    everything = {f"a.c{number}": F for number in range(500)}
    result = run_of(everything)
    result = replace(result, checks=tuple(replace(one, reason="long " * 500) for one in result.checks))

    text = body(
        result,
        changes_since(result, before(dict.fromkeys(everything, P)), stale_after=STALE_AFTER),
        report="run",
    )

    assert len(text) < 4000
    assert "- and 492 more" in text
    assert "Verdict of the previous run: passed." in text
