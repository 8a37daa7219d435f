"""A page of two thousand checks opens and answers as fast as a small one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, expect

from clusters.checks import Measurement, Outcome, RunResult
from reports.pages.page import page as rendered
from tests.browser.conftest import Opener
from tests.unit.reports.conftest import result_of

CHECKS = 2000
#: A reader's patience, in seconds of the processor.
OPENED, FILTERED = 2.0, 1.0


def test_a_page_of_two_thousand_checks_is_quick(opened: Opener, run: RunResult, tmp_path: Path) -> None:
    checks = tuple(
        result_of(
            f"health.c{number}",
            Outcome.PASSED if number % 20 else Outcome.FAILED,
            "" if number % 20 else "slow",
            findings=() if number % 20 else run.checks[1].findings,
            measurements={"gap": Measurement(value=number / 1000, unit="s", budget=1.9)},
        )
        for number in range(CHECKS)
    )
    path = tmp_path / "report.html"
    path.write_text(rendered(replace(run, checks=checks), directory=tmp_path))
    assert path.stat().st_size < 5_000_000

    page = opened(None)
    meter = Meter(page)
    page.goto(path.as_uri())
    assert meter.taken() < OPENED
    page.get_by_label("Filter").fill("c1999")
    expect(page.get_by_role("status")).to_have_text(re.compile("^3 of "))
    assert meter.taken() < FILTERED


class Meter:
    """Processor time of the page's main thread, in seconds: what a busy machine does not change."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._before = self._now()

    def taken(self) -> float:
        """How much it took since the last time that this was asked."""
        before, self._before = self._before, self._now()
        return self._before - before

    def _now(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))
