"""A failure that is another one than last night's is news: by its cause or its subject, wherever both are kept."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clusters.checks import Finding, Outcome, RunResult
from clusters.errors import ExitCode
from reports.__main__ import main
from reports.attribution import Attribution, attributions, fails_differently, listed
from reports.history import opened, stored_runs
from reports.history.history_view import known_before, view_of
from reports.model import save
from reports.publish.comparison_text import brief
from reports.publish.digest import body, changes_since
from tests.unit.reports.conftest import result_of
from tests.unit.reports.past_runs import a_run, keep

W1, W3 = ("speaker-down", "node w1"), ("speaker-down", "node w3")
POOL = ("pool-exhausted", "pool edge")
FIRST_RELEASE = Path(__file__).parent / "history-1.db"


def failing(name: str, hours: float, *laid_to: tuple[str, str]) -> RunResult:
    """A run whose one check fails by these causes and subjects."""
    result = a_run(name, hours, {"health.a": Outcome.FAILED})
    findings = tuple(
        Finding(cause=cause, subject=subject, summary="It is so.", commands=("kubectl get pods",))
        for cause, subject in laid_to
    )
    return replace(result, checks=(replace(result.checks[0], findings=findings),))


def blamed(*laid_to: tuple[str, str]) -> tuple[Attribution, ...]:
    return attributions(failing("x", 0, *laid_to).checks[0])


@pytest.mark.parametrize(
    ("was", "now", "news"),
    [
        ([W1], [W3], True),
        ([W1], [POOL], True),
        ([W1], [W1, POOL], True),
        ([W1], [W1], False),
        ([W1, POOL], [POOL, W1], False),
        ([W1, POOL], [W1], False),
        ([], [W1], False),
        ([W1], [], False),
        ([("speaker-down", "")], [W1], False),
        ([("speaker-down", "")], [POOL], True),
    ],
)
def test_another_cause_or_subject_is_news(
    was: list[tuple[str, str]],
    now: list[tuple[str, str]],
    news: bool,  # noqa: FBT001 - a table
) -> None:
    assert fails_differently(tuple(Attribution(*one) for one in was), blamed(*now)) is news


@pytest.mark.parametrize(
    ("last_night", "tonight"),
    [
        ("service mlc-20260101-020000-5a61/web", "service mlc-20260102-020000-77aa/web"),
        ("service mlc-nightly-3/web", "service mlc-nightly-4/web"),
        ("pod controller-7d9f8c6b5d-x2x4z", "pod controller-7d9f8c6b5d-abcde"),
        ("pod controller-7d9f8c6b5d-x2x4z", "pod controller-5b6c7d8e9f-abcde"),
    ],
)
def test_what_is_named_anew_in_each_run_is_no_other_subject(last_night: str, tonight: str) -> None:
    assert not fails_differently(blamed(("x", last_night)), blamed(("x", tonight)))


def test_other_objects_stay_apart() -> None:
    assert fails_differently(blamed(("x", "service mlc-a/web")), blamed(("x", "service mlc-a/api")))
    assert fails_differently(blamed(("x", "service shop/web")), blamed(("x", "service default/web")))
    assert fails_differently(blamed(("x", "pod controller-7d9f8c6b5d-x2x4z")), blamed(("x", "pod webhook")))


def test_only_a_failure_is_attributed_to_anything() -> None:
    (check,) = failing("x", 0, W1).checks

    assert attributions(replace(check, outcome=Outcome.WAIVED)) == ()
    assert listed(attributions(check)) == "speaker-down (node w1)"
    assert listed(blamed(*((f"c{n}", "cluster") for n in range(5)))) == (
        "c0 (cluster), c1 (cluster), c2 (cluster) and 2 more"
    )


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, str]:
    for name, result in (("a", failing("A", 0, W1)), ("b", failing("B", 24, W1, W3))):
        save(result, tmp_path / name / "results.json")
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_the_command_tells_people(kept: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *kept]) == ExitCode.PASSED
    assert capsys.readouterr().out == (
        "# `B` beside `A`\n\nfailed before, failed now.\n\n## Failing differently (1)\n\n"
        "- health.a: speaker-down (node w1) → speaker-down (node w1), speaker-down (node w3): failed in B\n"
    )


def test_the_command_tells_machines(kept: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *kept, "--format", "json", "--fail-on", "any"]) == ExitCode.PASSED

    told = json.loads(capsys.readouterr().out)
    assert told["schema_version"] == 1
    assert told["newly_failing"] == told["fixed"] == []
    assert told["failing_otherwise"] == [
        {
            "check": "health.a",
            "before": [{"cause": "speaker-down", "subject": "node w1"}],
            "after": [
                {"cause": "speaker-down", "subject": "node w1"},
                {"cause": "speaker-down", "subject": "node w3"},
            ],
            "reason": "failed in B",
        }
    ]


def test_a_history_knows_it_from_night_to_night(tmp_path: Path) -> None:
    tonight = failing("B", 24, W3)
    history = keep(tmp_path / "history.db", failing("A", 0, W1))
    known = known_before(history, tonight)
    keep(history, tonight)

    told = changes_since(tonight, known.previous, stale_after=timedelta(days=30))
    again = changes_since(
        failing("C", 48, W3), known_before(history, failing("C", 48, W3)).previous, stale_after=timedelta(30)
    )
    comparison = view_of(history, tonight, directory=tmp_path).comparison

    assert told.worth_sending
    assert (told.failing, told.differently) == ((), {"health.a": blamed(W1)})
    assert "\n".join(body(tonight, told, report="here").splitlines()[3:7]) == (
        "Failing differently (1):\n- health.a: failed in B\n  $ kubectl get pods\n  before: speaker-down (node w1)"
    )
    assert not again.worth_sending
    assert comparison is not None
    assert not comparison.nothing
    assert list(brief(comparison)) == [
        "since the previous run (A):",
        "  failing differently: health.a: speaker-down (node w1) → speaker-down (node w3): failed in B",
    ]


def test_a_history_of_before_knows_the_causes(tmp_path: Path) -> None:
    path = Path(shutil.copy(FIRST_RELEASE, tmp_path / "history.db"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE outcomes SET causes = ? WHERE outcome = 'failed'", ('["speaker-down"]',))

    with opened(path) as connection:
        newest = stored_runs.runs(connection)[-1]
        was = stored_runs.attributed(connection, newest.key)["health.a"]

    assert was == (Attribution("speaker-down", ""),)
    assert not fails_differently(was, blamed(W1))
    assert fails_differently(was, blamed(POOL))


def test_a_check_that_failed_for_no_known_cause_is_no_news(tmp_path: Path) -> None:
    bare = result_of("health.a", Outcome.FAILED, "why")

    assert attributions(bare) == ()
    assert not fails_differently(attributions(bare), attributions(bare))
