"""What a run says in one line, and what it did not test: never left for the reader to find out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clusters.checks import Outcome, RunResult

_NAMED = 3


def headline(result: RunResult) -> str:
    """Verdict, cluster, versions and counts: "FAILED on lab (…): 12 passed, 1 failed, 3 not tested"."""
    run = result.run
    where = ", ".join(
        part
        for part in (
            f"Kubernetes {run.kubernetes_version}" if run.kubernetes_version else "",
            f"MetalLB {run.metallb_version}" if run.metallb_version else "",
            f"level {run.allow}",
        )
        if part
    )
    return f"{str(run.verdict).upper()} on {run.cluster} ({where}): {counts(result)}"


def counts(result: RunResult) -> str:
    """How many checks ended how: "12 passed, 1 failed, 3 not tested"."""
    found = Counter(check.outcome for check in result.checks)
    parts = [f"{found[one]} {str(one).replace('_', ' ')}" for one in Outcome if found[one]]
    parts += [f"{len(result.not_tested)} not tested"] if result.not_tested else []
    return ", ".join(parts) or "nothing was run"


def grouped(result: RunResult) -> dict[str, list[str]]:
    """The ids of what was not tested (not run, or skipped), by reason; the largest group first."""
    groups: dict[str, list[str]] = {}
    skipped = [(check.id, check.reason) for check in result.checks if check.outcome is Outcome.SKIPPED]
    for name, reason in (*skipped, *result.not_tested):
        groups.setdefault(reason, []).append(name)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def named(ids: Sequence[str]) -> str:
    """A few ids, and how many more there are."""
    rest = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
