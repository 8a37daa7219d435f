"""Writing a run's files: what is known after every check, and everything at the end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import files
from clusters.checks import RunResult
from reports.history import Recorder
from reports.history.history_view import HistoryView, view_of
from reports.history.previous_run import Successes, known_before
from reports.model import RESULTS, NotWritten, save, validator, write_text
from reports.pages import upgrade_decision
from reports.pages.page import page
from reports.publish import prometheus, summary
from reports.publish.terminal import Summary

#: Where writing the results so far takes longer than this, in seconds, it rests for that many times as long.
_SLOW, _REST = 0.1, 20


class Files:
    """The files of one run, in `directory`, and its place in the history that `recorder` keeps.

    `target` is the MetalLB version that an upgrade would go to, where one is asked about.
    """

    def __init__(
        self,
        config: pytest.Config,
        directory: Path,
        recorder: Recorder,
        *,
        baseline: Path | None = None,
        target: str = "",
    ) -> None:
        self._config = config
        self._directory = directory
        self._recorder = recorder
        self._baseline = baseline
        self._target = target
        self._begun = False
        self._not_before = 0.0
        validator()  # made now, so that the first writing is not slower than the others

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_progress(self, result: RunResult) -> None:
        """Keep what is known so far, for a run that is killed; of a huge run only now and then."""
        if not self._begun:
            self._begun = True
            self._recorder.begin(result)
        begun = time.monotonic()
        if begun >= self._not_before:
            # A full disk is reported once, at the end; it does not end a check in its middle.
            with contextlib.suppress(NotWritten):
                save(result, self._directory / RESULTS)
            ended = time.monotonic()
            self._not_before = ended + _REST * (ended - begun) if ended - begun > _SLOW else ended

    @pytest.hookimpl(optionalhook=True)
    def pytest_conformance_finished(self, result: RunResult) -> None:
        """Write everything; a file that cannot be written does not keep the others from it.

        Raises NotWritten at the end, for the first of them.
        """
        successes = known_before(self._recorder.path, result).successes
        self._recorder.finish(result)
        view = self._view(result)
        decided = (
            upgrade_decision.decision_of(result, directory=self._directory, target=self._target)
            if self._target
            else None
        )
        writers = [*self._writers(result, view, successes)]
        writers += upgrade_decision.writers(decided, self._directory) if decided else ()
        faults = [fault for name, write in writers if (fault := _fault_of(name, write))]
        faults += map(NotWritten, self._recorder.faults)
        _point_latest(self._config, self._directory)
        self._config.pluginmanager.register(
            Summary(result, self._directory, faults, view=view, begins=self._begins(), decision=decided),
            "conformance-summary",
        )
        if faults:
            raise faults[0]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Make what pytest and its plugins have written, too, the owner's alone; they do so in this hook."""
        try:
            return (yield)
        finally:
            files.make_private(self._directory)

    def _view(self, result: RunResult) -> HistoryView:
        view = view_of(self._recorder.path, result, directory=self._directory, baseline=self._baseline)
        return replace(view, problem=" ".join(self._recorder.faults) or view.problem)

    def _begins(self) -> str:
        """Where a history began with this run: a lost one must not be taken for one that never was."""
        return str(self._recorder.path) if self._recorder.first else ""

    def _writers(
        self, result: RunResult, view: HistoryView, successes: Successes
    ) -> Iterable[tuple[str, Callable[[], None]]]:
        place = self._directory
        yield RESULTS, lambda: save(result, place / RESULTS)
        yield (
            "report.html",
            lambda: write_text(place / "report.html", page(result, directory=place, view=view)),
        )
        yield (
            "metrics.prom",
            lambda: write_text(place / "metrics.prom", prometheus.metrics(result, successes)),
        )
        yield "summary.md", lambda: write_text(place / "summary.md", summary.markdown(result, view))


def _fault_of(name: str, write: Callable[[], None]) -> NotWritten | None:
    try:
        write()
    except NotWritten as fault:
        return fault
    except Exception as error:  # noqa: BLE001 - one file that cannot be made keeps no other from being made
        return NotWritten(f"{name} could not be made: {type(error).__name__}: {error}")
    return None


def _point_latest(config: pytest.Config, directory: Path) -> None:
    """Let reports/out/latest name the newest run. Where that cannot be done nothing else suffers."""
    out = config.rootpath / files.REPORTS / "out"
    unfinished = out / f".latest-{directory.name}"
    with contextlib.suppress(OSError):
        files.private_directory(out)
        unfinished.unlink(missing_ok=True)
        unfinished.symlink_to(os.path.relpath(directory, out), target_is_directory=True)
        unfinished.replace(out / "latest")
