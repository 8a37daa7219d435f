"""The causes behind a run's failures, each once, the one that explains most first: what a reader needs at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from clusters.checks import CheckResult, Finding, Outcome, RunResult


@dataclass(frozen=True, kw_only=True)
class Root:
    """One cause of one subject, as the check `told_by` tells it; `checks` are all that fail by it."""

    finding: Finding
    told_by: str
    checks: tuple[str, ...]


def roots(result: RunResult) -> tuple[Root, ...]:
    """Every cause of the failed checks, by how many checks it fails; where equal, as the run found them."""
    failed = of(result, Outcome.FAILED)
    names = {check.id for check in failed}
    found: dict[tuple[str, str], Root] = {}
    repeated: dict[tuple[str, str], list[str]] = {}
    for check in failed:
        for finding in check.findings:
            if told_elsewhere(finding, names):
                repeated.setdefault((finding.cause, finding.root), []).append(check.id)
                continue
            key = (finding.cause, finding.summary)
            known = found.get(key, Root(finding=finding, told_by=check.id, checks=()))
            found[key] = replace(known, checks=tuple(dict.fromkeys((*known.checks, check.id))))
    whole = (
        replace(
            root,
            checks=tuple(
                dict.fromkeys((*root.checks, *repeated.get((root.finding.cause, root.told_by), ())))
            ),
        )
        for root in found.values()
    )
    return tuple(sorted(whole, key=lambda root: -len(root.checks)))


def told_elsewhere(finding: Finding, failed: Collection[str]) -> bool:
    """Whether another check of the run tells this finding's cause. One that was not run tells nothing."""
    return finding.root in failed


def of(result: RunResult, *outcomes: Outcome) -> list[CheckResult]:
    """The checks of a run that ended so."""
    return [check for check in result.checks if check.outcome in outcomes]


def ordered(failed: Iterable[CheckResult]) -> list[CheckResult]:
    """Failed checks for a reader: first those that tell a cause, then those that only repeat one."""
    checks = list(failed)
    names = {check.id for check in checks}
    return sorted(
        checks,
        key=lambda check: bool(check.findings) and all(told_elsewhere(one, names) for one in check.findings),
    )
