"""What every part of an observation has: what became of reading it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How reading one part of the cluster ended."""

    OK = "ok"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"
    #: The cluster has no such thing: a resource this MetalLB does not define, a metrics API not installed.
    ABSENT = "absent"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of an observation: what became of reading it.

    `verb` and `resource` name the permission that is missing where `status` is not_permitted;
    `detail` is the error's sentence, or why the part was not asked.
    """

    status: Status = Status.NOT_ASKED
    detail: str = ""
    verb: str = ""
    resource: str = ""

    @property
    def ok(self) -> bool:
        """Whether the part was read. An absent part was not."""
        return self.status is Status.OK

    @property
    def known(self) -> bool:
        """Whether the part's content is known: read, or known to be absent (then it is empty)."""
        return self.status in {Status.OK, Status.ABSENT}
