"""Runs to fill a history with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clusters.checks import Measurement, Outcome, RunResult
from clusters.checks.run_verdict import verdict
from reports.history.opening import ensure
from reports.history.recording import enter, writing
from tests.unit.reports.conftest import INFO, result_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def at(hours: float) -> str:
    """A time some hours after the first run, as results have it."""
    return f"{BEGIN + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"


def a_run(
    name: str,
    hours: float,
    outcomes: Mapping[str, Outcome],
    *,
    not_tested: Mapping[str, str] | None = None,
    figures: Mapping[str, Mapping[str, Measurement]] | None = None,
    **info: str,
) -> RunResult:
    """A run that began `hours` after the first one; its checks are decided a minute later, one a second."""
    checks = tuple(
        replace(
            result_of(check, outcome, "" if outcome is Outcome.PASSED else f"{outcome} in {name}"),
            started="" if outcome is Outcome.SKIPPED else at(hours + (60 + number) / 3600),
            duration_s=0.25,
            measurements=dict((figures or {}).get(check, {})),
        )
        for number, (check, outcome) in enumerate(outcomes.items())
    )
    run = replace(
        INFO,
        id=name,
        started=at(hours),
        finished=at(hours + 0.1),
        verdict=verdict(checks),
        **info,  # type: ignore[arg-type]  # fields that are texts
    )
    return RunResult(run=run, checks=checks, not_tested=tuple((not_tested or {}).items()))


def keep(path: Path, *results: RunResult, replayed: bool = False) -> Path:
    """Write whole runs into a history, each in a transaction of its own."""
    ensure(path)
    for result in results:
        with writing(path) as connection:
            enter(connection, result, directory=Path("/runs") / result.run.id, replayed=replayed)
    return path
