"""The pytest plugin that writes a run's files. It hears of the run by hooks and knows nothing of the checks."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest

from clusters.checks import RunResult
from reports import prom, summary
from reports.html import page
from reports.model import RESULTS, NotWritten, save, write_text
from reports.pytesthtml import FamiliarView
from reports.terminal import Summary

#: Results so far are written again only after this many times the time that the last writing took.
_REST = 20
#: What -r is where nobody asked for it: pytest's default, and with this project's -ra.
_DEFAULT_REPORTCHARS = frozenset({"fE", "fEa", "a"})


class Files:
    """The files of one run, in `directory`."""

    def __init__(self, config: pytest.Config, directory: Path) -> None:
        self._config = config
        self._directory = directory
        self._not_before = 0.0

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_progress(self, result: RunResult) -> None:
        """Keep what is known so far, so that a run that is killed leaves it. Costs at most a twentieth of it."""
        begun = time.monotonic()
        if begun >= self._not_before:
            # A full disk is told once, at the end; it does not end a check in its middle.
            with contextlib.suppress(NotWritten):
                save(result, self._directory / RESULTS)
            ended = time.monotonic()
            self._not_before = ended + _REST * (ended - begun)

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_finished(self, result: RunResult) -> None:
        """Write everything; a file that cannot be written does not keep the others from it."""
        failures = []
        for name, text in (
            ("report.html", lambda: page(result, directory=self._directory)),
            ("metrics.prom", lambda: prom.metrics(result)),
            ("summary.md", lambda: summary.markdown(result)),
        ):
            try:
                write_text(self._directory / name, text())
            except NotWritten as error:
                failures.append(str(error))
        save(result, self._directory / RESULTS)
        _point_latest(self._config, self._directory)
        self._config.pluginmanager.register(Summary(result, self._directory, failures), "conformance-summary")


@pytest.hookimpl(optionalhook=True)
def pytest_conformance_configure(config: pytest.Config, directory: Path) -> None:
    """Send pytest's own JUnit file and pytest-html's page to the run's directory, unless told elsewhere."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--report-dir {directory} cannot be used: {error.strerror}.") from None
    option = config.option
    option.xmlpath = option.xmlpath or str(directory / "junit.xml")
    if not option.htmlpath:
        option.htmlpath = str(directory / "pytest-html.html")
        option.self_contained_html = True
    if option.reportchars in _DEFAULT_REPORTCHARS:
        option.reportchars = "N"
    config.pluginmanager.register(Files(config, directory), "conformance-files")
    config.pluginmanager.register(FamiliarView(), "conformance-familiar-view")


def _point_latest(config: pytest.Config, directory: Path) -> None:
    """Let reports/out/latest name the newest run. Where that cannot be done nothing else suffers."""
    out = config.rootpath / "reports" / "out"
    unfinished = out / f".latest-{directory.name}"
    with contextlib.suppress(OSError):
        out.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        unfinished.symlink_to(os.path.relpath(directory, out), target_is_directory=True)
        unfinished.replace(out / "latest")
