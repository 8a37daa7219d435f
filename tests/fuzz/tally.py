"""What came of the inputs of a fuzzing run, and the bounds that every one of them has to keep."""

from __future__ import annotations

import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from clusters.errors import ConformanceError

#: Of the processor's time, so that a busy machine makes no hang of it.
LONGEST = 5.0
MOST_MEMORY_MIB = 512


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


def peak_mib() -> float:
    """The most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def judged(reader: str, read: Callable[[], str]) -> None:
    """Read one input: `read` says what came of it, and only a ConformanceError of one line may come out of it."""
    found = tally(reader)
    began = time.process_time()
    try:
        with _no_hang():
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
    assert peak_mib() < MOST_MEMORY_MIB, f"{peak_mib():.0f} MiB"


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
