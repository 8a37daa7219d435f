"""How many inputs each reader gets, and the summary at the end.

FUZZ_EXAMPLES=5000 is what `make fuzz` sets: other inputs each time. Without it, a few, the same each time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz import tally

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
_FEW = 60

settings.register_profile(
    "fuzz",
    max_examples=EXAMPLES or _FEW,
    derandomize=not EXAMPLES,
    deadline=None,  # the tally has its own, by the processor's time
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("fuzz")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What came of it, a line a reader, and the most memory that one input needed."""
    if not tally.TALLIES:
        return
    terminalreporter.section("fuzzing")
    for each in tally.TALLIES.values():
        terminalreporter.write_line(str(each))
    terminalreporter.write_line(
        f"most memory for one input {tally.MEMORY.most:.0f} MiB of {tally.MOST_MEMORY_MIB}"
    )
