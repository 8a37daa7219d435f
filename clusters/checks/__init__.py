"""What a check is and what it says: specification, outcome, finding, measurement, and the list of causes.

The checks in `suites/` and the reports in `reports/` both stand on these types and ignore each other.
"""

from clusters.checks.access import Access, Place, may
from clusters.checks.failure import CheckFailed, NotSupported
from clusters.checks.outcome import (
    CheckResult,
    Finding,
    Measurement,
    Outcome,
    RunInfo,
    RunResult,
    Scope,
    Verdict,
    is_known,
    word_of,
)
from clusters.checks.spec import CheckSpec, Level, Need

__all__ = [
    "Access",
    "CheckFailed",
    "CheckResult",
    "CheckSpec",
    "Finding",
    "Level",
    "Measurement",
    "Need",
    "NotSupported",
    "Outcome",
    "Place",
    "RunInfo",
    "RunResult",
    "Scope",
    "Verdict",
    "is_known",
    "may",
    "word_of",
]
