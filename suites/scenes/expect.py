"""Small words for checks: expect a fact, time a block against a budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets
from clusters.budgets import Budget
from suites.plugin.record import Record
from suites.scenes.trouble import Trouble


def expect(fact: object, otherwise: Trouble) -> None:
    """Raise `otherwise` where `fact` does not hold."""
    if not fact:
        raise otherwise


@contextmanager
def timed(record: Record, figure: str, *, budget: Budget) -> Iterator[None]:
    """Measure a block that succeeds, against its budget; a block that raises measures nothing."""
    began = time.monotonic()
    yield
    record.measure(figure, time.monotonic() - began, budget=budgets.get(budget).within)
