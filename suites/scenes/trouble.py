"""How a scene says what it saw go wrong, so that the diagnosis can look for the cause behind it."""

from __future__ import annotations

from enum import StrEnum

from clusters.errors import ConformanceError, ExitCode


class Symptom(StrEnum):
    """What a user would see; the diagnosis turns it into a cause."""

    PENDING = "pending"
    WRONG_ADDRESS = "wrong-address"
    NOT_REFUSED = "not-refused"
    NO_EVENT = "no-event"
    SILENT = "silent"
    TWO_ANNOUNCERS = "two-announcers"
    UNREACHABLE = "unreachable"
    UNREACHED_INSIDE = "unreached-inside"
    STILL_ANSWERING = "still-answering"
    WRONG_ANNOUNCER = "wrong-announcer"
    CLIENT_ADDRESS_LOST = "client-address-lost"
    NO_GRATUITOUS = "no-gratuitous"
    DISAGREEMENT = "disagreement"
    NOT_MOVED = "not-moved"
    NOT_BACK = "not-back"
    GAP = "gap"
    ADDRESS_CHANGED = "address-changed"


class Trouble(ConformanceError, AssertionError):  # noqa: N818 - what a user sees, no error of the program
    """A promise about one service that does not hold: the symptom, the service, and what was read.

    `readings` is text for a person: the claim, its budget, the last readings. `address` is "" where the
    service has none.
    """

    exit_code = ExitCode.FAILED

    def __init__(
        self, symptom: Symptom, *, namespace: str, service: str, readings: str, address: str = ""
    ) -> None:
        super().__init__(f"service {namespace}/{service}: {symptom.replace('-', ' ')}: {readings}")
        self.symptom = symptom
        self.namespace = namespace
        self.service = service
        self.address = address
        self.readings = readings
