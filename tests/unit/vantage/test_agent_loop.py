"""The agent's clockwork, with real time in small amounts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest

from clusters.vantage.agent import loop as clockwork
from clusters.vantage.agent.loop import Loop, Output, Ticker


class Ticks:
    """Counts the ticks of one Ticker, with the times at which they came."""

    def __init__(self, *, every: float, count: int = 0, limit: float = 5.0) -> None:
        self.loop = Loop()
        self.seen: list[tuple[int, float, float]] = []
        self.slips: list[tuple[float, float, int]] = []
        self.reason = ""
        self.then: Callable[[int], None] = lambda _: None
        self.ticker = Ticker(
            self.loop,
            every=every,
            limit=limit,
            count=count,
            tick=self.tick,
            slipped=lambda *slip: self.slips.append(slip),
            finished=self.finished,
        )

    def tick(self, number: int, late: float) -> None:
        self.seen.append((number, late, time.monotonic()))
        self.then(number)

    def finished(self, reason: str) -> None:
        self.reason = reason
        self.loop.stop()


def test_ticks_come_on_an_absolute_schedule() -> None:
    ticks = Ticks(every=0.02, count=20)
    ticks.loop.run()
    assert [number for number, _, _ in ticks.seen] == list(range(20))
    assert ticks.reason == "count"
    # `when` is read after `late`: whatever ran between them on a busy machine is in the difference, and never less.
    between = [when - (ticks.ticker.start + number * 0.02) - late for number, late, when in ticks.seen]
    assert min(between) >= 0
    assert min(between[10:]) < 0.01


def test_what_was_missed_is_skipped_and_told() -> None:
    ticks = Ticks(every=0.02, limit=0.3)
    ticks.then = lambda number: block(0.07) if number == 3 else None
    ticks.loop.run()
    numbers = [number for number, _, _ in ticks.seen]
    assert numbers[:4] == [0, 1, 2, 3]
    assert numbers[4] >= 6
    assert len(numbers) == len(set(numbers))
    assert sum(skipped for _, _, skipped in ticks.slips) == ticks.ticker.skipped >= 2


def test_promised_ticks_are_all_made_and_never_faster() -> None:
    ticks = Ticks(every=0.02, count=8)
    ticks.then = lambda number: block(0.07) if number == 3 else None
    ticks.loop.run()
    assert [number for number, _, _ in ticks.seen] == list(range(8))
    times = [when for _, _, when in ticks.seen]
    assert times[-1] - times[4] >= 2 * 0.02  # three intervals, less the lateness of the first
    assert {skipped for _, _, skipped in ticks.slips} == {0}


def block(seconds: float) -> None:
    """Keep the process from running its loop."""
    os.waitpid(os.spawnlp(os.P_NOWAIT, "sleep", "sleep", str(seconds)), 0)


def test_the_limit_ends_it() -> None:
    ticks = Ticks(every=0.01, limit=0.1)
    ticks.loop.run()
    assert ticks.reason == "limit"
    assert 3 <= len(ticks.seen) <= 10


def test_stopping_ends_it_once() -> None:
    ticks = Ticks(every=0.01)
    ticks.then = lambda number: ticks.ticker.stop() if number == 2 else None
    ticks.loop.run()
    assert (ticks.reason, len(ticks.seen)) == ("stopped", 3)
    ticks.reason = ""
    ticks.ticker.stop()
    ticks.ticker.fire()
    assert (ticks.reason, len(ticks.seen)) == ("", 3)


def test_an_answer_that_is_ready_comes_before_a_deadline_that_has_passed() -> None:
    loop, order = Loop(), []
    reading, writing = os.pipe()
    os.write(writing, b"x")
    loop.on(reading, clockwork.selectors.EVENT_READ, lambda: (order.append("answer"), loop.off(reading)))
    loop.at(time.monotonic() - 1, lambda: (order.append("deadline"), loop.stop()))
    loop.run()
    os.close(reading)
    os.close(writing)
    assert order == ["answer", "deadline"]


def test_output_never_blocks_and_keeps_what_was_not_taken() -> None:
    loop = Loop()
    reading, writing = os.pipe()
    output = Output(loop, writing)
    for number in range(5000):
        output.send(id=number, text="x" * 50)
    assert output.unsent
    data = b""
    while data.count(b"\n") < 5000:
        data += os.read(reading, 1 << 16)
        output.flush()
    assert [json.loads(line)["id"] for line in data.splitlines()] == list(range(5000))
    assert not output.unsent
    os.close(reading)
    output.send(id=0)
    assert not loop.running
    os.close(writing)


def test_a_controller_that_reads_no_more_ends_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clockwork, "MOST_UNSENT", 100_000)
    loop = Loop()
    reading, writing = os.pipe()
    output = Output(loop, writing)
    for _ in range(5000):
        output.send(text="x" * 50)
    assert not loop.running
    os.close(reading)
    os.close(writing)
