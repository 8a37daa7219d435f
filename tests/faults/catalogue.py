"""The catalogue of faults: each made for real, looked at through the whole observe suite, and mended again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from clusters.checks import Finding, Outcome
from tests.faults import (
    catalogue_advertisements,
    catalogue_components,
    catalogue_mesh,
    catalogue_network,
    catalogue_pools,
    catalogue_repository,
    catalogue_services,
    catalogue_speakers,
)
from tests.faults.catalogue_clone import Clone, cloned
from tests.faults.catalogue_fault import SUMMARIES, Fault, Healthy
from tests.faults.catalogue_judging import Looked, told
from tests.faults.catalogue_stage import Stage

IN_THE_CLUSTER: tuple[Fault, ...] = (
    *catalogue_services.FAULTS,
    *catalogue_pools.FAULTS,
    *catalogue_advertisements.FAULTS,
    *catalogue_network.FAULTS,
    *catalogue_components.FAULTS,
    *catalogue_speakers.FAULTS,
    *catalogue_mesh.FAULTS,
)
IN_THE_REPOSITORY: tuple[Fault, ...] = catalogue_repository.FAULTS
FAULTS: tuple[Fault, ...] = (*IN_THE_REPOSITORY, *IN_THE_CLUSTER)
_SILENT = frozenset({Outcome.PASSED, Outcome.NOT_SUPPORTED, Outcome.WAIVED})


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one fault. `missed` are checks that stayed silent, `misnamed` those with another cause.

    `missaid` are summaries that say something else than they must. `seconds` are those until all was silent
    again, `mended` those of them after the fault had been taken back.
    """

    fault: Fault
    missed: tuple[str, ...]
    misnamed: tuple[str, ...]
    missaid: tuple[str, ...]
    unrelated: tuple[str, ...]
    seconds: float
    mended: float

    @classmethod
    def broken(cls, fault: Fault, why: str, *, seconds: float) -> Self:
        """A fault that could not be made, or not mended."""
        return cls(
            fault=fault, missed=tuple(fault.shows), misnamed=(), missaid=(why,), unrelated=(),
            seconds=seconds, mended=0.0,
        )  # fmt: skip

    @property
    def detected(self) -> bool:
        """Whether any of the checks that must fail did."""
        return len(self.missed) < len(self.fault.shows)

    @property
    def right(self) -> bool:
        """Whether all of them failed, with the cause and subject that they must name."""
        return not (self.missed or self.misnamed)

    @property
    def wrong(self) -> str:
        """What is not as it must be, a line each; empty where all is."""
        lines = [f"{check} stays silent" for check in self.missed]
        lines += [f"{check} does not name {self.fault.cause}" for check in self.misnamed]
        lines += self.missaid
        lines += [f"unrelated: {each}" for each in self.unrelated]
        return "\n".join(lines)


def tried(stage: Stage, fault: Fault) -> Trial:
    """Make one fault of the cluster, look, mend it, and look until all is silent again."""
    begun = time.monotonic()
    assert fault.make is not None
    with stage.changes.scope(), fault.make(stage):
        looked = stage.look(fault.profile)
    stage.healthy()
    mending = time.monotonic()
    stage.until_silent()
    ended = time.monotonic()
    return trial(fault, looked, seconds=ended - begun, mended=ended - mending)


def edited(clone: Clone, fault: Fault, look: Callable[[], Looked]) -> Trial:
    """Make one fault of the repository, look, mend it, and look again: then all must be silent."""
    begun = time.monotonic()
    assert fault.edit is not None
    fault.edit(clone)
    looked = look()
    clone.mend()
    mending = time.monotonic()
    left = look().trouble
    ended = time.monotonic()
    assert not left, "\n".join(left)
    return trial(fault, looked, seconds=ended - begun, mended=ended - mending)


def heard(stage: Stage, variant: Healthy) -> list[str]:
    """Make one healthy variant and look: a line for each check that has anything to say, of which none may."""
    with ExitStack() as stack:
        repository = None
        if variant.edit:
            clone = stack.enter_context(cloned())
            variant.edit(clone)
            repository = clone.root
        stack.enter_context(stage.changes.scope())
        stack.enter_context(variant.make(stage))
        said = stage.look(variant.profile, repository=repository, later=variant.later).trouble
    stage.healthy()
    stage.until_silent()
    return said


def trial(fault: Fault, looked: Looked, *, seconds: float, mended: float) -> Trial:
    """Judge one look at a fault."""
    failed = {check for check, _ in looked.found}
    named = {check for check, finding in looked.found if _names(fault, check, finding)}
    return Trial(
        fault=fault,
        missed=tuple(check for check in fault.shows if check not in failed),
        misnamed=tuple(check for check in fault.shows if check in failed - named),
        missaid=tuple(_missaid(fault, looked)),
        unrelated=tuple(_unrelated(fault, looked)),
        seconds=seconds,
        mended=mended,
    )


def _names(fault: Fault, check: str, finding: Finding) -> bool:
    subject = fault.shows.get(check)
    return (
        subject is not None and finding.cause == fault.cause and bool(re.fullmatch(subject, finding.subject))
    )


def _missaid(fault: Fault, looked: Looked) -> Iterator[str]:
    if fault.says is None:
        return
    wanted = {
        "health.scope": f"scope {fault.says.scope}: ",
        "recovery.incident-scope": f"in trouble: {fault.says.trouble}",
        "scaling.verdict": fault.says.scaling,
    }
    for check, pattern in wanted.items():
        said = next(iter(looked.notes[check]), "")
        if not re.match(pattern, said):
            yield f"{check} must say {pattern!r}, and says {said!r}"


def _unrelated(fault: Fault, looked: Looked) -> Iterator[str]:
    for check, finding in looked.found:
        if not (
            _names(fault, check, finding) or _refers(fault, check, finding) or _also(fault, check, finding)
        ):
            yield told(check, finding)
    for check, outcome in looked.outcomes.items():
        if outcome not in _SILENT and outcome is not Outcome.FAILED and check not in fault.undecided:
            yield f"{check}: {outcome}: {looked.reasons[check]}"


def _refers(fault: Fault, check: str, finding: Finding) -> bool:
    """Whether it tells of the same cause and says at which check the root is, or sums up."""
    return finding.cause == fault.cause and (finding.root in fault.shows or check in SUMMARIES)


def _also(fault: Fault, check: str, finding: Finding) -> bool:
    return any(
        each.check == check and each.cause == finding.cause and re.fullmatch(each.subject, finding.subject)
        for each in fault.also
    )
