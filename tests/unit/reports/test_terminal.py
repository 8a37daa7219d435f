"""The same run on a terminal and as Markdown: everything that the page says, on about one screen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from clusters.checks import Outcome, RunResult
from reports.publish.summary import lines, markdown
from reports.wording import counts, figures, headline, not_tested, shown
from tests.unit.reports.conftest import result_of


def test_the_headline_counts_everything(run: RunResult) -> None:
    text = headline(run)

    assert text.startswith("FAILED on lab (Kubernetes v1.34.4, MetalLB 0.15.2, level disrupt): ")
    counted = [int(number) for number in re.findall(r"\d+", counts(run))]
    assert sum(counted) == len(run.checks) + len(run.not_tested)
    early = replace(
        run, run=replace(run.run, kubernetes_version="", metallb_version=""), checks=(), not_tested=()
    )
    assert headline(early) == "FAILED on lab (level disrupt): nothing was run"


def test_what_was_not_tested_is_grouped_by_reason(run: RunResult) -> None:
    assert {why: len(ids) for why, ids in not_tested(run).items()} == {
        "needs --allow disrupt": 2,
        "needs the GitOps repository": 1,
    }


@pytest.mark.parametrize("form", [lambda run: "\n".join(lines(run)), markdown])
def test_every_failure_has_cause_remedy_and_what_to_type(run: RunResult, form: object) -> None:
    text = form(run)  # type: ignore[operator]

    (finding,) = run.checks[1].findings
    for said in (run.checks[1].reason, finding.cause, finding.remedy, finding.commands[0], "12.5 s"):
        assert said in text
    assert all(why in text for why in not_tested(run))
    assert "<script>" not in markdown(run)


def test_the_terminal_keeps_to_one_screen(run: RunResult) -> None:
    many = [
        result_of(
            f"health.c{number}", outcome, "no", findings=run.checks[1].findings * 3, measurements=figure
        )
        for number, (outcome, figure) in enumerate(
            [(Outcome.FAILED, run.checks[1].measurements), (Outcome.INCONCLUSIVE, {})] * 50
        )
    ]
    left_out = tuple((f"allocation.c{number}", "needs --allow create") for number in range(50))

    text = lines(replace(run, checks=tuple(many), not_tested=left_out))

    assert len(text) <= 65
    assert sum("and 45 more" in line for line in text) == 2  # failed, inconclusive
    assert any(line.endswith("and 47 more") for line in text)  # not tested


def test_the_figures_under_most_strain_come_first(run: RunResult) -> None:
    found = figures(run)

    named = [line.split("  ")[2].partition(":")[0] for line in lines(run) if "failover.moves  " in line]
    assert named == [one.name for one in sorted(found, key=lambda one: -one.strain)]
    assert [one.name for one in found if not one.kept] == ["moved after", "announcements"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "s", "123 ms"),
        (0.0, "s", "0 s"),
        (12.345, "s", "12.3 s"),
        (1234.5, "frames", "1234 frames"),
        (3, "", "3"),
        (None, "s", "–"),
    ],
)
def test_a_figure_is_written_for_a_person(value: float | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text
