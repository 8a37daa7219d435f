"""A service's two paths, from the object to its address and from the vantage to a backend and back, link by link.

Each link has a question; once it is read it has a reading, its proof, and what may break it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clusters.cause_ids import CauseId
from clusters.commands import Command


class Path(StrEnum):
    """One of the two ways that a service depends on."""

    ASSIGNMENT = "assignment"
    TRAFFIC = "traffic"


class Link(StrEnum):
    """One link of a path, in the order in which a verdict goes through them."""

    CLASS = "class"
    CONTROLLER = "controller"
    CONFIGURATION = "configuration"
    REQUEST = "request"
    POOL = "pool"
    FREE = "free"
    WRITTEN = "written"
    INTENDED = "intended"
    ROUTE = "route"
    ADVERTISED = "advertised"
    ANNOUNCER = "announcer"
    ANSWER = "answer"
    NODE = "node"
    FORWARD = "forward"
    BACKEND_PATH = "backend path"
    BACKEND = "backend"
    RETURN = "return"
    AFAR = "seen from afar"

    @property
    def path(self) -> Path:
        """The path that this link is of."""
        order = list(Link)
        return Path.ASSIGNMENT if order.index(self) <= order.index(Link.INTENDED) else Path.TRAFFIC

    @property
    def question(self) -> str:
        """What has to be answered with yes for the link to hold."""
        return _QUESTIONS[self]


_QUESTIONS = {
    Link.CLASS: "Is the service MetalLB's to serve?",
    Link.CONTROLLER: "Does exactly one controller decide?",
    Link.CONFIGURATION: "Has MetalLB accepted the configuration that is there?",
    Link.REQUEST: "Is what the service asks for well formed, and known to this version?",
    Link.POOL: "May a pool serve it?",
    Link.FREE: "Is an address free, sharing included?",
    Link.WRITTEN: "Does the status hold, written by MetalLB alone?",
    Link.INTENDED: "Is it the address, and the pool, that is intended?",
    Link.ROUTE: "Does the vantage have a way to the address?",
    Link.ADVERTISED: "Is somebody meant to announce it?",
    Link.ANNOUNCER: "Is an announcer eligible and elected?",
    Link.ANSWER: "Does exactly one host reply to ARP or NDP, and is it the elected one?",
    Link.NODE: "Do frames from the vantage reach that node at all?",
    Link.FORWARD: "Does the node take the packet and hand it on?",
    Link.BACKEND_PATH: "Does every endpoint get its share?",
    Link.BACKEND: "Does what answers keep its promise?",
    Link.RETURN: "Do answers come back whole?",
    Link.AFAR: "Does it hold behind a router as well?",
}


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
