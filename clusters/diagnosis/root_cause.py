"""A root cause: one cause that holds, with its proof, the one check that reports it, and how far it reaches.

What one fault breaks shows in several checks. One check reports the root cause; every other one refers to it by that
check's id, so that a reader fixes one thing and not ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks import Candidate, Finding, Scope
from clusters.checks.causes import get
from clusters.checks.run_verdict import reach
from clusters.commands import Command, fields_of
from clusters.subject import Subject


@dataclass(frozen=True, kw_only=True)
class RootCause:
    """One cause that holds for one subject ("service shop/web", "pool edge", "node w1", "cluster").

    `fields` fill in the commands of the cause (see `clusters.checks.causes.FIELDS`). `remedy` is given where
    more is known than the record of the cause says, and `reporter` where another check reports it than that record
    says. `rests_on` are lists of the observation that it takes for whole, besides those that the record names.
    `nodes` are the nodes that it concerns where its subject is none of them. `candidates` are the causes that may lie
    behind a neutral one, whose commands are then those that decide; and `proved` is false where not even the link is
    certain.
    """

    cause: CauseId
    subject: Subject
    summary: str
    evidence: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    reporter: CheckId | Literal[""] = ""
    remedy: str = ""
    rests_on: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    proved: bool = True

    @property
    def reported_by(self) -> CheckId | Literal[""]:
        """The check that reports it."""
        return self.reporter or get(self.cause).reported_by

    @property
    def key(self) -> tuple[CauseId, Subject]:
        """What makes two root causes the same."""
        return self.cause, self.subject

    def commands(self, **more: str) -> tuple[Command, ...]:
        """What a person types: what decides between the candidates, else what the cause's record says."""
        deciding = tuple(dict.fromkeys(each.command for each in self.candidates))
        given = fields_of(self.subject) | _known(self.fields) | _known(more)
        # A command about a pod of which there is none can be typed by nobody.
        return deciding or tuple(one for one in get(self.cause).render(**given) if _NO_POD not in one)

    def finding(self) -> Finding:
        """The root cause as a finding of the check that reports it."""
        known = get(self.cause)
        return Finding(
            cause=self.cause,
            subject=self.subject,
            summary=self.summary,
            evidence=self.evidence,
            remedy=self.remedy or known.remedy,
            commands=self.commands(),
            ruled_out=self.ruled_out,
        )


def _known(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


#: What stays open in a command where no pod is known.
_NO_POD = "<pod>"

KnownCauses = Mapping[CauseId, tuple[RootCause, ...]]
"""The causes known before a service is looked at, by their id."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why something is wrong with one subject: the root cause behind it, worded for this subject."""

    root: RootCause
    subject: Subject
    summary: str
    evidence: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)

    def finding(self, check: str, **fields: str) -> Finding:
        """The explanation as a finding of `check`, with the check that reports the root cause where that is another.

        `fields` fill in what the commands still lack.
        """
        known = get(self.root.cause)
        return Finding(
            cause=self.root.cause,
            subject=self.subject,
            summary=self.summary,
            evidence=tuple(dict.fromkeys((*self.evidence, *self.root.evidence))),
            remedy=self.root.remedy or known.remedy,
            commands=self.root.commands(**(fields | fields_of(self.subject) | _known(self.fields))),
            ruled_out=tuple(dict.fromkeys((*self.ruled_out, *self.root.ruled_out))),
            root="" if self.root.reported_by == check else self.root.reported_by,
        )


def referring(finding: Finding, root: str) -> Finding:
    """A finding that only repeats what check `root` names."""
    return replace(finding, root=root)


def place_of(root: RootCause) -> str:
    """Where one root lies: whose work it is."""
    return str(get(root.cause).layer)


def reach_of(root: RootCause) -> Scope:
    """How far one root reaches."""
    return reach(root.cause, root.subject)


def widest_reach(roots: Iterable[RootCause]) -> Scope:
    """How far all of them reach together."""
    order = list(Scope)
    return max((reach_of(root) for root in roots), key=order.index, default=Scope.NONE)
