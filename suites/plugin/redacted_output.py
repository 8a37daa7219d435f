"""What pytest itself writes and shows, without secrets and with characters that act shown as what they are.

Its reports (so JUnit's file and pytest-html's page), its own errors, and at last every line of the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, TypeVar

import pytest

from clusters import outbound
from suites.plugin.run import RUN

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
#: Where pytest has cut a value in its middle: what is left behind may be the end of a secret without its name.
_CUT = re.compile(r"(?<=[^\s.])\.\.\.(?=[^\s.])[^'\"\n]*+")
_LONGEST = 400
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def cleaned(report: Report) -> Report:
    """The report itself, with its sections and what it says of a failure or a skip made fit to leave."""
    report.sections = [(name, outbound.text(text)) for name, text in report.sections]
    longrepr: Any = report.longrepr
    if isinstance(longrepr, tuple):
        path, line, reason = longrepr
        report.longrepr = (path, line, outbound.text(reason))
    elif longrepr is not None:
        text = report.longreprtext
        if (kept := outbound.text(without_ends(text))) != text:
            report.longrepr = kept
    return report


def without_ends(text: str) -> str:
    """What pytest says of values without the ends of those that it has cut in their middle."""
    return _CUT.sub("...", text)


@pytest.hookimpl(tryfirst=True)
def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """Values that hold secrets are told without them, before pytest cuts them short; others as pytest tells them."""
    if RUN not in config.stash:
        return None
    try:
        values = [repr(left), repr(right)]
    except Exception:  # noqa: BLE001 - pytest says how such a value breaks
        return None
    kept = [outbound.text(value) for value in values]
    if kept == values:
        return None
    return [f"{kept[0][:_LONGEST]} {op} {kept[1][:_LONGEST]}", "(without what may be secret)"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that cannot be collected is told as a failure with its code."""
    report = yield
    return cleaned(report) if RUN in collector.config.stash else report


@pytest.hookimpl(tryfirst=True)
def pytest_internalerror(excrepr: Any) -> None:
    """What breaks in pytest or this suite is told with all that was raised on the way."""
    text = outbound.text(str(excrepr))
    excrepr.toterminal = lambda terminal: terminal.line(text)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let every line that pytest shows pass as well; the colours that pytest gives it stay."""
    if RUN not in config.stash or not config.pluginmanager.hasplugin("terminalreporter"):
        return
    terminal = config.get_terminal_writer()
    write = terminal.write

    def guarded(msg: str, *, flush: bool = False, **markup: bool) -> None:
        back = "\r" if msg.startswith("\r") else ""  # to the beginning of a line that is written once more
        pieces = _COLOUR.split(msg.removeprefix("\r"))
        text = "".join(one if at % 2 else outbound.text(one) for at, one in enumerate(pieces))
        write(back + text, flush=flush, **markup)

    terminal.write = guarded  # type: ignore[method-assign]  # pytest has no hook for what it shows
