"""What goes wrong while the lab's parts are made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clusters.errors import ConformanceError

#: How many lines of a failed build are worth showing; Go puts the cause last.
SHOWN_LINES = 15

#: What Go prints when it is the network that is missing, not what it asked for.
NETWORK = re.compile(
    r"no such host|dial tcp|i/o timeout|connection (refused|reset)|network is unreachable|handshake timeout"
)


class PartError(ConformanceError):
    """A part of the lab cannot be made, found or unpacked.

    `part` names it; `output` holds the last lines of what the failed command printed, which follow the sentence and
    its remedy in the error's text.
    """

    def __init__(self, part: str, text: str, *, remedy: str = "", output: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.part = part
        self.output: Sequence[str] = tuple(output.rstrip().splitlines()[-SHOWN_LINES:])

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  | {line}" for line in self.output)])
