"""A browser for all tests, the pages that they open, and where the screenshots go."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from clusters.checks import RunResult
from reports.pages.page import page as rendered
from tests.unit.reports.conftest import run
from tests.unit.reports.kept_pages import with_everything
from tests.unit.reports.pasts import PAST

__all__ = ["run"]

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "reports" / "out" / "screenshots"
#: No sandbox, as the tests run as root in whatever container; nothing that calls home.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Opener = Callable[..., Page]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if any(SCREENSHOTS.glob("*.png")):
        terminalreporter.write_line(f"screenshots of the page: {SCREENSHOTS}")


@pytest.fixture(scope="package")  # and no longer: where it runs, nobody else can start an event loop
def browser() -> Iterator[Browser]:
    """Chromium with an empty profile; Playwright brings no browser of its own."""
    program = shutil.which("chromium")
    assert program, "chromium is missing; python -m clusters.lab.parts.system --tests installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, headless=True, args=list(_ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opener]:
    """Open a page in a context of its own: size, colour scheme, with or without scripts.

    The test fails where the page fetches anything, or where its scripts complain.
    """
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def open_(path: Path | None, **options: Any) -> Page:
        options.setdefault("viewport", {"width": 1100, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        fetched: list[str] = []
        if path is not None:
            page.goto(path.as_uri())
            assert fetched == [path.as_uri()]
        return page

    yield open_
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.fixture
def report(run: RunResult, tmp_path: Path) -> Path:
    """A failed run with a past, a measured failover and an observation, as a page beside its evidence."""
    path = tmp_path / "report.html"
    path.write_text(rendered(with_everything(run, tmp_path), directory=tmp_path, view=PAST))
    return path


def keep(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep a screenshot."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)
