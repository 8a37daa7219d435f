"""The two paths of a service as they were read: each link with its reading, its proof, and what may break it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clusters.cause_ids import CauseId
from clusters.checks.path_links import Link, Path
from clusters.commands import Command


class Reading(StrEnum):
    """What is known of one link."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A cause that would explain what is seen and is not proved; `command` is what decides whether it holds."""

    cause: CauseId
    command: Command


@dataclass(frozen=True, kw_only=True)
class LinkReading:
    """One link of one service's path. `proof` are the sentences that the reading stands on.

    `cause` is that of a broken link, and of no other. `candidates` are what may break it where that is not proved:
    of an unknown link, or of a broken one whose cause is a neutral one.
    """

    link: Link
    reading: Reading
    proof: tuple[str, ...] = ()
    cause: str = ""
    candidates: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        if (self.reading == Reading.BROKEN) != bool(self.cause):
            raise ValueError(f"Link {self.link} is {self.reading} and names the cause {self.cause!r}.")
        if self.reading == Reading.BROKEN and not self.proof:
            raise ValueError(f"Link {self.link} is broken by {self.cause}, and nothing proves it.")


@dataclass(frozen=True, kw_only=True)
class ServicePath:
    """One path of one service ("namespace/name"). `address` is empty and `port` 0 where it has none yet."""

    service: str
    address: str
    port: int
    path: Path
    links: tuple[LinkReading, ...]

    @property
    def broken(self) -> LinkReading | None:
        """The first link, in order, that is broken with proof: the verdict of the path."""
        return next((each for each in self.links if each.reading == Reading.BROKEN), None)
