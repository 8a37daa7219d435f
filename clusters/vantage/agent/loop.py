"""One thread that waits for sockets and the clock: an absolute schedule, and output that never blocks."""

from __future__ import annotations

import heapq
import itertools
import json
import os
import selectors
import time
from typing import Any, Callable  # noqa: UP035 - Callable of collections.abc is no alias before Python 3.9

MOST_UNSENT = 64 * 1024 * 1024
MOST_PAUSE = 0.5


class Loop:
    """Runs callbacks when a file is ready or a monotonic time has come.

    Files go first: an answer that lies ready is an answer, even where its deadline passed while this process
    was not running.
    """

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.running = True

    def at(self, when: float, callback: Callable[[], None]) -> None:
        """Run `callback` once at `when` (time.monotonic). It cannot be cancelled."""
        heapq.heappush(self.timers, (when, next(self.order), callback))

    def on(self, file: Any, events: int, callback: Callable[[], None]) -> None:
        """Run `callback` whenever `file` is ready for `events`; replaces what was there for the file."""
        try:
            self.selector.modify(file, events, callback)
        except KeyError:
            self.selector.register(file, events, callback)

    def off(self, file: Any) -> None:
        """Stop watching `file`; no error where it was not watched."""
        try:
            self.selector.unregister(file)
        except (KeyError, ValueError):
            return

    def stop(self) -> None:
        """Leave `run` after the callback that is running."""
        self.running = False

    def run(self) -> None:
        """Serve until `stop`."""
        while self.running:
            pause = min(MOST_PAUSE, self.timers[0][0] - time.monotonic()) if self.timers else MOST_PAUSE
            for key, _ in self.selector.select(max(0.0, pause)):
                key.data()
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()


class Output:
    """JSON lines to the controller. What its pipe does not take at once is kept and sent when it does."""

    def __init__(self, loop: Loop, descriptor: int) -> None:
        self.loop = loop
        self.descriptor = descriptor
        self.unsent = bytearray()
        os.set_blocking(descriptor, False)

    def send(self, **message: Any) -> None:
        """Queue one message; a controller that has stopped reading for long ends the agent."""
        self.unsent += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if len(self.unsent) > MOST_UNSENT:
            self.loop.stop()
        self.flush()

    def flush(self) -> None:
        """Write what the pipe takes now."""
        try:
            del self.unsent[: os.write(self.descriptor, self.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent.clear()
            self.loop.stop()
        if self.unsent:
            self.loop.on(self.descriptor, selectors.EVENT_WRITE, self.flush)
        else:
            self.loop.off(self.descriptor)


class Ticker:
    """Calls `tick(number, late)` at start + number x every. The schedule is absolute: it does not drift.

    Ticks that were missed altogether (this process did not run) are never made up for in a burst: they are
    skipped, or where `count` of them are promised, the rest of the schedule moves. `slipped(due, late, skipped)`
    is told of them and of every tick later than `tolerance`. `finished(reason)`
    is called once: "count", "limit" (its time was over) or "stopped".
    """

    def __init__(
        self,
        loop: Loop,
        *,
        every: float,
        limit: float,
        count: int,
        tick: Callable[[int, float], None],
        slipped: Callable[[float, float, int], None],
        finished: Callable[[str], None],
    ) -> None:
        self.loop, self.every, self.count = loop, max(every, 0.001), count
        self.tick, self.slipped, self.finished = tick, slipped, finished
        self.tolerance = max(0.005, self.every / 2)
        self.number = self.skipped = 0
        self.stopped = False
        self.start = time.monotonic()
        self.end = self.start + limit
        loop.at(self.start, self.fire)

    def stop(self, reason: str = "stopped") -> None:
        """No further tick."""
        if not self.stopped:
            self.stopped = True
            self.finished(reason)

    def fire(self) -> None:
        """Do the tick that is due, and set the next."""
        if self.stopped:
            return
        now = time.monotonic()
        if now >= self.end:
            self.stop("limit")
            return
        due = self.start + self.number * self.every
        missed = int((now - due) / self.every)
        if missed or now - due > self.tolerance:
            self.slipped(due, now - due, 0 if self.count else missed)
        if self.count:
            self.start += missed * self.every
        else:
            self.number += missed
            self.skipped += missed
        self.tick(self.number, now - (self.start + self.number * self.every))
        self.number += 1
        if self.count and self.number >= self.count:
            self.stop("count")
            return
        self.loop.at(self.start + self.number * self.every, self.fire)


class Paced:
    """A task that acts every `every` seconds, for `for` seconds or `count` times: `tick` is what it does.

    It tells that it started, when this process was late, and that it is done; then `ended` is called.
    """

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.loop, self.output, self.task, self.ended = loop, output, task, ended
        output.send(id=task["id"], event="started", t=time.time_ns())
        self.ticker = Ticker(
            loop,
            every=task["every"],
            limit=task["for"],
            count=task.get("count", 0),
            tick=self.tick,
            slipped=self.slipped,
            finished=self.finished,
        )

    def tick(self, number: int, late: float) -> None:
        """Act once; `late` is in seconds."""
        raise NotImplementedError

    def slipped(self, due: float, late: float, skipped: int) -> None:
        """Tell that this process was late, which says nothing of what it measures."""
        t = time.time_ns() - int((time.monotonic() - due) * 1e9)
        self.output.send(id=self.task["id"], event="slip", t=t, late=round(late * 1000, 3), skipped=skipped)

    def finished(self, reason: str) -> None:
        """Tell that it is done."""
        self.done(reason)

    def done(self, reason: str, **told: Any) -> None:
        """End the task, and tell why, with what else is to be told."""
        self.output.send(id=self.task["id"], event="done", reason=reason, **told)
        self.ended()

    def stop(self) -> None:
        """Act no more."""
        self.ticker.stop()
