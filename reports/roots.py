"""The causes behind a run's failures, each once, the one that explains most first: what a reader needs at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    found: dict[tuple[str, str], Root] = {}
    for check, finding in _findings(failed):
        if not finding.root:
            key = (finding.cause, finding.subject)
            known = found.get(key, Root(finding=finding, told_by=check, checks=()))
            found[key] = Root(finding=known.finding, told_by=known.told_by, checks=(*known.checks, check))
    repeats = {(check, finding.cause, finding.root) for check, finding in _findings(failed) if finding.root}
    whole = [_with_repeats(root, sorted(repeats)) for root in found.values()]
    return tuple(sorted(whole, key=lambda root: -len(root.checks)))


def of(result: RunResult, *outcomes: Outcome) -> list[CheckResult]:
    """The checks of a run that ended so."""
    return [check for check in result.checks if check.outcome in outcomes]


def ordered(failed: Iterable[CheckResult]) -> list[CheckResult]:
    """Failed checks for a reader: first those that tell a cause, then those that only repeat one."""
    return sorted(failed, key=repeats_only)


def repeats_only(check: CheckResult) -> bool:
    """Whether everything that a check found is told elsewhere."""
    return bool(check.findings) and all(finding.root for finding in check.findings)


def _findings(checks: Iterable[CheckResult]) -> Iterator[tuple[str, Finding]]:
    return ((check.id, finding) for check in checks for finding in check.findings)


def _with_repeats(root: Root, repeats: Iterable[tuple[str, str, str]]) -> Root:
    others = (
        check for check, cause, told_by in repeats if told_by == root.told_by and cause == root.finding.cause
    )
    return Root(
        finding=root.finding, told_by=root.told_by, checks=tuple(dict.fromkeys((*root.checks, *others)))
    )
