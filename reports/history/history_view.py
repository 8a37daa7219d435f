"""From a history to what a report says of earlier runs: comparison, strips, trends and last validations."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from clusters import budgets
from clusters.checks import RunResult
from clusters.errors import ConformanceError
from clusters.observation import Snapshot
from reports.history import HistoryError, opened, standings, stored_runs
from reports.history.comparison import Name, Side, compared, side_of
from reports.history.opening import moment
from reports.history.past import Comparison, Past, PastRun, Validated
from reports.history.standings import Standing
from reports.history.stored_runs import Ending, Run
from reports.model import load
from reports.publish.comparison_text import observed
from reports.publish.shards import run_of

#: How many earlier runs a report shows; two months of nights.
MOST = 60
PREVIOUS = "the run before"
#: As much of words that nobody knows is shown.
_MOST_SHOWN = 200


def past_of(history: Path, result: RunResult, *, directory: Path, baseline: Path | None = None) -> Past:
    """What is known of the cluster's earlier runs, this one entered. What cannot be read stands in `problem`.

    This run is compared with the one that `baseline` names, else with the one before it.
    """
    past, problem = Past(), ""
    try:
        with opened(history) as connection:
            past = _past(connection, result, directory=directory, compare=baseline is None)
            problem = _newer(stored_runs.unknown_words(connection))
    except HistoryError as error:
        problem = str(error)
    if baseline is not None:
        before = side_of(load(baseline), observed(baseline))
        after = side_of(result, _seen(directory))
        past = replace(
            past, comparison=compared(before, after, against=str(baseline), usual=_usual(past.trends))
        )
    return replace(past, as_of=result.run.finished, problem=problem)


def _newer(words: Sequence[str]) -> str:
    if not words:
        return ""
    shown = ", ".join(words)[:_MOST_SHOWN]
    return f"The history was written by a newer release: its words {shown} are not known here, and shown as they are."


def _past(connection: sqlite3.Connection, result: RunResult, *, directory: Path, compare: bool) -> Past:
    begun = moment(datetime.fromisoformat(result.run.started))
    known = stored_runs.runs(connection, result.run.cluster)
    # A run's own parts are no earlier runs, neither of the whole nor of each other.
    there = [
        run for run in known if run.ending is not Ending.RUNNING and run_of(run.id) != run_of(result.run.id)
    ]
    earlier = [run for run in there if run.started <= begun][-MOST:]
    newest = not any(run.started > begun for run in there)
    trends = stored_runs.trends(connection, earlier)
    return Past(
        runs=tuple(_past_run(run) for run in earlier),
        comparison=_since(connection, result, earlier, trends=trends, directory=directory)
        if compare
        else None,
        strips=stored_runs.strips(connection, earlier),
        trends=trends,
        # Of an older run's page nobody could tell which of these were known then.
        validated=tuple(_validated(one) for one in _present(connection, result)) if newest else (),
    )


def _since(
    connection: sqlite3.Connection,
    result: RunResult,
    earlier: Sequence[Run],
    *,
    trends: Mapping[Name, Sequence[float | None]],
    directory: Path,
) -> Comparison | None:
    before = stored_runs.previous(earlier, allow=result.run.allow)
    if before is None or not result.checks:
        return None
    place = Path(before.directory)
    theirs = _seen(place) if _is_of(place, before) and place != directory else None
    one = Side(
        run=_past_run(before),
        outcomes=stored_runs.outcomes(connection, before.key),
        blamed=stored_runs.blamed(connection, before.key),
        figures=stored_runs.figures(connection, before.key),
        snapshot=theirs,
    )
    other = side_of(result, _seen(directory) if theirs is not None else None)
    return compared(one, other, against=PREVIOUS, usual=_usual(trends))


def _usual(trends: Mapping[Name, Sequence[float | None]]) -> dict[Name, list[float]]:
    return {name: [one for one in trend if one is not None] for name, trend in trends.items()}


def _present(connection: sqlite3.Connection, result: RunResult) -> list[Standing]:
    """The standings with the versions that the cluster has now; all of them where the run did not learn these."""
    found = standings(connection, result.run.cluster)
    now = (result.run.metallb_version, result.run.kubernetes_version)
    return [one for one in found if now[0] == "" or (one.metallb_version, one.kubernetes_version) == now]


def _validated(one: Standing) -> Validated:
    return Validated(
        check=one.check,
        title=one.title,
        runbook=one.runbook,
        metallb_version=one.metallb_version,
        kubernetes_version=one.kubernetes_version,
        last_run=one.last_run,
        last_outcome=one.last_outcome,
        last_passed=one.last_validated,
        last_failed=one.last_failed,
        consecutive_failures=one.consecutive_failures,
        since=one.since,
        budget=timedelta(seconds=budgets.get(budgets.STALE).within),
    )


def _past_run(run: Run) -> PastRun:
    finished = datetime.fromisoformat(run.finished or run.started)
    return PastRun(
        id=run.id,
        finished=f"{finished:%Y-%m-%dT%H:%M:%SZ}",
        verdict=run.verdict,
        metallb_version=run.metallb_version,
        kubernetes_version=run.kubernetes_version,
    )


def _seen(directory: Path) -> Snapshot | None:
    """What a run observed, as far as it can still be read; a report does without where it cannot."""
    try:
        return observed(directory)
    except ConformanceError:
        return None


def _is_of(directory: Path, run: Run) -> bool:
    """Whether a directory still holds that run, and no later one."""
    try:
        return load(directory).run.id == run.id
    except ConformanceError:
        return False
