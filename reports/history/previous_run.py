"""What the history knows of a cluster before a run: the previous run, and passes for metrics that outlive runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from clusters.checks import Outcome, RunResult, Verdict
from reports.attribution import Attribution
from reports.history import stored_runs
from reports.history.opening import HistoryError, opened
from reports.history.standings import standings
from reports.history.stored_runs import Ending, Run


@dataclass(frozen=True, kw_only=True)
class Successes:
    """What earlier runs know, as Unix times: the end of the last passed run, and each check's last pass."""

    run: float | None = None
    checks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PreviousRun:
    """What was known before this run: the previous one of its cluster and level, and each check's last pass.

    `attributed` has what each failed check was attributed to. `passed` reaches back over all runs. Times have a zone.
    """

    verdict: Verdict
    finished: datetime
    outcomes: Mapping[str, Outcome]
    attributed: Mapping[str, tuple[Attribution, ...]] = field(default_factory=dict)
    passed: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was known of the cluster before this run; nothing, where it is the first one."""

    successes: Successes = field(default_factory=Successes)
    previous: PreviousRun | None = None


def known_before(history: Path, result: RunResult) -> Known:
    """What the history at `history` knows of the run's cluster, read before the run itself has ended in it.

    A history that is not there, or cannot be read, knows nothing; whoever writes it says so.
    """
    try:
        with opened(history) as connection:
            known = [
                one for one in stored_runs.runs(connection, result.run.cluster) if one.id != result.run.id
            ]
            passed = _last_passes(connection, result.run.cluster)
            decided = stored_runs.previous(known, allow=result.run.allow)
            was = stored_runs.outcomes(connection, decided.key) if decided else {}
            attributed = stored_runs.attributed(connection, decided.key) if decided else {}
    except HistoryError:
        return Known()
    successes = [_unix(one.finished) for one in known if one.verdict is Verdict.PASSED]
    checks = {check: when.timestamp() for check, when in passed.items()}
    return Known(
        successes=Successes(run=max(successes, default=None), checks=checks),
        previous=_previous(
            known,
            result,
            outcomes={check: one for check, (one, _) in was.items() if one},
            attributed=attributed,
            passed=passed,
        ),
    )


def _previous(
    known: Sequence[Run],
    result: RunResult,
    *,
    outcomes: Mapping[str, Outcome],
    attributed: Mapping[str, tuple[Attribution, ...]],
    passed: Mapping[str, datetime],
) -> PreviousRun | None:
    """The previous run, refused or not: a second refusal is no news. `outcomes` may come from one before that."""
    ended = [one for one in known if one.ending is Ending.ENDED]
    alike = [one for one in ended if one.allow == result.run.allow]
    newest = next(reversed(alike or ended), None)
    if newest is None or newest.verdict is None:
        return None
    return PreviousRun(
        verdict=newest.verdict,
        finished=datetime.fromisoformat(newest.finished),
        outcomes=outcomes,
        attributed=attributed,
        passed=passed,
    )


def _last_passes(connection: sqlite3.Connection, cluster: str) -> dict[str, datetime]:
    """When each check last passed, with whatever versions."""
    found: dict[str, datetime] = {}
    for one in standings(connection, cluster):
        if one.passed_at:
            when = datetime.fromisoformat(one.passed_at)
            found[one.check] = max(when, found.get(one.check, when))
    return found


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
