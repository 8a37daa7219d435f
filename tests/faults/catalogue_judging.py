"""The whole observe suite in this process: the checks' own functions, given one observation and one repository.

What pytest adds in a run (fixtures, evidence, reports) is left out; what a check raises is judged as there.
"""

from __future__ import annotations

import importlib
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clusters.checks import Finding, Level, Need, Outcome
from clusters.diagnosis import Diagnosis
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.observation.snapshot import Snapshot
from suites.plugin.declare import registry
from suites.plugin.phase_outcome import outcome_of
from suites.plugin.record import Findings, Record
from suites.plugin.run_fixtures import Observed
from tests.faults.bench import ROOT


@dataclass(frozen=True)
class Looked:
    """What every check of level observe says of one look at the cluster."""

    outcomes: Mapping[str, Outcome]
    reasons: Mapping[str, str]
    found: tuple[tuple[str, Finding], ...]
    notes: Mapping[str, tuple[str, ...]]
    snapshot: Snapshot
    repository: RepositorySnapshot

    @property
    def trouble(self) -> list[str]:
        """A line for each check that is neither passed nor unsupported."""
        silent = {Outcome.PASSED, Outcome.NOT_SUPPORTED, Outcome.WAIVED}
        lines = [
            f"{check}: {outcome}: {self.reasons[check]}"
            for check, outcome in self.outcomes.items()
            if outcome not in silent and outcome is not Outcome.FAILED
        ]
        return lines + [told(check, finding) for check, finding in self.found]


def told(check: str, finding: Finding) -> str:
    """A finding as a line, with what it rests on."""
    root = f" (root: {finding.root})" if finding.root else ""
    proof = f" [{'; '.join(finding.evidence)}]" if finding.evidence else ""
    return f"{check}: {finding.cause}: {finding.subject}: {finding.summary}{root}{proof}"


@cache
def observe_checks() -> Mapping[str, Callable[..., None]]:
    """The functions of all checks of level observe, by id; those about an upgrade are asked only before one."""
    for path in sorted((ROOT / "suites").rglob("test_*.py")):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found: dict[str, Callable[..., None]] = {}
    for check, declared in registry().items():
        around_upgrade = Need.TARGET in declared.spec.needs or declared.spec.phases
        if declared.spec.level is Level.OBSERVE and not around_upgrade:
            name = ".".join(declared.path.relative_to(ROOT).with_suffix("").parts)
            found[check] = getattr(importlib.import_module(name), declared.function)
    return found


def judged(snapshot: Snapshot, repository: RepositorySnapshot) -> Looked:
    """Every check's outcome for one observation."""
    diagnosis = Diagnosis(snapshot)
    outcomes: dict[str, Outcome] = {}
    reasons: dict[str, str] = {}
    found: list[tuple[str, Finding]] = []
    notes: dict[str, tuple[str, ...]] = {}
    with tempfile.TemporaryDirectory(prefix="looked-") as folder:
        for check, function in observe_checks().items():
            record, findings = Record(Path(folder), check), Findings()
            at_hand = {
                "observed": Observed(check, diagnosis, record),
                "snapshot": snapshot,
                "diagnosis": diagnosis,
                "repository": repository,
                "any_repository": repository,
                "any_snapshot": snapshot,
                "earlier": None,
                "record": record,
                "findings": findings,
            }
            outcomes[check], reasons[check], named = _outcome(function, at_hand, findings)
            found += ((check, finding) for finding in named)
            notes[check] = tuple(record.evidence)
    return Looked(outcomes, reasons, tuple(found), notes, snapshot, repository)


def _outcome(
    function: Callable[..., None], at_hand: Mapping[str, Any], findings: Findings
) -> tuple[Outcome, str, tuple[Finding, ...]]:
    try:
        function(**{name: at_hand[name] for name in _parameters(function)})
        findings.require_none()
    except Exception as error:  # noqa: BLE001 - whatever a check raises is judged as in a run
        said = outcome_of(error, "call")
        return said.outcome, said.reason, said.findings
    return Outcome.PASSED, "", ()


def _parameters(function: Callable[..., None]) -> Iterator[str]:
    yield from inspect.signature(function).parameters
