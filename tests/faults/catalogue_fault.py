"""A fault as data: what it breaks, the cause that must be named, and the checks that must name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.catalogue_repository import Clone

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


#: A pool and an advertisement of a fault's own, which no overlay renders.
OWN = (
    *drift("pool edge", "L2Advertisement metallb-system/edge"),
    Also(check="recovery.pool-owner", cause="overlay-drift", subject="pool edge"),
    Also(check="postincident.service-page", cause="page-outdated", subject="pool edge"),
)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `make` is a context manager that returns to its block once the fault stands.

    `shows` maps the id of each check that must fail to a regular expression for the subject that it must
    name with `cause`. `also` are true consequences that may show besides. A check that only refers to one in
    `shows` may do so; everything else counts as unrelated. `undecided` checks cannot be decided under the
    fault. `profile` replaces fields of the profile for the look. `edit` is for faults of the repository.
    """

    name: str
    cause: str
    shows: Mapping[str, str]
    make: Callable[[Stage], AbstractContextManager[None]] | None = None
    edit: Callable[[Clone], None] | None = None
    also: tuple[Also, ...] = ()
    undecided: frozenset[str] = frozenset()
    profile: Mapping[str, Any] = field(default_factory=dict)
    full: bool = False


@dataclass(frozen=True, kw_only=True)
class Healthy:
    """A set-up that is unusual and right: every check must stay silent. Fields as those of a Fault."""

    name: str
    make: Callable[[Stage], AbstractContextManager[None]]
    profile: Mapping[str, Any] = field(default_factory=dict)
    full: bool = False
