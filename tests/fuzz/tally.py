"""What came of the inputs of a fuzzing run, and the bounds that every one of them has to keep."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from clusters.errors import ConformanceError

#: Of the processor's time, so that a busy machine makes no hang of it.
LONGEST = 5.0
#: What one input may need on top of what the process holds already, which had thousands of other tests before it.
MOST_MEMORY_MIB = 128


class Hang(BaseException):
    """An input that takes longer than any may; no handler of the code under test swallows it."""


@dataclass
class Tally:
    """The inputs of one reader."""

    reader: str
    outcomes: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    shares: list[float] = field(default_factory=list)

    @property
    def inputs(self) -> int:
        """How many inputs were read."""
        return sum(self.outcomes.values())

    def __str__(self) -> str:
        told = ", ".join(f"{number} {word}" for word, number in sorted(self.outcomes.items()))
        share = f", unaffected checks {sum(self.shares) / len(self.shares):.1%}" if self.shares else ""
        return (
            f"{self.reader}: {self.inputs} inputs: {told}; {self.outcomes['traceback']} tracebacks, longest "
            f"{self.longest:.2f} s{share}"
        )


#: Every reader's, in the order in which they began.
TALLIES: dict[str, Tally] = {}


def tally(reader: str) -> Tally:
    """The tally of a reader."""
    return TALLIES.setdefault(reader, Tally(reader))


@dataclass
class Memory:
    """What inputs needed: each is measured from what was resident before it, in MiB."""

    most: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Take in what a block needs, and fail where that is too much."""
        # "5" sets the mark of the most that was resident to what is resident now: proc_pid_clear_refs(5).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _most_resident()
        yield
        grown = _most_resident() - before
        self.most = max(self.most, grown)
        assert grown < MOST_MEMORY_MIB, f"{grown:.0f} MiB for one input"


def _most_resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


MEMORY = Memory()


def judged(reader: str, read: Callable[[], str]) -> None:
    """Read one input: `read` says what came of it, and only a ConformanceError of one line may come out of it."""
    found = tally(reader)
    began = time.process_time()
    try:
        with MEMORY.measured(), _no_hang():
            outcome = read()
    except ConformanceError as error:
        outcome = "sentences"
        text = str(error)
        assert text.strip(), "an error without a sentence"
        assert len(text) < 20_000, f"a sentence of {len(text)} characters"
    except BaseException:
        found.outcomes["traceback"] += 1
        raise
    finally:
        found.longest = max(found.longest, time.process_time() - began)
    found.outcomes[outcome] += 1


@contextmanager
def _no_hang() -> Iterator[None]:
    def stop(_: int, __: FrameType | None) -> None:
        raise Hang(f"it takes more than {LONGEST:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
