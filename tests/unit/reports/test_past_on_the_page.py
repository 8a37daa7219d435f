"""What the page says of earlier runs: what changed, since when, and what is stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clusters.checks import Outcome, RunResult
from reports.history.history_view import HistoryView
from reports.pages.page import page
from tests.unit.reports.dom import Element, parsed
from tests.unit.reports.pasts import PAST, RUNS


def read(run: RunResult, past: HistoryView | None, directory: Path) -> Element:
    return parsed(page(run, directory=directory, view=past))


def test_what_changed_comes_before_what_failed(run: RunResult, tmp_path: Path) -> None:
    main = read(run, PAST, tmp_path).one("main")

    assert [one.text for one in main.children[:2]] == [
        "What changed",
        "Against the previous run ( 20251231-000000-aaaa , 2025-12-31 00:05 UTC, failed).",
    ]
    changes = main.one("dl")
    assert [one.text for one in changes.children] == [
        "✕ Newly failing (1)",
        "failover.moves passed → failed : its speaker is not ready",
        "✕ Failing differently (1)",
        "traffic.repeats speaker-down (node w1) → node-not-ready (node w1) : the node is gone",
        "✓ Fixed (1)",
        "health.passes failed → passed",
        "– Newly untested (1)",
        "overlay.repository passed → not tested",
        "↑ Slower (1)",
        "failover.moves moved after: 2 s → 12.5 s (usually 1.8 s to 2.4 s)",
        "→ Addresses moved (1)",
        "service default/web: 172.30.0.10 → 172.30.0.11",
        "≠ Configuration changed (1)",
        "IPAddressPool metallb-pool has other addresses.",
    ]


def test_nothing_changed_is_said(run: RunResult, tmp_path: Path) -> None:
    assert PAST.comparison is not None
    same = replace(
        PAST,
        comparison=replace(
            PAST.comparison,
            newly_failing=(),
            failing_differently=(),
            fixed=(),
            newly_untested=(),
            regressions=(),
            moves=(),
            reconfigured=(),
        ),
    )

    text = read(run, same, tmp_path).one("main").text

    assert "Nothing, against the previous run ( 20251231-000000-aaaa , 2025-12-31 00:05 UTC)." in text


def test_the_band_says_since_when_nothing_was_validated_as_a_whole(run: RunResult, tmp_path: Path) -> None:
    band = read(run, PAST, tmp_path).one("header").text

    assert "Validated last 2025-12-29 00:05 UTC, 3 d before this run" in band


def test_a_cluster_that_never_passed_was_never_validated(run: RunResult, tmp_path: Path) -> None:
    band = read(run, replace(PAST, runs=RUNS[2:]), tmp_path).one("header")

    assert "never" in [one.text for one in band.all("dd")]


def test_a_stale_pass_is_stale_and_a_check_of_the_past_stays(run: RunResult, tmp_path: Path) -> None:
    table = read(run, PAST, tmp_path).all("table")[0]

    rows = {one.all("td")[0].text: one for one in table.all("tr", of_class="row")}
    assert rows["health.passes"].text == "health.passes ✓ passed 2026-01-01 00:04 UTC 2025-12-31 00:05 UTC"
    assert rows["overlay.repository"].text == "overlay.repository ◷ stale 2025-12-29 00:05 UTC –"
    assert rows["failover.moves"].text == (
        "failover.moves ✕ failed 2 runs 2025-12-31 00:05 UTC 2026-01-01 00:04 UTC"
    )


def test_a_pass_on_other_versions_does_not_count(run: RunResult, tmp_path: Path) -> None:
    other = tuple(replace(one, metallb_version="0.16.2") for one in PAST.standings)

    table = read(run, replace(PAST, standings=other), tmp_path).all("table")[0]

    rows = {one.all("td")[0].text: one for one in table.all("tr", of_class="row")}
    assert rows["overlay.repository"].text == "overlay.repository – never passed – –"


def test_each_check_has_a_strip_with_words(run: RunResult, tmp_path: Path) -> None:
    found = read(run, PAST, tmp_path)

    row = next(one for one in found.all("tr") if one.text.startswith("health.passes"))
    strip = row.one("svg", of_class="strip")
    assert strip.one("title").inside[0] == "last 5 runs: 3 passed, 1 failed, 1 not decided"
    assert {min(one.classes) for one in strip.all("path")} == {"s-passed", "s-failed", "s-untested"}
    failure = found.by_id("failover.moves")
    assert "Failing for 2 runs, since 2025-12-31 09:00 UTC; last passed 2025-12-31 00:05 UTC." in failure.text


def test_a_strip_shows_the_newest_runs(run: RunResult, tmp_path: Path) -> None:
    long = replace(PAST, strips={"health.passes": (Outcome.FAILED,) * 300 + (Outcome.PASSED,) * 30})

    found = read(run, long, tmp_path)

    row = next(one for one in found.all("tr") if one.text.startswith("health.passes"))
    assert row.one("svg").one("title").inside[0] == "last 31 runs: 31 passed"


def test_a_figure_has_its_trend(run: RunResult, tmp_path: Path) -> None:
    rows = read(run, PAST, tmp_path).all("table")[1].all("tr", of_class="row")

    assert (
        rows[0].text
        == "failover.moves moved after 12.5 s over 10 s 125 % 1.8 s to 2.4 s in 3 runs 200 ms, 12.5 s"
    )
    assert len(rows[0].one("svg", of_class="trend").all("path")) == 2
    assert rows[1].all("svg", of_class="trend") == []


def test_a_history_that_cannot_be_trusted_is_told(run: RunResult, tmp_path: Path) -> None:
    broken = HistoryView(problem="The history reports/history.db is damaged & was kept aside.")

    found = read(run, broken, tmp_path)

    assert (
        found.one("p", of_class="warning").text
        == "! The history reports/history.db is damaged & was kept aside."
    )
    assert "No earlier run is known" in found.one("main").text
