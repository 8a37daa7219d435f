"""How a scene says what it saw go wrong, so that the diagnosis can look for the cause; and times a block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets
from clusters.budgets import Budget
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import ConformanceError, ExitCode
from suites.plugin.record import Record


class BrokenPromise(ConformanceError, AssertionError):  # noqa: N818 - what a user sees, no error of the program
    """A promise about one service that does not hold: the symptom, the service, and what was read.

    `readings` is text for a person: the claim, its budget, the last readings. `address` is "" where the
    service has none. `writers` are the field managers that were seen to write its status.
    """

    exit_code = ExitCode.FAILED

    def __init__(
        self,
        symptom: Symptom,
        *,
        namespace: str,
        service: str,
        readings: str,
        address: str = "",
        writers: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(f"service {namespace}/{service}: {symptom.replace('-', ' ')}: {readings}")
        self.symptom = symptom
        self.namespace = namespace
        self.service = service
        self.address = address
        self.readings = readings
        self.writers = writers


def expect(fact: object, otherwise: BrokenPromise) -> None:
    """Raise `otherwise` where `fact` does not hold."""
    if not fact:
        raise otherwise


@contextmanager
def timed(record: Record, figure: str, *, budget: Budget) -> Iterator[None]:
    """Measure a block that succeeds, against its budget; a block that raises measures nothing."""
    began = time.monotonic()
    yield
    record.measure(figure, time.monotonic() - began, budget=budgets.get(budget).within)
