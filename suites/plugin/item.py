"""What is known of one pytest item while it runs, kept on the item itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import pytest

from clusters.checks import CheckSpec, Outcome
from suites.plugin.phase_outcome import PhaseOutcome
from suites.plugin.record import Findings, Record
from suites.plugin.run import Run


@dataclass
class ItemState:
    """What is known of one item while it runs."""

    spec: CheckSpec
    run: Run
    label: str
    record: Record
    started: datetime
    findings: Findings = field(default_factory=Findings)
    outcome: PhaseOutcome = field(default_factory=lambda: PhaseOutcome(outcome=Outcome.PASSED, reason=""))
    duration: float = 0.0


STATE = pytest.StashKey[ItemState]()
