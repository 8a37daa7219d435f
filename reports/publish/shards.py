"""Shards of one run as one run: nothing counted twice, and nothing joined that does not belong together.

A run that is split (over several jobs, or by level) is named by `--run-id`: its shards are ID.1, ID.2 and so on,
any short name after the dot. That name is the only thing that makes files shards of one run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clusters.checks import CheckResult, Level, Outcome, RunInfo, RunResult, Verdict
from clusters.checks.failure import EVIDENCE, is_evidence_path
from clusters.checks.run_verdict import merge, scope, verdict
from clusters.errors import UsageError

#: What the shards of one run agree on, and what a reader calls it.
_SHARED = {
    "cluster": "cluster",
    "provider": "provider",
    "context": "context",
    "suite_version": "suite version",
    "kubernetes_version": "Kubernetes version",
    "metallb_version": "MetalLB version",
}
#: Empty in a shard that was refused or killed before it knew them.
_MAY_BE_UNKNOWN = frozenset({"context", "kubernetes_version", "metallb_version"})


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One shard: its file, and what it holds.

    `apart` are the checks that another shard decided too: their evidence goes into a folder of this shard's own.
    """

    path: Path
    result: RunResult
    apart: frozenset[str] = frozenset()

    @property
    def part(self) -> str:
        """Which shard of its run it is: what follows the dot in its id."""
        return self.result.run.id.partition(".")[2] or self.result.run.id

    def place_of(self, check: str) -> str:
        """The folder of a check's evidence in the whole run, below its directory; ends with a slash."""
        return f"{EVIDENCE}{check}/{self.part}/" if check in self.apart else f"{EVIDENCE}{check}/"


def run_of(run_id: str) -> str:
    """The run that a shard belongs to: its id without what follows the dot."""
    return run_id.partition(".")[0]


def joined(shards: Sequence[Shard]) -> tuple[RunResult, tuple[Shard, ...]]:
    """The whole run, and the shards that were counted: a file that is given twice counts once.

    Raises UsageError for shards of different runs, clusters or versions, and for two files that both claim
    to be one shard and differ.
    """
    counted = _distinct(shards)
    _refuse_strangers(counted)
    counted = _set_apart(counted)
    checks = tuple(_checks(counted))
    decided = {check.id for check in checks}
    left_out = dict(pair for shard in counted for pair in shard.result.not_tested if pair[0] not in decided)
    run = _info([shard.result.run for shard in counted], checks)
    # Each part looked for itself: what the first one saw in trouble is told, as its checks are.
    paths = next((shard.result.paths for shard in counted if shard.result.paths), ())
    return RunResult(run=run, checks=checks, not_tested=tuple(sorted(left_out.items())), paths=paths), counted


def _distinct(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    found: dict[str, Shard] = {}
    for shard in shards:
        known = found.setdefault(shard.result.run.id, shard)
        if known.result != shard.result:
            raise UsageError(
                f"{known.path} and {shard.path} both are {shard.result.run.id}, and differ.",
                remedy="Name the one that is whole.",
            )
    return tuple(sorted(found.values(), key=lambda shard: (shard.result.run.started, shard.result.run.id)))


def _refuse_strangers(shards: Sequence[Shard]) -> None:
    first = shards[0]
    for other in shards[1:]:
        if run_of(other.result.run.id) != run_of(first.result.run.id):
            raise UsageError(
                f"{first.path} is of run {run_of(first.result.run.id)}, and {other.path} of run "
                f"{run_of(other.result.run.id)}.",
                remedy="Shards of one run are made with --run-id ID.1, --run-id ID.2 and so on.",
            )
    for name, called in _SHARED.items():
        values: dict[str, Path] = {}
        for shard in shards:
            values.setdefault(getattr(shard.result.run, name), shard.path)
        if name in _MAY_BE_UNKNOWN:
            values.pop("", None)
        if len(values) > 1:
            (one, here), (another, there), *_ = values.items()
            raise UsageError(f"The {called} is {one!r} in {here} and {another!r} in {there}: not one run.")


def _set_apart(shards: Sequence[Shard]) -> tuple[Shard, ...]:
    """The same shards; where two decided one check, neither's evidence takes the place of the other's."""
    seen = Counter(check.id for shard in shards for check in shard.result.checks)
    several = frozenset(name for name, times in seen.items() if times > 1)
    return tuple(_moved(replace(shard, apart=several)) for shard in shards) if several else tuple(shards)


def _moved(shard: Shard) -> Shard:
    checks = tuple(_with_moved_evidence(check, shard) for check in shard.result.checks)
    return replace(shard, result=replace(shard.result, checks=checks))


def _with_moved_evidence(check: CheckResult, shard: Shard) -> CheckResult:
    if check.id not in shard.apart:
        return check
    before, after = f"{EVIDENCE}{check.id}/", shard.place_of(check.id)

    def moved(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            after + text.removeprefix(before) if is_evidence_path(text) and text.startswith(before) else text
            for text in texts
        )

    findings = tuple(replace(one, evidence=moved(one.evidence)) for one in check.findings)
    return replace(check, findings=findings, evidence=moved(check.evidence))


def _checks(shards: Sequence[Shard]) -> Iterable[CheckResult]:
    """Each check once. Where it was decided anywhere, a shard that skipped it says nothing."""
    found: dict[str, list[CheckResult]] = {}
    for shard in shards:
        for check in shard.result.checks:
            found.setdefault(check.id, []).append(check)
    for results in found.values():
        decided = [one for one in results if one.outcome is not Outcome.SKIPPED]
        yield merge(decided or results[:1])


def _info(runs: Sequence[RunInfo], checks: Sequence[CheckResult]) -> RunInfo:
    known = {name: next((value for run in runs if (value := getattr(run, name))), "") for name in _SHARED}
    return replace(
        runs[0],
        **known,
        id=run_of(runs[0].id),
        started=min(run.started for run in runs),
        finished=max(run.finished for run in runs),
        allow=str(max((Level(run.allow) for run in runs), key=lambda level: level.rank)),
        vantage=", ".join(dict.fromkeys(run.vantage for run in runs if run.vantage)),
        verdict=_verdict(runs, checks),
        scope=scope(checks),
    )


def _verdict(runs: Sequence[RunInfo], checks: Sequence[CheckResult]) -> Verdict:
    """As of one run; a shard that was refused leaves the whole incomplete at best."""
    refused = [run.verdict is Verdict.REFUSED for run in runs]
    unclean = any(run.verdict is Verdict.CLEANUP_FAILED for run in runs)
    reached = verdict(checks, cleanup_failed=unclean, refused=all(refused))
    return Verdict.INCOMPLETE if reached is Verdict.PASSED and any(refused) else reached
