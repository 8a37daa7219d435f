"""What preflight gives: problems, notes and versions, and the one refusal that tells every problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from clusters.checks import Level
from clusters.errors import ConformanceError, Refused
from clusters.profile import Profile


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One reason not to start, and what to do about it."""

    sentence: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What was found: the versions of Kubernetes ("v1.35.4") and MetalLB ("0.15.2", "" where its image hides it).

    `problems` is empty where the run may start. `notes` is what a person should know all the same.
    """

    level: Level
    kubernetes_version: str = ""
    metallb_version: str = ""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


class Wanted(Protocol):
    """What a run was asked to do, as far as it matters here."""

    @property
    def profile(self) -> Profile:
        """The profile."""
        ...

    @property
    def level(self) -> Level:
        """The level asked for."""
        ...

    @property
    def run_id(self) -> str:
        """The run's name; with a dot in it, it is a part of the run that stands before the dot."""
        ...

    @property
    def confirm_cluster(self) -> str:
        """The UID given with --confirm-cluster, or ""."""
        ...


def problem_of(error: ConformanceError) -> Problem:
    """An error as one of several problems."""
    return Problem(sentence=str(error.args[0]), remedy=error.remedy)


def refusal(name: str, problems: Sequence[Problem]) -> Refused:
    """The refusal of a run against profile `name`, with every problem in it."""
    if len(problems) == 1:
        return Refused(problems[0].sentence, remedy=problems[0].remedy)
    listing = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, start=1))
    return Refused(f"{len(problems)} reasons not to start against {name}:\n{listing}\n")
