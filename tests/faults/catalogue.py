"""The catalogue of faults: each made for real, looked at through the whole observe suite, and mended again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from clusters.checks import Finding, Outcome
from tests.faults import catalogue_components, catalogue_network, catalogue_pools, catalogue_services
from tests.faults.catalogue_fault import SUMMARIES, Fault
from tests.faults.catalogue_judging import Looked, told
from tests.faults.catalogue_stage import Stage

FAULTS: tuple[Fault, ...] = (
    *catalogue_services.FAULTS,
    *catalogue_pools.FAULTS,
    *catalogue_network.FAULTS,
    *catalogue_components.FAULTS,
)
_SILENT = frozenset({Outcome.PASSED, Outcome.NOT_SUPPORTED, Outcome.WAIVED})


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one fault. `missed` are checks that stayed silent, `misnamed` those with another cause."""

    fault: Fault
    missed: tuple[str, ...]
    misnamed: tuple[str, ...]
    unrelated: tuple[str, ...]
    seconds: float
    mended: float

    @property
    def detected(self) -> bool:
        """Whether any of the checks that must fail did."""
        return len(self.missed) < len(self.fault.shows)

    @property
    def right(self) -> bool:
        """Whether all of them failed, with the cause and subject that they must name."""
        return not (self.missed or self.misnamed)

    def __str__(self) -> str:
        lines = [f"{check} stays silent" for check in self.missed]
        lines += [f"{check} does not name {self.fault.cause}" for check in self.misnamed]
        lines += [f"unrelated: {each}" for each in self.unrelated]
        return "\n".join(lines) or "as it must be"


def tried(stage: Stage, fault: Fault) -> Trial:
    """Make one fault, look, mend it, and look until all is silent again."""
    begun = time.monotonic()
    assert fault.make is not None
    with fault.make(stage):
        looked = stage.look(fault.profile)
    stage.healthy()
    mending = time.monotonic()
    stage.until_silent()
    ended = time.monotonic()
    return trial(fault, looked, seconds=ended - begun, mended=ended - mending)


def trial(fault: Fault, looked: Looked, *, seconds: float, mended: float) -> Trial:
    """Judge one look at a fault."""
    failed = {check for check, _ in looked.found}
    named = {check for check, finding in looked.found if _names(fault, check, finding)}
    return Trial(
        fault=fault,
        missed=tuple(check for check in fault.shows if check not in failed),
        misnamed=tuple(check for check in fault.shows if check in failed - named),
        unrelated=tuple(_unrelated(fault, looked)),
        seconds=seconds,
        mended=mended,
    )


def _names(fault: Fault, check: str, finding: Finding) -> bool:
    subject = fault.shows.get(check)
    return (
        subject is not None and finding.cause == fault.cause and bool(re.fullmatch(subject, finding.subject))
    )


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
