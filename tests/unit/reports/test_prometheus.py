"""The metrics of a run, read back by the client library's own parser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clusters.checks import Outcome, RunResult, Verdict
from reports.publish.prometheus import FAMILIES, PREFIX, Successes, metrics
from tests.unit.reports.conftest import result_of

FINISHED = 1767225850.0


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Samples by name (without the prefix) and labels (without the cluster, which each of them has)."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        for sample in family.samples:
            labels = {**sample.labels}
            assert labels.pop("cluster")
            key = (sample.name.removeprefix(f"{PREFIX}_"), frozenset(labels.items()))
            assert key not in found
            assert sample.timestamp is None  # the textfile collector refuses files with timestamps
            found[key] = sample.value
    return found


def value(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((name, frozenset(labels.items())))


def test_every_outcome_is_there_once_and_one_of_them_is_true(run: RunResult) -> None:
    text = metrics(run)

    for check in run.checks:
        told = {
            outcome: value(text, "check_outcome", check=check.id, level="observe", outcome=outcome)
            for outcome in Outcome
        }
        assert told == {outcome: float(outcome is check.outcome) for outcome in Outcome}
    assert value(text, "run_verdict", verdict="failed") == 1
    assert value(text, "run_verdict", verdict="passed") == 0
    assert value(text, "run_finished_timestamp_seconds") == FINISHED
    assert value(text, "not_tested") == 2


def test_times_are_seconds_and_other_figures_keep_their_unit(run: RunResult) -> None:
    text = metrics(run)

    assert value(text, "measured_seconds", check="failover.moves", figure="moved after") == 12.5
    assert value(text, "measured_budget_seconds", check="failover.moves", figure="moved after") == 10
    assert value(text, "measured", check="failover.moves", figure="answers", unit="frames") == 120
    assert value(text, "measured_budget", check="failover.moves", figure="answers", unit="frames") is None


@pytest.mark.parametrize(("verdict", "success"), [(Verdict.PASSED, FINISHED), (Verdict.FAILED, 1000.0)])
def test_the_last_success_outlives_a_run_that_fails(run: RunResult, verdict: Verdict, success: float) -> None:
    ended = replace(run, run=replace(run.run, verdict=verdict))

    text = metrics(ended, Successes(run=1000.0, checks={"failover.moves": 900.0, "health.passes": 900.0}))

    assert value(text, "last_success_timestamp_seconds") == success
    assert value(text, "check_last_success_timestamp_seconds", check="failover.moves") == 900
    assert value(text, "check_last_success_timestamp_seconds", check="health.passes") == FINISHED


def test_no_success_is_made_up(run: RunResult) -> None:
    text = metrics(run)

    assert value(text, "last_success_timestamp_seconds") is None
    assert value(text, "check_last_success_timestamp_seconds", check="failover.moves") is None
    assert value(text, "check_last_success_timestamp_seconds", check="health.passes") == FINISHED


def test_labels_survive_any_text(run: RunResult) -> None:
    odd = 'a"b\\c\nd'
    checks = (result_of("health.odd", Outcome.PASSED, measurements=run.checks[1].measurements),)

    text = metrics(replace(run, run=replace(run.run, metallb_version=odd), checks=checks))

    info = {dict(labels)["metallb"] for name, labels in samples(text) if name == "run_info"}
    assert info == {odd}


def test_every_family_of_the_table_can_appear(run: RunResult) -> None:
    told = {name for name, _ in samples(metrics(run, Successes(run=1.0)))}

    assert told == set(FAMILIES)
