"""What a check is and what it says: specification, outcome, finding, measurement, and the list of causes.

The checks in `suites/` and the reports in `reports/` both stand on these types and ignore each other.
"""

from clusters.checks.outcome import (
    CheckFailed,
    CheckResult,
    Finding,
    Measurement,
    NotSupported,
    Outcome,
    RunInfo,
    RunResult,
    Scope,
    Verdict,
    is_known,
    word_of,
)
from clusters.checks.path_links import Candidate, LinkReading, Reading, ServicePath
from clusters.checks.spec import Access, CheckSpec, Level, Need, Place, may

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
