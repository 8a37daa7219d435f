"""The pytest plugin that writes a run's files. It learns of the run by hooks alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clusters import files
from clusters.checks.run_verdict import Member
from clusters.errors import UsageError
from reports import report_url
from reports.publish.outlets import add_options, outlets_of

#: What -r is where nobody asked for it: pytest's default, and with this project's -ra.
_DEFAULT_REPORTCHARS = frozenset({"fE", "fEa", "a"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options that say where else a run's outcome goes."""
    add_options(parser)
    add = parser.getgroup("conformance", "MetalLB conformance").addoption
    add(
        "--history",
        metavar="FILE",
        type=Path,
        help="the history that this run is entered in (default: reports/history.db)",
    )
    add(
        "--history-days",
        metavar="N",
        type=int,
        help="drop older runs from the history, but for those that a last pass or failure rests on (default: none)",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_conformance_configure(config: pytest.Config, directory: Path) -> None:
    """Send pytest's own JUnit file and pytest-html's page to the run's directory, if no other place was named."""
    try:
        outlets = outlets_of(config)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    _refuse_early(config.option)
    try:
        files.private_directory(directory)
    except OSError as error:
        raise pytest.UsageError(f"--report-dir {directory} cannot be used: {error.strerror}.") from None
    option = config.option
    option.xmlpath = option.xmlpath or str(directory / "junit.xml")
    if hasattr(option, "htmlpath") and not option.htmlpath:
        option.htmlpath = str(directory / "pytest-html.html")
        option.self_contained_html = True
    if option.reportchars in _DEFAULT_REPORTCHARS:
        option.reportchars = "N"
    # Imported now: pytest loads this plugin for the project's own tests too, which write no report.
    from reports.history import DEFAULT, Recorder  # noqa: PLC0415
    from reports.pages import upgrade_decision  # noqa: PLC0415
    from reports.publish.report_files import (  # noqa: PLC0415
        FamiliarView,
        Files,
        PytestFiles,
    )

    recorder = Recorder(
        (option.history or config.rootpath / DEFAULT).absolute(),
        directory=directory,
        replayed=bool(getattr(option, "snapshot", None)),
        days=option.history_days,
    )
    upgrade_decision.forget(directory)
    written = Files(
        config,
        directory,
        recorder,
        baseline=getattr(option, "baseline", None),
        target=getattr(option, "target_version", ""),
        report_url=report_url.page_url(outlets.report_url, directory),
    )
    for plugin, name in (
        (written, "files"),
        (FamiliarView(config), "familiar-view"),
        (PytestFiles(), "pytest-files"),
    ):
        config.pluginmanager.register(plugin, f"conformance-{name}")
    if outlets:
        from reports.publish.delivery import Delivering  # noqa: PLC0415 - as above

        config.pluginmanager.register(
            Delivering(outlets, directory, history=recorder.path), "conformance-outlets"
        )


def _refuse_early(option: Any) -> None:
    """Refuse now what would fail only after the run."""
    from reports.model import load  # noqa: PLC0415 - as above

    if option.history_days is not None and option.history_days < 1:
        raise pytest.UsageError(f"--history-days {option.history_days} is less than one day.")
    if getattr(option, "baseline", None) is not None:
        try:
            load(option.baseline)
        except UsageError as error:
            raise pytest.UsageError(f"--baseline: {error}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_conformance_fleet(config: pytest.Config, members: Sequence[Member], directory: Path) -> None:
    """Write the one report of several clusters, and say where it is."""
    from reports.history import DEFAULT  # noqa: PLC0415 - as above
    from reports.pages import fleet_page  # noqa: PLC0415 - as above

    history = (config.option.history or config.rootpath / DEFAULT).absolute()
    found = fleet_page.write(
        members, directory, history=history, base_url=report_url.base_of(config.option.report_url)
    )
    lines = "\n".join(fleet_page.lines(found))
    sys.stdout.write(f"{lines}\nreport: {directory / fleet_page.PAGE}\n")
