"""What is known of a cluster's earlier runs: for its page once this run is in the history, for outlets before that.

`HistoryView` has comparison, strips, trends and standings; `reports.pages.page` takes one, or None where nothing is
kept. Series are aligned with `HistoryView.runs`: place i of a strip or a trend belongs to run i, so that many runs stay
small in memory. `Known` has the previous run, and the passes for metrics that outlive runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from clusters import budgets
from clusters.checks import Outcome, RunResult, Verdict
from clusters.errors import ConformanceError
from clusters.observation import Snapshot, store
from clusters.observation import load as load_snapshot
from reports.attribution import Attribution
from reports.history import outbox, stored_runs
from reports.history.comparison import Comparison, EarlierRun, Name, Side, compared, side_of
from reports.history.opening import HistoryError, moment, opened
from reports.history.standings import Standing, standings
from reports.history.stored_runs import Ending, Run
from reports.model import SNAPSHOT, load, run_of

#: How many earlier runs a report shows; two months of nights.
MOST = 60
PREVIOUS = "the previous run"
#: Outcomes by which a check is validated, or has an excuse for not being.
_GIVEN = (Outcome.PASSED, Outcome.WAIVED, Outcome.NOT_SUPPORTED)
#: As much of words that nobody knows is shown.
_MOST_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class HistoryView:
    """Everything that is known of earlier runs of this cluster; `runs` goes from the oldest to the newest.

    `strips` has each check's outcome in each of `runs` (None: not tested there), `trends` the worst sample of
    each (check, figure) in each of `runs` (None: not measured there); this run is in neither. `standings`, this run
    included, are judged at the time `as_of`, and a validation may be as old as `stale_after`. `problem` is a
    sentence where the history is not to be trusted: it could not be read, or not be written.
    """

    runs: tuple[EarlierRun, ...] = ()
    comparison: Comparison | None = None
    strips: Mapping[str, tuple[Outcome | None, ...]] = field(default_factory=dict)
    trends: Mapping[Name, tuple[float | None, ...]] = field(default_factory=dict)
    standings: tuple[Standing, ...] = ()
    as_of: str = ""
    stale_after: timedelta = timedelta(hours=36)
    problem: str = ""

    def stale(self, row: Standing) -> bool:
        """Whether a check was validated too long ago; one that never was, or whose time nobody knows, is not."""
        return bool(self.as_of) and row.stale(datetime.fromisoformat(self.as_of), self.stale_after)


def view_of(
    history: Path, result: RunResult, *, directory: Path, baseline: Path | None = None
) -> HistoryView:
    """What is known of the cluster's earlier runs, this one entered. What cannot be read stands in `problem`.

    This run is compared with the one that `baseline` names, else with the previous one.
    """
    view, problem = HistoryView(), ""
    try:
        with opened(history) as connection:
            view = _view(connection, result, directory=directory, compare=baseline is None)
            problem = _newer(stored_runs.unknown_words(connection))
    except HistoryError as error:
        problem = str(error)
    if baseline is not None:
        before = side_of(load(baseline), observed(baseline))
        after = side_of(result, _observed_if_readable(directory))
        found = compared(before, after, against=str(baseline), usual=_usual(view.trends))
        view = replace(view, comparison=found)
    return replace(
        view,
        as_of=result.run.finished,
        stale_after=timedelta(seconds=budgets.get(budgets.STALE).within),
        problem=problem,
    )


def observed(results: Path) -> Snapshot | None:
    """The observation beside some results, if there is one, without secrets that an older release left in it.

    Raises UsageError for one that is broken.
    """
    place = (results if results.is_dir() else results.parent) / SNAPSHOT
    return store.whole(load_snapshot(place)) if place.is_file() else None


def _newer(words: Sequence[str]) -> str:
    if not words:
        return ""
    shown = ", ".join(words)[:_MOST_SHOWN]
    return f"The history was written by a newer release: its words {shown} are not known here, and shown as they are."


def _view(
    connection: sqlite3.Connection, result: RunResult, *, directory: Path, compare: bool
) -> HistoryView:
    begun = moment(datetime.fromisoformat(result.run.started))
    known = stored_runs.runs(connection, result.run.cluster)
    # A run's own shards are no earlier runs, neither of the whole nor of each other.
    there = [
        run for run in known if run.ending is not Ending.RUNNING and run_of(run.id) != run_of(result.run.id)
    ]
    earlier = [run for run in there if run.started <= begun][-MOST:]
    newest = not any(run.started > begun for run in there)
    trends = stored_runs.trends(connection, earlier)
    return HistoryView(
        runs=tuple(_earlier_run(run) for run in earlier),
        comparison=_since_previous(connection, result, earlier, trends=trends, directory=directory)
        if compare
        else None,
        strips=stored_runs.strips(connection, earlier),
        trends=trends,
        # Of an older run's page nobody knows which of these there were then.
        standings=tuple(_present(connection, result)) if newest else (),
    )


def _since_previous(
    connection: sqlite3.Connection,
    result: RunResult,
    earlier: Sequence[Run],
    *,
    trends: Mapping[Name, Sequence[float | None]],
    directory: Path,
) -> Comparison | None:
    previous = stored_runs.previous(earlier, allow=result.run.allow)
    if previous is None or not result.checks:
        return None
    place = Path(previous.directory)
    theirs = _observed_if_readable(place) if _still_holds(place, previous) and place != directory else None
    before = Side(
        run=_earlier_run(previous),
        outcomes=stored_runs.outcomes(connection, previous.key),
        attributed=stored_runs.attributed(connection, previous.key),
        figures=stored_runs.figures(connection, previous.key),
        snapshot=theirs,
    )
    after = side_of(result, _observed_if_readable(directory) if theirs is not None else None)
    return compared(before, after, against=PREVIOUS, usual=_usual(trends))


def _usual(trends: Mapping[Name, Sequence[float | None]]) -> dict[Name, list[float]]:
    return {name: [one for one in trend if one is not None] for name, trend in trends.items()}


def _present(connection: sqlite3.Connection, result: RunResult) -> list[Standing]:
    """The standings with the versions that the cluster has now; all of them where the run did not learn these."""
    found = standings(connection, result.run.cluster)
    versions = (result.run.metallb_version, result.run.kubernetes_version)
    return [one for one in found if not versions[0] or one.versions == versions]


def _earlier_run(run: Run) -> EarlierRun:
    finished = datetime.fromisoformat(run.finished or run.started)
    return EarlierRun(
        id=run.id,
        finished=f"{finished:%Y-%m-%dT%H:%M:%SZ}",
        verdict=run.verdict,
        metallb_version=run.metallb_version,
        kubernetes_version=run.kubernetes_version,
    )


def _observed_if_readable(directory: Path) -> Snapshot | None:
    """What a run observed, as far as it can still be read; a report does without where it cannot."""
    try:
        return observed(directory)
    except ConformanceError:
        return None


def _still_holds(directory: Path, run: Run) -> bool:
    """Whether a directory still holds that run, and no later one."""
    try:
        return load(directory).run.id == run.id
    except ConformanceError:
        return False


@dataclass(frozen=True, kw_only=True)
class Successes:
    """What earlier runs know, as Unix times: the end of the last passed run, and each check's last pass.

    `never` has the checks that never passed although they might have, with the time of their first run.
    """

    run: float | None = None
    checks: Mapping[str, float] = field(default_factory=dict)
    never: Mapping[str, float] = field(default_factory=dict)


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
    """What was known of the cluster before this run; nothing, where it is the first one.

    `last_message` is when runs of its level last had something to send.
    """

    successes: Successes = field(default_factory=Successes)
    previous: PreviousRun | None = None
    last_message: datetime | None = None


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
            never = _never_passed(connection, result.run.cluster)
            last_message = outbox.last_made(connection, result.run.cluster, allow=result.run.allow)
    except HistoryError:
        return Known()
    successes = [unix_time(one.finished) for one in known if one.verdict is Verdict.PASSED]
    checks = {check: when.timestamp() for check, when in passed.items()}
    return Known(
        successes=Successes(run=max(successes, default=None), checks=checks, never=never),
        previous=_previous(
            known,
            result,
            outcomes={check: one for check, (one, _) in was.items() if one},
            attributed=attributed,
            passed=passed,
        ),
        last_message=last_message,
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


def _never_passed(connection: sqlite3.Connection, cluster: str) -> dict[str, float]:
    """Since when each check is run that never passed, with whatever versions, and was not excused either."""
    found = connection.execute(
        "SELECT check_id, MIN(at) FROM outcomes JOIN runs ON key = run WHERE cluster = ? AND NOT replayed "
        "GROUP BY check_id HAVING SUM(outcome NOT IN (?, ?, ?)) = COUNT(*)",
        (cluster, *map(str, _GIVEN)),
    )
    return {check: unix_time(stored_runs.time(at)) for check, at in found}


def unix_time(text: str) -> float:
    """The Unix time, in seconds, of an RFC 3339 text."""
    return datetime.fromisoformat(text).timestamp()
