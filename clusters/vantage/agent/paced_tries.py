"""A task: tries at many targets, in a given order, so many a second, and never too many at once."""

from __future__ import annotations

import collections
import time
from typing import Any, Callable  # noqa: UP035 - Callable of collections.abc is no alias before Python 3.9

from .loop import Loop, Output, Paced
from .probes import Attempt, word

#: Sockets that may be open at once: half of what a process has by default on most systems (RLIMIT_NOFILE).
AT_ONCE = 512


class Sweep(Paced):
    """Tries `order`, indexes into `targets`, one every `every` s; where too many wait for an answer, the next waits.

    Each is told with its place in the order, its source port, and how it was refused where an ICMP message said so.
    A target with a `source` is tried from that port.
    """

    def __init__(self, loop: Loop, output: Output, task: dict[str, Any], ended: Callable[[], None]) -> None:
        self.left = collections.deque(enumerate(task["order"]))
        self.pending = 0
        self.reason = ""
        self.over = False
        super().__init__(loop, output, task, ended)

    def tick(self, _: int, late: float) -> None:
        """Begin the next try, if there is room."""
        if not self.left:
            self.ticker.stop("count")
        elif self.pending < AT_ONCE:
            self.begin(*self.left.popleft(), late)

    def begin(self, place: int, target: int, late: float) -> None:
        """Begin one try."""
        self.pending += 1

        def done(attempt: Attempt) -> None:
            self.pending -= 1
            self.tell(place, attempt, late)
            self.conclude()

        common = {"timeout": self.task["timeout"], "body": self.task["body"], "icmp": True}
        try:
            Attempt(self.loop, {**self.task["targets"][target], **common}, done).start()
        except OSError as error:  # no socket to be had: that says nothing of the target
            self.pending -= 1
            self.output.send(
                id=self.task["id"], event="trouble", t=time.time_ns(), n=place, error=word(error)
            )

    def tell(self, place: int, attempt: Attempt, late: float) -> None:
        """Tell how a try ended."""
        self.output.send(
            id=self.task["id"],
            event="attempt",
            n=place,
            t=attempt.began,
            late=round(late * 1000, 3),
            ok=attempt.ok,
            ms=round(attempt.ms, 3),
            error=attempt.error,
            server=attempt.server,
            icmp=attempt.icmp,
            sent_by=attempt.sent_by,
            source=attempt.source,
        )

    def slipped(self, *_: float) -> None:
        """Each try is told with how late it was."""

    def finished(self, reason: str) -> None:
        """No more tries; those under way still count."""
        self.reason = reason
        self.conclude()

    def conclude(self) -> None:
        """End the task where nothing is under way."""
        if self.reason and not self.pending and not self.over:
            self.over = True
            self.done(self.reason, left=len(self.left))
