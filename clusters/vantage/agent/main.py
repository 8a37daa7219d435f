"""The agent's life: it enters its namespace, does what it is told, and never outlives its controller."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import selectors
import signal
import sys
import time
from typing import Any, Callable  # noqa: UP035 - Callable of collections.abc is no alias before Python 3.9

from . import kernel, packets
from .exchange import Asking, Exchange
from .loop import Loop, Output, Paced
from .paced_tries import Sweep
from .packets import Capture, Sender
from .probes import Probe, word

CLONE_NEWNET = 0x40000000
LONGEST = 4 * 3600.0
PARENT_EVERY = 0.5


class Table(Paced):
    """A task: what the kernel's neighbour table says of one address, told whenever it changes."""

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.last: tuple[str, str] | None = None
        super().__init__(loop, output, task, ended)

    def tick(self, *_: float) -> None:
        """Look once."""
        try:
            entry = kernel.neighbour(self.task["address"], self.task["index"])
        except OSError as error:
            entry = ("", word(error))
        if entry != self.last:
            self.last = entry
            self.output.send(
                id=self.task["id"], event="entry", t=time.time_ns(), mac=entry[0], state=entry[1]
            )

    def slipped(self, *_: float) -> None:
        """A late look is a look: the table says what is so now."""


TASKS: dict[str, Any] = {
    "probe": Probe,
    "sweep": Sweep,
    "exchange": Exchange,
    "asking": Asking,
    "capture": Capture,
    "send": Sender,
    "table": Table,
}
QUESTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "clock": lambda _: {"real": time.time_ns(), "mono": time.monotonic_ns()},
    "route": lambda task: kernel.route(task["address"]),
    "networks": lambda _: kernel.networks(),
    "neighbours": lambda _: kernel.neighbours(),
    "poke": lambda task: kernel.poke(task["addresses"]),
}


class Agent:
    """Reads commands (JSON lines), runs tasks, and answers questions, all in one thread."""

    def __init__(self, commands: int = 0, answers: int = 1) -> None:
        self.loop = Loop()
        self.output = Output(self.loop, answers)
        self.commands = commands
        self.unread = b""
        self.tasks: dict[int, Any] = {}
        self.parent = os.getppid()
        os.set_blocking(commands, False)
        self.loop.on(commands, selectors.EVENT_READ, self.read)
        self.watch_parent()

    def watch_parent(self) -> None:
        """Leave when the controller is gone, even where something else still holds its pipe open."""
        if os.getppid() != self.parent:
            self.loop.stop()
        self.loop.at(time.monotonic() + PARENT_EVERY, self.watch_parent)

    def read(self) -> None:
        """Take commands; the end of the input is the end of the agent."""
        try:
            data = os.read(self.commands, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self.loop.stop()
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            self.obey(json.loads(line))

    def obey(self, task: dict[str, Any]) -> None:
        """Start, stop or answer; what the system refuses is told, and ends nothing else."""
        number, do = task["id"], task["do"]
        try:
            if do == "stop":
                if task["task"] in self.tasks:
                    self.tasks[task["task"]].stop()
                self.output.send(id=number, event="reply", value=None)
            elif do in QUESTIONS:
                self.output.send(id=number, event="reply", value=QUESTIONS[do](task))
            else:
                task["for"] = min(task["for"], LONGEST)
                made = TASKS[do](self.loop, self.output, task, lambda: self.tasks.pop(number, None))
                self.tasks[number] = made
        except OSError as error:
            self.output.send(id=number, event="failed", errno=error.errno, error=error.strerror or str(error))

    def hello(self) -> None:
        """Say who this is and what it can do."""
        self.output.send(
            id=0,
            event="hello",
            pid=os.getpid(),
            python=platform.python_version(),
            packets=packets.permitted(),
            real=time.time_ns(),
            mono=time.monotonic_ns(),
        )


def enter(path: str) -> None:
    """Enter a network namespace, and nothing else of it: `ip netns exec` would also mount another /sys."""
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if hasattr(os, "setns"):
            os.setns(namespace, CLONE_NEWNET)
        elif ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(namespace)


def be_prompt() -> None:
    """Ask to be run as soon as there is something to do: the agent is nearly always asleep, and must wake in time.

    Real-time round-robin where that is permitted, else a better nice value, else as it is.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -10)


def main(settings: dict[str, Any]) -> int:
    """Run until the input ends. `settings`: `netns`, the path of a network namespace or ""."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the controller decides when it ends
    try:
        if settings.get("netns"):
            enter(settings["netns"])
    except OSError as error:
        sys.stderr.write(f"{settings['netns']}: {error.strerror}\n")
        return 1
    be_prompt()
    agent = Agent()
    agent.hello()
    agent.loop.run()
    return 0
