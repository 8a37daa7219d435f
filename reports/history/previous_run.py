"""What the history knows of a cluster before a run: for metrics that outlive runs, and for telling what changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from clusters.checks import Outcome, RunResult, Verdict
from reports.attribution import Blame
from reports.history import HistoryError, opened, standings, stored_runs
from reports.history.stored_runs import Ending, Run
from reports.publish.news import Earlier
from reports.publish.prometheus import Successes


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was known of the cluster before this run; nothing, where it is the first one."""

    successes: Successes = field(default_factory=Successes)
    earlier: Earlier | None = None


def before(history: Path, result: RunResult) -> Known:
    """What the history at `history` knows of the run's cluster, asked before the run itself has ended in it.

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
            by = stored_runs.blamed(connection, decided.key) if decided else {}
    except HistoryError:
        return Known()
    successes = [_unix(one.finished) for one in known if one.verdict is Verdict.PASSED]
    checks = {check: when.timestamp() for check, when in passed.items()}
    return Known(
        successes=Successes(run=max(successes, default=None), checks=checks),
        earlier=_earlier(
            known,
            result,
            was={check: one for check, (one, _) in was.items() if one},
            blamed=by,
            passed=passed,
        ),
    )


def _earlier(
    known: Sequence[Run],
    result: RunResult,
    *,
    was: Mapping[str, Outcome],
    blamed: Mapping[str, tuple[Blame, ...]],
    passed: Mapping[str, datetime],
) -> Earlier | None:
    """The run before, refused or not: a second refusal is no news. What `was` may come from one before that."""
    ended = [one for one in known if one.ending is Ending.ENDED]
    alike = [one for one in ended if one.allow == result.run.allow]
    newest = next(reversed(alike or ended), None)
    if newest is None or newest.verdict is None:
        return None
    finished = datetime.fromisoformat(newest.finished)
    return Earlier(verdict=newest.verdict, finished=finished, outcomes=was, blamed=blamed, passed=passed)


def _last_passes(connection: sqlite3.Connection, cluster: str) -> dict[str, datetime]:
    """When each check last passed, with whatever versions."""
    found: dict[str, datetime] = {}
    for one in standings(connection, cluster):
        if one.last_passed:
            when = datetime.fromisoformat(one.last_passed)
            found[one.check] = max(when, found.get(one.check, when))
    return found


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
