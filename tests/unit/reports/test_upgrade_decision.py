"""The decision before an upgrade: it agrees with the exit code, has its reasons first, and is never GO by accident."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.checks import CheckResult, Finding, Outcome, RunResult, Verdict
from clusters.checks.run_verdict import verdict
from reports.pages.upgrade_decision import (
    CHECK,
    NAMES,
    Answer,
    Decision,
    as_json,
    brief,
    decision_of,
    forget,
    markdown,
    writers,
)
from tests.unit.reports.conftest import INFO, result_of
from tests.unit.upgrade.scenes import decided, edited, healthy, running

PASSED, FAILED = Outcome.PASSED, Outcome.FAILED


def readiness(outcome: Outcome = PASSED, directory: Path | None = None, **more: Any) -> CheckResult:
    """The check; with a directory it has kept a decision there."""
    kept = f"evidence/{CHECK}/decision.json"
    if directory is not None:
        (directory / kept).parent.mkdir(parents=True, exist_ok=True)
        (directory / kept).write_text(json.dumps(decided(healthy()).record.as_json()))
        more["evidence"] = (kept,)
    return result_of(CHECK, outcome, "" if outcome is PASSED else f"it is {outcome}", **more)


def a_run(*checks: CheckResult, ended: Verdict | None = None) -> RunResult:
    return RunResult(run=replace(INFO, verdict=ended or verdict(checks)), checks=checks, not_tested=())


def of(*checks: CheckResult, ended: Verdict | None = None, directory: Path = Path("/nowhere")) -> Decision:
    return decision_of(a_run(*checks, ended=ended), directory=directory, target="0.16.2")


OTHER = result_of("health.probes", PASSED)


@pytest.mark.parametrize(
    ("checks", "ended", "answer"),
    [
        ((readiness(), OTHER), None, Answer.GO),
        ((readiness(FAILED), OTHER), None, Answer.NO_GO),
        ((readiness(), replace(OTHER, outcome=FAILED, reason="it fails")), None, Answer.NO_GO),
        (
            (readiness(), replace(OTHER, outcome=Outcome.INCONCLUSIVE, reason="no word")),
            None,
            Answer.UNDECIDED,
        ),
        ((readiness(Outcome.INCONCLUSIVE), OTHER), None, Answer.UNDECIDED),
        ((readiness(Outcome.SKIPPED), OTHER), None, Answer.UNDECIDED),
        ((readiness(Outcome.WAIVED), OTHER), None, Answer.UNDECIDED),
        ((OTHER,), None, Answer.UNDECIDED),
        ((), Verdict.REFUSED, Answer.UNDECIDED),
        ((readiness(), OTHER), Verdict.CLEANUP_FAILED, Answer.UNDECIDED),
        ((readiness(FAILED), replace(OTHER, outcome=Outcome.INCONCLUSIVE, reason="?")), None, Answer.NO_GO),
    ],
)
def test_the_answer(checks: tuple[CheckResult, ...], ended: Verdict | None, answer: Answer) -> None:
    found = of(*checks, ended=ended)

    assert found.answer is answer
    assert bool(found.reasons) is (answer is not Answer.GO)


def test_what_is_about_the_upgrade_comes_first_and_repetitions_are_told_once() -> None:
    root = Finding(
        cause="speaker-down", subject="node w1", summary="It is down.", remedy="Mend it.", commands=("ls",)
    )
    again = Finding(cause="speaker-down", subject="node w1", summary="The same.", root="health.probes")
    stop = Finding(cause="target-unsafe", subject="cluster", summary="Pass it over.")
    found = of(
        result_of("traffic.a", FAILED, "The same.", findings=(again,)),
        result_of("health.probes", FAILED, "It is down.", findings=(root,)),
        readiness(FAILED, findings=(stop,)),
    )

    assert [one.text for one in found.reasons] == ["Pass it over.", "It is down."]
    assert found.reasons[1].commands == ("ls",)


def test_a_failure_whose_root_was_not_run_still_stops() -> None:
    again = Finding(cause="speaker-down", subject="node w1", summary="The same.", root="health.probes")

    assert (
        of(readiness(), result_of("traffic.a", FAILED, "The same.", findings=(again,))).answer is Answer.NO_GO
    )


def test_what_to_expect_and_every_rule_come_from_the_check(tmp_path: Path) -> None:
    found = of(readiness(directory=tmp_path), directory=tmp_path)

    assert found.answer is Answer.GO
    assert "Metrics are served on port 7472." in {one.text for one in found.heed}
    assert len(found.rules) > 25
    # What an earlier run has left there is not this run's.
    assert of(readiness(), directory=tmp_path).rules == ()


def test_a_decision_has_no_secret_and_nothing_that_acts(tmp_path: Path) -> None:
    found = decided(healthy()).record.as_json()
    found["rules"][0]["consequence"] = "password: hunter2 \u202e\x1b[2J"
    passed = readiness(directory=tmp_path)
    (tmp_path / f"evidence/{CHECK}/decision.json").write_text(json.dumps(found))

    for _, write in writers(of(passed, directory=tmp_path), tmp_path):
        write()

    for name in NAMES:
        text = (tmp_path / name).read_text()
        assert not [each for each in ("hunter2", "\u202e", "\x1b") if each in text]


def test_what_the_profile_accepts_does_not_stop_it_and_is_seen(tmp_path: Path) -> None:
    waived = result_of(
        "traffic.a", Outcome.WAIVED, "waived until 2027-03-31: no metrics here (it has no metrics API)"
    )
    found = of(readiness(directory=tmp_path), waived, directory=tmp_path)

    assert found.answer is Answer.GO
    assert found.heed[-1].text == f"traffic.a is {waived.reason}."


def test_the_three_files_say_the_same(tmp_path: Path) -> None:
    decision = of(readiness(FAILED, tmp_path, findings=decided(edited(running("0.15.2")), "0.16.0").findings),
                  directory=tmp_path)  # fmt: skip
    for _, write in writers(decision, tmp_path):
        write()

    page = (tmp_path / "decision.html").read_text()
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert "NO-GO: MetalLB on lab from 0.15.2 to 0.16.2</h1>" in page
    assert headings[0] == "What stops it (1)"
    assert headings[1].startswith("What to expect (")
    assert headings[2].startswith("What was looked at (")
    assert "<script" not in page
    data = json.loads((tmp_path / "decision.json").read_text())
    assert (data["verdict"], data["schema_version"]) == ("NO-GO", 1)
    assert data["reasons"][0]["remedy"] == "Upgrade to 0.16.1 or newer instead."
    text = (tmp_path / "decision.md").read_text()
    assert text.startswith("# NO-GO: MetalLB on lab from 0.15.2 to 0.16.2\n")
    assert text.index("## What stops it (1)") < text.index("## What to expect")
    assert "Upgrade to 0.16.1 or newer instead." in text

    forget(tmp_path)
    assert not [name for name in NAMES if (tmp_path / name).exists()]


def test_nothing_is_taken_for_markup(tmp_path: Path) -> None:
    stop = Finding(cause="target-unsafe", subject="<b>", summary='<script>alert("1")</script>.')
    decision = of(readiness(FAILED, findings=(stop,)))
    for _, write in writers(decision, tmp_path):
        write()

    assert "<script>" not in (tmp_path / "decision.html").read_text()
    assert "<script>" not in markdown(decision)


def test_the_terminal_has_the_answer_and_the_first_reasons() -> None:
    stops = tuple(
        Finding(cause="target-unsafe", subject=f"node {n}", summary=f"Reason {n}.") for n in range(9)
    )
    lines = list(brief(of(readiness(FAILED, findings=stops))))

    assert lines[0] == "NO-GO: MetalLB on lab from 0.15.2 to 0.16.2 (9 reasons against it)"
    assert lines[1] == "  Reason 0."
    assert lines[-1] == "  and 3 more reasons, see decision.html"
    assert list(brief(of(readiness()))) == ["GO: MetalLB on lab from 0.15.2 to 0.16.2 (no reason against it)"]
    alike = (stops[0], replace(stops[1], summary="Reason 0."), stops[2])
    assert list(brief(of(readiness(FAILED, findings=alike))))[1:] == ["  Reason 0. (2 times)", "  Reason 2."]
    assert as_json(of(readiness()))["reasons"] == ()
