"""The controller's side of an agent: starts it, gives it tasks, and keeps what it reports.

What comes out of its pipe are messages, and before them whatever else the host says to who logs in.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import IO, Any, Self

from clusters import bounds, budgets
from clusters.json_text import NotJson, parsed
from clusters.vantage.launch import Launch, Refusal
from clusters.vantage.vantage_data import VantageError

Message = dict[str, Any]
#: What has to be in a message by its event; all else of it is read by whoever began the task.
_FIELDS: dict[str, dict[str, type]] = {"reply": {"value": object}, "failed": {"error": str, "errno": object}}
_HELLO: dict[str, type] = {"pid": int, "python": str, "packets": str}
#: As much is shown of what a host says.
_SHOWN = 120


class Messages:
    """Reads them, with bounds. What ended the reading too early is in `fault`, as the end of a sentence, else ""."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._greeting = b""
        self.fault = ""

    @property
    def greeting(self) -> str:
        """What was said before the agent's first word, on one line and shortened."""
        text = " ".join(self._greeting.decode("utf-8", "replace").split())
        shown = "".join(each if each.isprintable() else "\ufffd" for each in text[:_SHOWN])
        return shown + ("…" if len(text) > _SHOWN else "")

    def __iter__(self) -> Iterator[Message]:
        greeted = 0
        met = False
        while line := self._pipe.readline(bounds.MESSAGE_BYTES if met else bounds.GREETING_BYTES):
            message = _message(line)
            if message is not None and (met or _is_hello(message)):
                met = True
                yield message
            elif met:
                self.fault = (
                    f"it sent what is no message: {line[:_SHOWN].decode('utf-8', 'replace').strip()!r}"
                )
                return
            else:
                self._greeting += line[:_SHOWN]
                self._greeting = self._greeting[: 4 * _SHOWN]
                greeted += len(line)
                if greeted >= bounds.GREETING_BYTES:
                    most = bounds.GREETING_BYTES // bounds.MIB
                    self.fault = f"it says more than {most} MiB before an agent's first word"
                    return


def _message(line: bytes) -> Message | None:
    """A line as a message of an agent, None where it is none."""
    if not line.startswith(b"{"):
        return None
    try:
        found = parsed(line)
    except NotJson:
        return None
    fits = type(found.get("id")) is int and isinstance(found.get("event"), str)
    return found if fits and _has(found, _FIELDS.get(found["event"], {})) else None


def _is_hello(message: Message) -> bool:
    return message["id"] == 0 and message["event"] == "hello" and _has(message, _HELLO)


def _has(message: Message, wanted: dict[str, type]) -> bool:
    return all(name in message and isinstance(message[name], kind) for name, kind in wanted.items())


class Task:
    """Something the agent does until it is done. `messages` grows while it runs; take a copy by slicing."""

    def __init__(self, client: Client, number: int, what: str) -> None:
        self.client, self.number, self.what = client, number, what
        self.messages: list[Message] = []
        self.started = threading.Event()
        self.done = threading.Event()
        self.last: Message = {}

    def take(self, message: Message) -> None:
        """Called by the reader with each message of this task."""
        if message["event"] in ("done", "reply", "failed", "lost"):
            self.last = message
            self.started.set()
            self.done.set()
            return
        self.messages.append(message)
        if message["event"] in ("started", "hello"):
            self.started.set()

    def of(self, event: str, *, skip: int = 0) -> list[Message]:
        """The messages of one kind so far, without looking at the first `skip` messages."""
        return [message for message in self.messages[skip:] if message["event"] == event]

    def until_started(self) -> Self:
        """Wait until the agent has it running; VantageError where the system refused it."""
        if not self.started.wait(budgets.seconds(budgets.VANTAGE_ANSWERED)):
            raise VantageError(
                f"Vantage {self.client.name} did not start {self.what} "
                f"within {budgets.seconds(budgets.VANTAGE_ANSWERED):g} s."
            )
        self.client.check(self)
        return self

    def until_done(self, within: float) -> Self:
        """Wait until it has ended by itself, at most `within` seconds more."""
        if not self.done.wait(within):
            raise VantageError(f"Vantage {self.client.name} did not finish {self.what} within {within:g} s.")
        self.client.check(self)
        return self

    def stop(self) -> None:
        """Ask it to end; attempts under way still count, so `until_done` comes after."""
        if not self.done.is_set():
            self.client.send({"id": self.client.next_number(), "do": "stop", "task": self.number})


