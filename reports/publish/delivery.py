"""At the end of a run, after its own files: the metrics and the digest leave, in seconds or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from clusters import budgets, files, outbound
from clusters.checks import RunResult
from reports.history.previous_run import Known, before
from reports.markup import plain
from reports.model import NotWritten, write_text
from reports.publish import prometheus
from reports.publish.deadline import Action, all_within
from reports.publish.digest import body, title
from reports.publish.news import News, news
from reports.publish.publish_options import Asked
from reports.publish.receivers import Sink

_SUMMARY = "summary.md"


class Delivering:
    """A pytest plugin. What does not get through is told, and changes neither the verdict nor the exit code."""

    def __init__(self, asked: Asked, directory: Path, *, history: Path) -> None:
        self._asked = asked
        self._history = history
        self._directory = directory
        self._lines: list[str] = []
        self._troubles: list[str] = []

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_conformance_finished(self, result: RunResult) -> Generator[None, object, object]:
        """Deliver when the run's own files have been written, or could not be."""
        known = before(self._history, result)  # this run is entered in the history meanwhile
        try:
            return (yield)
        finally:
            self._deliver(result, known)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> Generator[None, object, object]:
        """Say after everything else what was sent, and what did not get through."""
        result = yield
        for line in self._lines:
            terminalreporter.write_line(line)
        for line in self._troubles:
            terminalreporter.write_line(line, red=True)
        return result

    def _deliver(self, result: RunResult, known: Known) -> None:
        stale_after = timedelta(seconds=budgets.get(budgets.STALE).within)
        told = news(result, known.earlier, stale_after=stale_after)
        actions = dict(metric_actions(self._asked, result, known.successes))
        if told.worth_telling:
            actions |= digest_actions(self._asked.sinks, result, told, directory=self._directory)
        with warnings.catch_warnings():
            # This suite's own rule that a warning is an error is none for a service's library.
            warnings.simplefilter("ignore")
            silent = all_within(actions, seconds=budgets.get(budgets.DELIVERED).within)
        self._troubles = [outbound.text(f"not delivered: {name}: {why}") for name, why in silent.items()]
        sent = [sink.name for sink in self._asked.sinks if told.worth_telling and sink.name not in silent]
        if self._asked.sinks and not told.worth_telling:
            self._lines = ["notification: none, nothing changed since the run before"]
        elif sent:
            self._lines = [f"notification: sent to {', '.join(sent)}"]
        self._note()

    def _note(self) -> None:
        """Tell it in the summary as well: somebody who was not told must be able to find out."""
        path = self._directory / _SUMMARY
        if self._troubles and path.is_file():
            try:
                write_text(path, noted(path.read_text(encoding="utf-8"), self._troubles))
            except NotWritten as fault:
                self._troubles.append(f"error: {fault}")


def noted(summary: str, troubles: Sequence[str]) -> str:
    """The summary with what did not get through."""
    listed = "\n".join(f"- {plain(line.removeprefix('not delivered: '))}" for line in troubles)
    return f"{summary}\n## Not delivered\n\n{listed}\n"


def metric_actions(asked: Asked, result: RunResult, successes: prometheus.Successes) -> Mapping[str, Action]:
    """What brings the metrics to where they are asked for, by the name that a failure is told by."""
    actions: dict[str, Action] = {}
    if asked.textfiles:
        file = asked.textfiles / f"metallb-conformance-{result.run.cluster}.prom"
        actions[f"metrics to {file}"] = lambda: _written(file, prometheus.metrics(result, successes))
    if asked.gateway:
        target, registry = asked.gateway, prometheus.registry(result, successes)
        timeout = budgets.get(budgets.DELIVERED).within
        actions[f"metrics to {target.url}"] = lambda: target.push(
            registry, cluster=result.run.cluster, timeout=timeout
        )
    if asked.configmap:
        target_map = asked.configmap
        place = f"{target_map.namespace}/{target_map.name}"
        actions[f"the summary to ConfigMap {place}"] = lambda: target_map.write(result)
    return actions


def digest_actions(
    sinks: Sequence[Sink], result: RunResult, told: News, *, directory: Path
) -> Mapping[str, Action]:
    """What sends the digest to each sink."""
    subject, text = title(result), body(result, told, directory=directory)

    def sending(sink: Sink) -> Action:
        return lambda: sink.send(subject, text)

    return {sink.name: sending(sink) for sink in sinks}


def _written(file: Path, text: str) -> str:
    try:
        # The node exporter reads it, as another user.
        write_text(file, text, mode=files.PUBLIC)
    except NotWritten as fault:
        return str(fault)
    return ""
