"""At the end of a run, after its own files: the metrics and the digest leave, in seconds or not at all.

Several things are done at once that may hang: whatever has not ended by the deadline is left behind.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from clusters import budgets, files, outbound
from clusters.checks import RunResult
from reports.history.history_view import Known, Successes, known_before
from reports.model import NotWritten, write_text
from reports.publish import prometheus
from reports.publish.digest import ChangesSince, body, changes_since, title
from reports.publish.outlets import Outlets, Receiver
from reports.publish.summary import noted

_SUMMARY = "summary.md"
#: Does one thing; returns why it did not succeed, or an empty text. Of what it raises the type alone is reported.
Action = Callable[[], str]


class Delivering:
    """A pytest plugin. What does not get through is reported, and changes neither the verdict nor the exit code."""

    def __init__(self, outlets: Outlets, directory: Path, *, history: Path) -> None:
        self._outlets = outlets
        self._history = history
        self._directory = directory
        self._lines: list[str] = []
        self._troubles: list[str] = []

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_conformance_finished(self, result: RunResult) -> Generator[None, object, object]:
        """Deliver when the run's own files have been written, or could not be."""
        known = known_before(self._history, result)  # this run is entered in the history meanwhile
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
        changes = changes_since(result, known.previous, stale_after=stale_after)
        actions = dict(metric_actions(self._outlets, result, known.successes))
        if changes.worth_sending:
            actions |= digest_actions(self._outlets.receivers, result, changes, directory=self._directory)
        with warnings.catch_warnings():
            # This suite's own rule that a warning is an error is none for a service's library.
            warnings.simplefilter("ignore")
            undelivered = all_within(actions, seconds=budgets.get(budgets.DELIVERED).within)
        self._troubles = [outbound.text(f"not delivered: {name}: {why}") for name, why in undelivered.items()]
        sent = [
            one.name
            for one in self._outlets.receivers
            if changes.worth_sending and one.name not in undelivered
        ]
        if self._outlets.receivers and not changes.worth_sending:
            self._lines = ["notification: none, nothing changed since the previous run"]
        elif sent:
            self._lines = [f"notification: sent to {', '.join(sent)}"]
        self._note()

    def _note(self) -> None:
        """Say it in the summary as well: somebody who was not notified must be able to find out."""
        path = self._directory / _SUMMARY
        if self._troubles and path.is_file():
            try:
                write_text(path, noted(path.read_text(encoding="utf-8"), self._troubles))
            except NotWritten as fault:
                self._troubles.append(f"error: {fault}")


def metric_actions(outlets: Outlets, result: RunResult, successes: Successes) -> Mapping[str, Action]:
    """What brings the metrics to where they are asked for, by the name that a failure is reported under."""
    actions: dict[str, Action] = {}
    if outlets.textfiles:
        file = outlets.textfiles / f"metallb-conformance-{result.run.cluster}.prom"
        actions[f"metrics to {file}"] = lambda: _written(file, prometheus.metrics(result, successes))
    if outlets.gateway:
        target, registry = outlets.gateway, prometheus.registry(result, successes)
        timeout = budgets.get(budgets.DELIVERED).within
        actions[f"metrics to {target.url}"] = lambda: target.push(
            registry, cluster=result.run.cluster, timeout=timeout
        )
    if outlets.configmap:
        target_map = outlets.configmap
        place = f"{target_map.namespace}/{target_map.name}"
        actions[f"the summary to ConfigMap {place}"] = lambda: target_map.write(result)
    return actions


def digest_actions(
    receivers: Sequence[Receiver], result: RunResult, changes: ChangesSince, *, directory: Path
) -> Mapping[str, Action]:
    """What sends the digest to each receiver."""
    subject, text = title(result), body(result, changes, directory=directory)

    def sending(receiver: Receiver) -> Action:
        return lambda: receiver.send(subject, text)

    return {one.name: sending(one) for one in receivers}


def _written(file: Path, text: str) -> str:
    try:
        # The node exporter reads it, as another user.
        write_text(file, text, mode=files.PUBLIC)
    except NotWritten as fault:
        return str(fault)
    return ""


def all_within(actions: Mapping[str, Action], *, seconds: float) -> dict[str, str]:
    """Do all actions side by side; why each one that did not succeed did not, by its name.

    They run in daemon threads, which neither the run nor the interpreter's end waits for.
    """
    answers: dict[str, str] = {}
    threads = {
        name: Thread(target=_do, args=(name, action, answers), daemon=True, name=f"outlet {name}")
        for name, action in actions.items()
    }
    ends = time.monotonic() + seconds
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, ends - time.monotonic()))
    answered = dict(answers)
    late = f"it did not answer within {seconds:g} s"
    return {name: why for name in actions if (why := answered.get(name, late))}


def _do(name: str, action: Action, answers: dict[str, str]) -> None:
    try:
        answers[name] = action()
    except Exception as error:  # noqa: BLE001 - its text may hold a secret; its type does not
        answers[name] = f"it broke ({type(error).__name__})"
