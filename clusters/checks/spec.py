"""A check's specification: what it promises, at which level, and what it needs to be decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clusters.cause_ids import CauseId
from clusters.checks.access import Access


class Level(StrEnum):
    """How much a check may do to a cluster; each level includes the ones before it."""

    OBSERVE = "observe"
    CREATE = "create"
    DISRUPT = "disrupt"

    @property
    def rank(self) -> int:
        """0 for observe, 1 for create, 2 for disrupt."""
        return list(Level).index(self)

    def allows(self, other: Level) -> bool:
        """Whether a run at this level may run a check of level `other`."""
        return other.rank <= self.rank


class Need(StrEnum):
    """What must be at hand for a check to be decided at all."""

    CLUSTER = "cluster"
    WIRE = "wire"
    REPOSITORY = "repository"
    #: That the profile asks for pods to look from. Without that such a check is not run at all.
    POD = "pod"
    #: The version that an upgrade would go to. Without one such a check is not run at all.
    TARGET = "target"


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """One check as its author declares it. `id` never changes its meaning.

    `promise` is the first line of the check's docstring. `runbook` holds section numbers ("2.1") or
    the section's name where the runbook gives no number ("Trigger"). `causes` are the cause ids that the
    check may name, `commands` the templates of what a person would type to see the same, `since` the MetalLB version
    below which the check is not supported ("" where there is none). `uses` are the permissions that it needs
    beyond those of the run's observation. `phases` are the phases of an upgrade that somebody else performs
    ("before", "after") in which the check is decided by looking alone.
    """

    id: str
    title: str
    promise: str
    runbook: tuple[str, ...]
    level: Level
    needs: frozenset[Need] = frozenset({Need.CLUSTER})
    causes: tuple[CauseId, ...] = ()
    commands: tuple[str, ...] = ()
    uses: tuple[Access, ...] = ()
    since: str = ""
    measured: bool = False
    phases: tuple[str, ...] = ()
