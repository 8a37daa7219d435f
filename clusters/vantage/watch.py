"""Traffic, questions and capture through a block of code: what a client sees while something happens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from clusters import budgets, files, wait
from clusters.vantage import asking, captured_frames, frames
from clusters.vantage.captured_frames import Wire, seconds
from clusters.vantage.client import Client, Task
from clusters.vantage.frames import Asker
from clusters.vantage.targets import Asked, Settings, Target, attempts_of
from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import (
    Attempt,
    Control,
    Frame,
    Interface,
    Learned,
    Mac,
    Mark,
    Slip,
    VantageError,
)

NEIGHBOURS_EVERY = 0.25
"""How often (s) every neighbour of the positive control is asked during a measurement."""


@dataclass
class _Stream:
    """One target's tasks, and how far their messages were taken into records."""

    target: Target
    probe: Task
    questions: Task | None = None
    table: Task | None = None
    attempts: list[Attempt] = field(default_factory=list)
    taken: int = 0


@dataclass
class _Asking:
    """A consumer's task, and how far its messages were taken into records."""

    asked: Asked
    probe: Task
    attempts: list[Attempt] = field(default_factory=list)
    taken: int = 0


class Measurement:
    """A measurement under way.

    `mark` names moments; `so_far` can be asked at any time; after the block, `timeline` (of the first target)
    and `timelines` (by `Target.name`) stand, and `save` writes the evidence. `answers` has by then, for each of the
    consumers in `asked`, a timeline of its requests alone.
    """

    def __init__(
        self,
        client: Client,
        targets: Sequence[Target],
        settings: Settings,
        *,
        vantage: str,
        asked: Sequence[Asked] = (),
    ) -> None:
        self.client, self.targets, self.settings, self.vantage = client, tuple(targets), settings, vantage
        self.marks: list[Mark] = []
        self.asked = tuple(asked)
        self.timelines: dict[str, Timeline] = {}
        self.answers: tuple[tuple[Asked, Timeline], ...] = ()
        self._asking: list[_Asking] = []
        self.frames: list[Frame] = []
        self._streams: list[_Stream] = []
        self._control: _Stream | None = None
        self._captures: list[tuple[Task, int]] = []
        self._others: list[Task] = []
        self._wire = Wire([])
        self._unseen = ""
        self._ended_ns = 0
        self._clocks: list[int] = []
        self._stack = ExitStack()
        self._lock = threading.Lock()

    @property
    def timeline(self) -> Timeline:
        """The first target's timeline, once the block was left; VantageError before."""
        if not self.timelines:
            raise VantageError("The measurement is still under way: ask so_far() for what there is.")
        return self.timelines[self.targets[0].name]

    def mark(self, name: str) -> float:
        """Name this moment; returns its time."""
        t = seconds(self.client.now_ns(), self.began_ns)
        self.marks.append(Mark(t=t, name=name))
        return t

    def so_far(self, target: Target | None = None) -> Timeline:
        """The timeline up to now, of the first target where none is named."""
        self._take()
        wanted = target or self.targets[0]
        return self._timeline(next(one for one in self._streams if one.target == wanted))

    def answers_so_far(self) -> tuple[tuple[Asked, Timeline], ...]:
        """What consumers answered up to now, as `answers` has it after the block."""
        self._take()
        return tuple((one.asked, self._answers(one)) for one in self._asking)

    def owner(self) -> Mac | None:
        """The only MAC that answered the last question for the first target; None for two or none."""
        asked = self.so_far().rounds
        settled = [
            one
            for one in asked
            if one.t < seconds(self.client.now_ns(), self.began_ns) - self.settings.arp_every
        ]
        return next(iter(settled[-1].macs)) if settled and len(settled[-1].macs) == 1 else None

    def save(self, directory: Path) -> tuple[Path, ...]:
        """Write timeline.json (timeline-2.json for a second target) and capture.pcap; returns their paths."""
        files.private_directory(directory)
        paths = []
        for number, timeline in enumerate(self.timelines.values(), start=1):
            paths.append(
                timeline.write(directory / ("timeline.json" if number == 1 else f"timeline-{number}.json"))
            )
        for number, (_, timeline) in enumerate(self.answers, start=1):
            paths.append(timeline.write(directory / f"consumer-{number}.json"))
        return (*paths, captured_frames.write(directory / "capture.pcap", self.frames))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End. A block that failed has its measurement all the same: it is the evidence of the failure."""
        if kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit | GeneratorExit):
            self.abandon()
            return
        try:
            self.end()
        except VantageError:
            self.abandon()
            if kind is None:
                raise

    def begin(self, routes: dict[str, Interface], askers: dict[str, Asker], *, unseen: str) -> Self:
        """Start. `routes`: interfaces by address; `askers` by interface; `unseen`: why no wire is seen."""
        try:
            self._begin(routes, askers, unseen)
        except BaseException:
            self.abandon()
            raise
        return self

    def _begin(self, routes: dict[str, Interface], askers: dict[str, Asker], unseen: str) -> None:
        self._unseen = unseen
        self._clocks.append(self._clock())
        wired = [(address, route) for address, route in routes.items() if route.name in askers]
        self._wire = Wire(frames.suited(askers[route.name], address, route) for address, route in wired)
        for name, asker in askers.items():
            task = self._stack.enter_context(
                asking.capture(self.client, name, [asker], at_most=self._limit + 30)
            )
            self._captures.append((task, 0))
        self.began_ns = self.client.now_ns()
        self._ask_neighbours(routes, askers)
        self._streams = [self._stream(target, routes, askers) for target in self.targets]
        if self.settings.control:
            self._control = _Stream(target=self.settings.control, probe=self._probe(self.settings.control))
        self._asking = [_Asking(one, self._ask(one)) for one in self.asked]
        for task in self._tasks():
            task.until_started()

    def end(self) -> None:
        """Stop; attempts under way still count. The agent must be alive, or VantageError."""
        self._ended_ns = self.client.now_ns()
        for task in self._tasks():
            task.stop()
        for task in self._tasks():
            task.until_done(budgets.seconds(budgets.PROBES_ENDED))
        wait.pause(budgets.get(budgets.FRAMES_ARRIVED))
        self._stack.close()
        self._clocks.append(self._clock())
        self._take()
        self.timelines = {stream.target.name: self._timeline(stream) for stream in self._streams}
        self.answers = tuple((one.asked, self._answers(one)) for one in self._asking)

    def abandon(self) -> None:
        """Stop without results, where the agent failed or nobody waits for them."""
        with contextlib.suppress(VantageError):
            for task in self._tasks():
                task.stop()
        self._stack.close()

    @property
    def _limit(self) -> float:
        return self.settings.at_most

    def _probe(self, target: Target) -> Task:
        every, timeout = self.settings.every, self.settings.timeout
        bounds = {"every": every, "timeout": timeout, "for": self._limit}
        return self.client.start("probe", **target.arguments, body=128, **bounds)

    def _ask(self, asked: Asked) -> Task:
        bounds = {"timeout": self.settings.timeout, "for": self._limit}
        return self.client.start("asking", **asked.arguments, **bounds)

    def _stream(self, target: Target, routes: dict[str, Interface], askers: dict[str, Asker]) -> _Stream:
        stream = _Stream(target=target, probe=self._probe(target))
        route = routes[target.address]
        if route.on_link:
            every = self.settings.arp_every
            arguments = {"address": target.address, "index": route.index, "every": every, "for": self._limit}
            stream.table = self.client.start("table", **arguments)
        if route.name in askers and route.on_link:
            stream.questions = self._send(
                [target.address], route, askers[route.name], self.settings.arp_every
            )
        return stream

    def _ask_neighbours(self, routes: dict[str, Interface], askers: dict[str, Asker]) -> None:
        for name, asker in askers.items():
            here = [address for address in self.settings.neighbours if routes[address].name == name]
            if here:
                every = max(NEIGHBOURS_EVERY / len(here), 0.01)
                self._others.append(self._send(here, routes[here[0]], asker, every))

    def _send(self, addresses: Sequence[str], route: Interface, asker: Asker, every: float) -> Task:
        questions = [
            frames.question(address, frames.suited(asker, address, route)).hex() for address in addresses
        ]
        return self.client.start(
            "send", interface=route.name, frames=questions, every=every, **{"for": self._limit}
        )

    def _tasks(self) -> list[Task]:
        streams = [*self._streams, *([self._control] if self._control else [])]
        each = [task for one in streams for task in (one.probe, one.questions, one.table) if task]
        return [*each, *self._others, *(one.probe for one in self._asking)]

    def _clock(self) -> int:
        reading = self.client.ask("clock")
        return int(reading["real"] - reading["mono"])

    def _take(self) -> None:
        """Make records of the messages that came since the last time."""
        with self._lock:
            for number, (task, taken) in enumerate(self._captures):
                upto = len(task.messages)
                fresh = asking.frames_of(task.messages[taken:upto])
                self._captures[number] = (task, upto)
                self.frames += fresh
                for frame in fresh:
                    self._wire.add(frame)
            streams: list[_Stream | _Asking] = [*self._streams, *self._asking]
            for stream in (*streams, *([self._control] if self._control else [])):
                upto = len(stream.probe.messages)
                messages = stream.probe.messages[stream.taken : upto]
                stream.attempts += attempts_of(messages, began_ns=self.began_ns)
                stream.taken = upto

    def _slips(self, task: Task | None, of: str) -> list[Slip]:
        return [
            Slip(t=seconds(one["t"], self.began_ns), late=one["late"] / 1000, skipped=one["skipped"], of=of)
            for one in (task.of("slip") if task else ())
        ]

    def _timeline(self, stream: _Stream) -> Timeline:
        address, began = stream.target.address, self.began_ns
        control = self._control
        slips = self._slips(stream.probe, "probe") + self._slips(stream.questions, "questions")
        slips += self._slips(control.probe, "control") if control else []
        ended = seconds(self._ended_ns or self.client.now_ns(), began)
        return Timeline(
            vantage=self.vantage,
            address=address,
            port=stream.target.port,
            protocol=stream.target.protocol,
            began_ns=began,
            ended=ended,
            every=self.settings.every,
            arp_every=self.settings.arp_every,
            attempts=tuple(sorted(stream.attempts, key=lambda one: one.t)),
            requests=self._wire.requests(address, began),
            answers=self._wire.replies(address, began),
            gratuitous=self._wire.gratuitous(address, began),
            learned=self._learned(stream.table),
            marks=tuple(self.marks),
            slips=tuple(slips),
            control=self._judge(ended),
            control_attempts=tuple(sorted(control.attempts, key=lambda one: one.t)) if control else (),
            frames_dropped=sum(task.last.get("dropped", 0) for task, _ in self._captures),
            clock_step=round((self._clocks[-1] - self._clocks[0]) / 1e9, 6),
            truncated=any(task.last.get("reason") == "limit" for task in self._tasks()),
        )

    def _answers(self, asking: _Asking) -> Timeline:
        """The timeline of a consumer's requests: who answers for its address is not asked."""
        return Timeline(
            vantage=self.vantage,
            address=asking.asked.request.address,
            port=asking.asked.request.port,
            protocol=asking.asked.request.protocol,
            began_ns=self.began_ns,
            ended=seconds(self._ended_ns or self.client.now_ns(), self.began_ns),
            every=asking.asked.every,
            arp_every=self.settings.arp_every,
            attempts=tuple(sorted(asking.attempts, key=lambda one: one.t)),
            requests=(),
            answers=(),
            gratuitous=(),
            learned=(),
            marks=tuple(self.marks),
            slips=tuple(self._slips(asking.probe, "probe")),
            control=Control(ok=False, reason="a consumer is only asked for its answer"),
            truncated=asking.probe.last.get("reason") == "limit",
        )

    def _learned(self, table: Task | None) -> tuple[Learned, ...]:
        entries = table.of("entry") if table else []
        return tuple(
            Learned(t=seconds(one["t"], self.began_ns), mac=Mac(one["mac"]), state=one["state"])
            for one in entries
        )

    def _judge(self, ended: float) -> Control:
        if self._unseen:
            return Control(ok=False, reason=self._unseen)
        asked = sum(task.last.get("sent", 0) for task in self._others)
        here = self.settings.neighbours
        return asking.judge(self._wire, here, asked=asked, began_ns=self.began_ns, end=ended)
