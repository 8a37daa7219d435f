"""How a scene says what it saw go wrong, so that the diagnosis can look for the cause behind it."""

from __future__ import annotations

from clusters.diagnosis.symptoms import Symptom
from clusters.errors import ConformanceError, ExitCode


class Trouble(ConformanceError, AssertionError):  # noqa: N818 - what a user sees, no error of the program
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