class Client:
    """One running agent. Use it as a context manager; leaving ends the agent and all of its tasks."""

    def __init__(self, name: str, launch: Launch) -> None:
        self.name, self.launch = name, launch
        self.tasks: dict[int, Task] = {}
        self.numbers = itertools.count(1)
        self.writing = threading.Lock()
        self.hello = Task(self, 0, "its agent")
        self.tasks[0] = self.hello
        self.clock_offset_ns = 0
        #: What ended the reading of the agent's messages, None while they are read.
        self.lost: Message | None = None

    def __enter__(self) -> Self:
        self.errors = tempfile.TemporaryFile()
        try:
            # A session of its own: Ctrl-C at the terminal must not take the probe away from the clean-up.
            self.process = subprocess.Popen(
                self.launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                start_new_session=True,
            )
        except OSError as error:
            self.errors.close()
            raise VantageError(f"The agent of vantage {self.name} cannot be started: {error}.") from None
        assert self.process.stdout is not None
        self.said = Messages(self.process.stdout)
        self.reader = threading.Thread(target=self._read, name=f"vantage {self.name}", daemon=True)
        self.reader.start()
        try:
            with contextlib.suppress(VantageError):  # it ended at once; why is told in its last words
                self._write(self.launch.payload)
            self._await_hello()
            self._compare_clocks()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the agent: its input ends, and it is killed where that is not enough."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(OSError):  # it may be gone already
            self.process.stdin.close()
        try:
            self.process.wait(budgets.seconds(budgets.VANTAGE_ENDED))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(budgets.seconds(budgets.VANTAGE_ENDED))
        self.process.stdout.close()
        self.errors.close()

    @property
    def about(self) -> Message:
        """What the agent said at the start: pid, python, packets ("" or why raw sockets cannot be had)."""
        return self.hello.messages[0]

    @property
    def alive(self) -> bool:
        """Whether the agent still runs."""
        return self.process.poll() is None

    def start(self, do: str, **arguments: Any) -> Task:
        """Begin a task; `for` (seconds) bounds it in any case."""
        task = Task(self, self.next_number(), do)
        self.tasks[task.number] = task
        if self.lost is not None:
            task.take(self.lost)  # nobody reads any more what would end it
        arguments.setdefault("for", 600.0)
        self.send({"id": task.number, "do": do, **arguments})
        return task

    def ask(self, do: str, **arguments: Any) -> Any:
        """Ask a question; OSError of the other side is raised here as OSError."""
        task = self.start(do, **arguments)
        if not task.done.wait(budgets.seconds(budgets.VANTAGE_ANSWERED)):
            raise VantageError(
                f"Vantage {self.name} did not answer {do} within {budgets.seconds(budgets.VANTAGE_ANSWERED):g} s."
            )
        if task.last["event"] == "failed":
            raise OSError(task.last["errno"] or 0, task.last["error"])
        self.check(task)
        return task.last["value"]

    def check(self, task: Task) -> None:
        """VantageError where a task could not be started or its agent is gone."""
        if task.last.get("event") == "failed":
            raise VantageError(f"Vantage {self.name} cannot {task.what}: {task.last['error']}.")
        if task.last.get("event") == "lost":
            raise VantageError(
                f"The agent of vantage {self.name} ended unexpectedly: {task.last['error']}.",
                remedy="Start the measurement again.",
            )

    def next_number(self) -> int:
        """A number for a command."""
        return next(self.numbers)

    def send(self, command: Message) -> None:
        """Send one command."""
        self._write(json.dumps(command).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        try:
            with self.writing:
                self.process.stdin.write(data)
                self.process.stdin.flush()
        except (OSError, ValueError):
            raise VantageError(f"The agent of vantage {self.name} is gone: {self._last_words()}.") from None

    def _read(self) -> None:
        for message in self.said:
            task = self.tasks.get(message["id"])
            if task is not None:
                task.take(message)
                if task.done.is_set():
                    self.tasks.pop(task.number, None)
        self.lost = {"event": "lost", "error": self.said.fault or self._last_words()}
        for task in list(self.tasks.values()):
            if not task.done.is_set():
                task.take(self.lost)

    def _await_hello(self) -> None:
        if not self.hello.started.wait(budgets.seconds(budgets.VANTAGE_READY)):
            told = f"; it said {self.said.greeting!r}" if self.said.greeting else ""
            raise VantageError(
                f"Vantage {self.name} did not answer within {budgets.seconds(budgets.VANTAGE_READY):g} s{told}."
            )
        if not self.hello.messages:
            refusal = self.launch.explain(self._words()) or Refusal(self._no_agent())
            raise VantageError(f"Vantage {self.name} cannot be used: {refusal.why}.", remedy=refusal.remedy)

    def _no_agent(self) -> str:
        """Why no agent came up, where nobody knows what the last words mean."""
        if self.said.greeting and not self._words():
            return f"{self.said.fault or 'it started no agent'}; it said {self.said.greeting!r}"
        return self.said.fault or self._last_words()

    def _compare_clocks(self) -> None:
        """Learn how far the agent's clock is from ours; where zero is possible, it is taken as zero."""
        best = None
        for _ in range(3):
            before = time.time_ns()
            answer = self.ask("clock")
            after = time.time_ns()
            theirs = answer.get("real") if isinstance(answer, dict) else None
            if type(theirs) is not int:
                raise VantageError(f"The agent of vantage {self.name} does not say what time it is there.")
            if best is None or after - before < best[0]:
                best = (after - before, theirs - (before + after) // 2)
        assert best is not None
        self.clock_offset_ns = best[1] if abs(best[1]) > best[0] // 2 else 0

    def now_ns(self) -> int:
        """The agent's CLOCK_REALTIME now, in ns, as well as it is known here."""
        return time.time_ns() + self.clock_offset_ns

    def _words(self) -> str:
        try:
            size = self.errors.seek(0, os.SEEK_END)
            self.errors.seek(max(0, size - bounds.LAST_WORDS_BYTES))
            return self.errors.read().decode("utf-8", "replace").strip()
        except (OSError, ValueError):
            return ""

    def _last_words(self) -> str:
        lines = self._words().splitlines()
        return lines[-1].rstrip(".") if lines else "it said nothing"
