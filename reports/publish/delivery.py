"""At the end of a run, after its own files: the metrics and the message leave, in seconds or not at all.

Several things are done at once that may hang: whatever has not ended by the deadline is left behind. A message is in
the history's outbox before it is sent, and leaves it when every receiver has it: what is held back in quiet hours, or
was not taken, is sent by the next run of the cluster, or by `python -m reports deliver`.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from clusters import budgets, files, outbound
from clusters.checks import RunResult, Verdict
from clusters.errors import ExitCode, UsageError
from reports import report_url
from reports.history import DEFAULT, HistoryError, Standing, opened, outbox, standings
from reports.history.history_view import Known, Successes, known_before
from reports.history.outbox import Message
from reports.history.recording import writing
from reports.model import NotWritten, write_text
from reports.publish import prometheus
from reports.publish.digest import body, changes_since, reminder, reminder_title, title
from reports.publish.outlets import NOTIFY_VARIABLE, Outlets, Receiver, receivers
from reports.publish.summary import noted
from reports.wording import moment

#: How much earlier than asked for a reminder may come.
_EARLY = timedelta(hours=2)
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
        post = Post(self._outlets, self._history, cluster=result.run.cluster)
        actions = dict(metric_actions(self._outlets, result, known.successes))
        if self._outlets.receivers:
            post.add(self._message(result, known), allow=result.run.allow)
            actions |= post.actions()
        undelivered = all_at_once(actions)
        post.settle(undelivered)
        self._troubles = [outbound.text(f"not delivered: {name}: {why}") for name, why in undelivered.items()]
        self._lines = [outbound.text(line) for line in post.lines]
        self._note()

    def _message(self, result: RunResult, known: Known) -> Message | None:
        """What there is to send: what changed, or a reminder where one is due; None for nothing."""
        stale_after = timedelta(seconds=budgets.get(budgets.STALE).within)
        changes = changes_since(result, known.previous, stale_after=stale_after)
        report = report_url.place(self._outlets.report_url, self._directory)
        if changes.worth_sending:
            subject, text = title(result), body(result, changes, report=report)
        elif self._reminder_due(result, known):
            subject = reminder_title(result)
            text = reminder(result, self._standings(result), last=known.last_message, report=report)
        else:
            return None
        return Message(cluster=result.run.cluster, made=result.run.finished, title=subject, body=text)

    def _reminder_due(self, result: RunResult, known: Known) -> bool:
        after = self._outlets.remind_after
        if after is None or result.run.verdict is Verdict.PASSED:
            return False
        ended = datetime.fromisoformat(result.run.finished)
        # A nightly run is now and then some minutes early: with a reminder every day there is one every night.
        return known.last_message is None or ended - known.last_message >= after - min(after / 10, _EARLY)

    def _standings(self, result: RunResult) -> list[Standing]:
        try:
            with opened(self._history) as connection:
                versions = (result.run.metallb_version, result.run.kubernetes_version)
                return [one for one in standings(connection, result.run.cluster) if one.versions == versions]
        except HistoryError:
            return []

    def _note(self) -> None:
        """Say it in the summary as well: somebody who was not notified must be able to find out."""
        path = self._directory / _SUMMARY
        if self._troubles and path.is_file():
            try:
                write_text(path, noted(path.read_text(encoding="utf-8"), self._troubles))
            except NotWritten as fault:
                self._troubles.append(f"error: {fault}")


class Post:
    """The messages of one cluster, or of all for "": those that wait, and the new one. `lines` say how they fared."""

    def __init__(self, outlets: Outlets, history: Path, *, cluster: str = "") -> None:
        self.lines: list[str] = []
        self._receivers = outlets.receivers
        self._quiet = outlets.quiet
        self._history = history
        self._cluster = cluster
        self._queue: list[Message] = []
        self._taken: list[tuple[int, str]] = []
        self._new = False
        self._held = False

    def add(self, message: Message | None, *, allow: str) -> None:
        """Put a new message beside those that wait. Where none can be kept it is sent at once, quiet hours or not."""
        self._new = message is not None
        now = datetime.now(UTC)
        ends = self._quiet.until(now) if self._quiet else None
        try:
            with writing(self._history) as connection:
                if message is not None:
                    outbox.put(connection, message, allow=allow)
                if dropped := outbox.drop_old(connection, self._cluster, now=now):
                    self.lines.append(f"notification: {_counted(dropped)} dropped, after waiting too long")
                self._queue = outbox.waiting(connection, self._cluster)
        except HistoryError as error:
            self._queue = [message] if message else []
            if ends and message:
                self.lines.append(
                    f"notification: not held back in the quiet hours, for it cannot be kept: {error}"
                )
            return
        self._held = ends is not None
        if ends and self._queue:
            self.lines.append(
                f"notification: held back until {ends:%Y-%m-%d %H:%M %Z} (quiet hours), {_counted(len(self._queue))} "
                "waiting"
            )
        elif not self._new:
            self.lines.append("notification: none, nothing changed since the previous run")

    def read(self) -> None:
        """Take up what waits, without a new message. Raises HistoryError."""
        with opened(self._history) as connection:
            self._queue = outbox.waiting(connection, self._cluster)

    def actions(self) -> Mapping[str, Action]:
        """What sends to each receiver what it does not have yet, the oldest first; nothing in quiet hours."""
        if self._held:
            return {}
        wanted = {
            one: [each for each in self._queue if one.name not in each.taken] for one in self._receivers
        }
        return {one.name: self._sending(one, messages) for one, messages in wanted.items() if messages}

    def _sending(self, receiver: Receiver, messages: Sequence[Message]) -> Action:
        def send() -> str:
            for number, one in enumerate(messages):
                last = number == len(messages) - 1
                late = "" if last and self._new else f"Of {moment(one.made)}, and not sent then.\n\n"
                if why := receiver.send(one.title, late + one.body):
                    return why
                self._taken.append((one.key, receiver.name))
            return ""

        return send

    def settle(self, undelivered: Mapping[str, str]) -> None:
        """Let go of what every receiver has, and say what was sent and what still waits."""
        taken = list(self._taken)  # whoever is late may still add to it
        if self._held or not self._queue:
            return
        names = [one.name for one in self._receivers]
        sent = [name for name in names if name not in undelivered and any(name == by for _, by in taken)]
        if sent:
            late = len(self._queue) - self._new
            more = f", with {_counted(late)} that waited" if late else ""
            self.lines.append(f"notification: sent to {', '.join(sent)}{more}")
        try:
            with writing(self._history) as connection:
                outbox.taken(connection, taken, receivers=names)
                left = len(outbox.waiting(connection, self._cluster))
        except HistoryError:
            return  # a message that could not be kept was sent at once, and nothing waits
        if left:
            self.lines.append(
                f"notification: {_counted(left)} waiting, for the next run or `python -m reports deliver` to send"
            )


def _counted(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


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


def _written(file: Path, text: str) -> str:
    try:
        # The node exporter reads it, as another user.
        write_text(file, text, mode=files.PUBLIC)
    except NotWritten as fault:
        return str(fault)
    return ""


def all_at_once(actions: Mapping[str, Action]) -> dict[str, str]:
    """Do all actions side by side, within the budget `delivered`; why each one that did not succeed did not."""
    with warnings.catch_warnings():
        # This suite's own rule that a warning is an error is none for a service's library.
        warnings.simplefilter("ignore")
        return all_within(actions, seconds=budgets.get(budgets.DELIVERED).within)


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


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("deliver", help="send the messages that wait; 1 if one still does")
    parser.add_argument(
        "--notify",
        metavar="FILE",
        type=Path,
        help=f"the apprise URLs to send to (default: those in {NOTIFY_VARIABLE})",
    )
    parser.add_argument("--cluster", metavar="NAME", default="", help="of one cluster (default: of all)")
    parser.add_argument("--history", metavar="FILE", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Send what waits, whatever the hour, and say what became of it."""
    to = receivers(given.notify)
    if not to:
        raise UsageError(
            "There is nobody to send to.", remedy=f"Give --notify FILE, or set {NOTIFY_VARIABLE}."
        )
    post = Post(Outlets(receivers=to), given.history, cluster=given.cluster)
    post.read()
    undelivered = all_at_once(post.actions())
    post.settle(undelivered)
    for name, why in undelivered.items():
        sys.stderr.write(outbound.text(f"not delivered: {name}: {why}") + "\n")
    sys.stdout.write("\n".join(map(outbound.text, post.lines or ["notification: no message waits"])) + "\n")
    return ExitCode.FAILED if undelivered else ExitCode.PASSED
