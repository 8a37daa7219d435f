"""A fault as data: what it breaks, the cause that must be named, and the checks that must name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from clusters.checks import Scope

if TYPE_CHECKING:
    from tests.faults.catalogue_clone import Clone
    from tests.faults.catalogue_stage import Stage

#: They sum up what the others found, so that any fault may show in them.
SUMMARIES = frozenset({"health.scope", "recovery.incident-scope", "scaling.verdict"})
#: What an edit of the live configuration is as well: not what the overlay renders.
INTENDED = "overlay.intended-config"


@dataclass(frozen=True, kw_only=True)
class Also:
    """A further finding that a fault truly has: `subject` is a regular expression for the whole subject."""

    check: str
    cause: str
    subject: str = ".*"


def drift(*subjects: str) -> tuple[Also, ...]:
    """Objects that are edited, added or missing behind the overlay's back."""
    return tuple(Also(check=INTENDED, cause="overlay-drift", subject=each) for each in subjects)


#: The metrics API has measured a pod that was just started only after a while.
UNMEASURED = frozenset({"scaling.controller-cpu"})
#: A pool and an advertisement of a fault's own, which no overlay renders.
OWN = (
    *drift("pool edge", "L2Advertisement metallb-system/edge"),
    Also(check="recovery.pool-owner", cause="overlay-drift", subject="pool edge"),
    Also(check="postincident.service-page", cause="page-outdated", subject="pool edge"),
)


class Summary(NamedTuple):
    """What the three checks that sum up must note: how far it reaches, what is in trouble, whether to scale.

    `trouble` and `scaling` are regular expressions for the beginning of the note.
    """

    scope: Scope
    trouble: str
    scaling: str = "no scale change is needed$"

    @property
    def notes(self) -> Mapping[str, str]:
        """How the first note of each of them begins, by check."""
        return {
            "health.scope": f"scope {self.scope}: ",
            "recovery.incident-scope": f"in trouble: {self.trouble}",
            "scaling.verdict": self.scaling,
        }


_TO_BLAME = "no scale change is needed; the cause is the configuration"
_CONFIGURATION, _NETWORK, _ITSELF = "configuration alone", "nodes and network alone", "MetalLB itself alone"
#: Nothing of it shows in the cluster.
UNTOUCHED = Summary(Scope.NONE, "nothing$")
ONE_SERVICE = Summary(Scope.SERVICE, _CONFIGURATION, _TO_BLAME)
ONE_CONSUMER = Summary(Scope.SERVICE, "consumers' workloads alone")
ONE_ADDRESS = Summary(Scope.SERVICE, _NETWORK)
ONE_POOL = Summary(Scope.POOL, _CONFIGURATION, _TO_BLAME)
ONE_RANGE = Summary(Scope.POOL, _NETWORK)
ALL_BY_CONFIGURATION = Summary(Scope.CLUSTER, _CONFIGURATION, _TO_BLAME)
ALL_BY_NETWORK = Summary(Scope.CLUSTER, _NETWORK)
ALL_BY_METALLB = Summary(Scope.CLUSTER, _ITSELF)


@dataclass(frozen=True, kw_only=True)
class Less:
    """What a vantage without raw sockets tells of a fault, where that is less than one with them tells.

    Where its kernel heard the machine that gives it away, `shows` name `cause`, by default the fault's own, and
    `says` is said. Else nothing is named, and the checks that name it with raw sockets cannot be decided. `why`
    are sentences.
    """

    why: str
    cause: str = ""
    shows: Mapping[str, str] = field(default_factory=dict)
    says: Summary | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `make` is a context manager that returns to its block once the fault stands.

    `shows` maps the id of each check that must fail to a regular expression for the subject that it must
    name with `cause`. `also` are true consequences that may show besides. A check that only refers to one in
    `shows` may do so; everything else counts as unrelated. `undecided` checks cannot be decided under the
    fault. `says` is what must be said in sum. `profile` replaces fields of the profile for the look. `edit` is
    for faults of the repository, instead of `make`. `less` is what is told without raw sockets; without it the
    same must be told there. `where` are the properties that a cluster must have for it (`combinations.FACTORS`).
    `neutral` says, of a fault whose cause leaves open what it is, why no observation from outside could prove more.
    `reports` are public reports of people who met it.
    """

    name: str
    cause: str
    shows: Mapping[str, str]
    make: Callable[[Stage], AbstractContextManager[None]] | None = None
    edit: Callable[[Clone], None] | None = None
    also: tuple[Also, ...] = ()
    undecided: frozenset[str] = frozenset()
    says: Summary | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    less: Less | None = None
    where: Mapping[str, str | int] = field(default_factory=dict)
    neutral: str = ""
    reports: tuple[str, ...] = ()
    full: bool = False


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """A set-up that is unusual and right: every check must stay silent.

    `edit` makes the repository say so as well. It is looked at `later` seconds after it stands, by the clock
    of the observation. `undecided` checks cannot be decided there, and say so. Other fields are those of a Fault.
    """

    name: str
    make: Callable[[Stage], AbstractContextManager[None]]
    edit: Callable[[Clone], None] | None = None
    profile: Mapping[str, Any] = field(default_factory=dict)
    later: float = 0.0
    undecided: frozenset[str] = frozenset()
    where: Mapping[str, str | int] = field(default_factory=dict)
    reports: tuple[str, ...] = ()
    full: bool = False
