"""The same run on a terminal, as Markdown and for Prometheus."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.checks import Outcome, RunResult
from reports.figures import figures, shown
from reports.publish.summary import markdown
from reports.publish.terminal import lines
from reports.wording import counts, headline, not_tested
from tests.unit.reports.conftest import result_of


def test_the_headline_says_everything_in_one_line(run: RunResult) -> None:
    assert headline(run) == (
        "FAILED on lab (Kubernetes v1.34.4, MetalLB 0.15.2, level disrupt): "
        "1 passed, 2 failed, 1 not supported, 1 skipped, 1 inconclusive, 1 waived, 2 not tested"
    )


def test_a_run_that_did_not_get_far_says_so(run: RunResult) -> None:
    early = replace(
        run,
        run=replace(run.run, kubernetes_version="", metallb_version=""),
        checks=(),
        not_tested=(),
    )

    assert headline(early) == "FAILED on lab (level disrupt): nothing was run"
    assert counts(early) == "nothing was run"


def test_what_was_not_tested_is_grouped_by_reason(run: RunResult) -> None:
    assert not_tested(run) == {
        "needs --allow disrupt": ["recovery.reapply", "rollback.drill"],
        "needs the GitOps repository": ["overlay.repository"],
    }


def test_the_terminal_shows_cause_remedy_and_first_command(run: RunResult) -> None:
    text = lines(run)

    assert text[:4] == [
        "FAILED  failover.moves: its speaker is not ready",
        '  speaker-down: node w1: its speaker says "<script>alert(1)</script>"',
        "    remedy: Delete the pod & wait.",
        "    $ kubectl get pods -o wide | grep -v '<none>'",
    ]
    assert "INCONCLUSIVE  health.unsure: The probe gave no output." in text
    assert "  failover.moves  moved after: 12.5 s  of 10 s" in text
    assert "  needs --allow disrupt: recovery.reapply, rollback.drill" in text


def test_the_terminal_keeps_to_one_screen(run: RunResult) -> None:
    many = [
        result_of(
            f"health.c{number}", outcome, "no", findings=run.checks[1].findings * 3, measurements=figure
        )
        for number, (outcome, figure) in enumerate(
            [(Outcome.FAILED, run.checks[1].measurements), (Outcome.INCONCLUSIVE, {})] * 50
        )
    ]
    not_tested = tuple((f"allocation.c{number}", "needs --allow create") for number in range(50))

    text = lines(replace(run, checks=tuple(many), not_tested=not_tested))

    assert len(text) <= 65
    assert "  and 45 more failed checks, see the report" in text
    assert "  and 45 more inconclusive checks, see the report" in text
    assert "  needs --allow create: allocation.c0, allocation.c1, allocation.c2 and 47 more" in text


def test_the_figures_under_most_strain_come_first(run: RunResult) -> None:
    shown_first = [line for line in lines(run) if line.startswith("  failover.moves  ")]

    assert [line.split("  ")[2].partition(":")[0] for line in shown_first] == [
        "announcements",
        "moved after",
        "gap",
        "answers",
    ]
    assert {one.name: one.kept for one in figures(run)} == {
        "moved after": False,
        "gap": True,
        "announcements": False,
        "answers": True,
    }


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.1234, "s", "123 ms"),
        (0.0, "s", "0 s"),
        (1.5, "s", "1.5 s"),
        (12.345, "s", "12.3 s"),
        (1234.5, "frames", "1234 frames"),
        (3, "", "3"),
        (None, "s", "–"),
    ],
)
def test_a_figure_is_written_for_a_person(value: float | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_markdown_tells_failures_with_their_commands(run: RunResult) -> None:
    text = markdown(run)

    assert text.startswith("# FAILED on lab (Kubernetes v1.34.4, MetalLB 0.15.2, level disrupt): ")
    assert "### `failover.moves`" in text
    assert "  kubectl delete pod speaker-x\n  ```" in text
    assert "<script>" not in text
    assert "| failover.moves | moved after | 12.5 s ✗ | 10 s |" in text
    assert "- needs --allow disrupt: recovery.reapply, rollback.drill" in text
