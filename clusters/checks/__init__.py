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
from clusters.checks.path_readings import Candidate, LinkReading, Reading, ServicePath
from clusters.checks.spec import CheckSpec, Level, Need

__all__ = [
    "Access",
    "Candidate",
    "CheckFailed",
    "CheckResult",
    "CheckSpec",
    "Finding",
    "Level",
    "LinkReading",
    "Measurement",
    "Need",
    "NotSupported",
    "Outcome",
    "Place",
    "Reading",
    "RunInfo",
    "RunResult",
    "Scope",
    "ServicePath",
    "Verdict",
    "is_known",
    "may",
    "word_of",
]
