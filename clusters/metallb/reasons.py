"""Why something is not so: a cause with one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from clusters.cause_ids import CauseId, NoCause
from clusters.subject import UNNAMED, Subject


@dataclass(frozen=True)
class Reason:
    """`cause` is an id of `clusters.checks.causes`, `text` one sentence that names the objects concerned.

    `subject` is what the reason is about ("pool edge", "advertisement lan"), UNNAMED where only the caller knows it.
    """

    cause: CauseId | NoCause
    text: str
    subject: Subject = UNNAMED

    @property
    def named(self) -> CauseId:
        """The cause, of a reason that has one."""
        assert self.cause, self.text
        return CauseId(self.cause)

    def __str__(self) -> str:
        return self.text
