"""`python -m reports last-validated`: when each check last passed in a run that counts, and what is stale."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clusters import budgets
from clusters.checks import Level
from clusters.errors import ExitCode, UsageError
from reports.history import DEFAULT, opened, stored_runs
from reports.history.standings import Standing
from reports.history.stored_runs import Ending
from reports.history.validation import Validation, up_to, validation

_HEAD = (
    "check",
    "state",
    "last validated",
    "age",
    "last run",
    "last failed",
    "failures",
    "since",
    "MetalLB",
    "Kubernetes",
)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    hours = budgets.get(budgets.STALE).within / 3600
    parser = commands.add_parser(
        "last-validated", help="when each check was last validated; 1 if one is stale"
    )
    parser.add_argument("--cluster", metavar="NAME", default="", help="one cluster (default: all)")
    parser.add_argument("--format", choices=("table", "json", "md"), default="table", help="default: table")
    parser.add_argument(
        "--stale-after",
        metavar="HOURS[,LEVEL=HOURS]",
        type=_ages,
        default={"": hours},
        help=f"how old a pass may be, and of checks of a level that runs less often, as in 36,disrupt=192 "
        f"(default: {hours:g} for all)",
    )
    parser.add_argument("--level", choices=list(map(str, Level)), help="only checks up to this level")
    add_history(parser)
    parser.set_defaults(run=run)


def add_history(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the history."""
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        default=DEFAULT,
        help=f"the history of runs (default: {DEFAULT})",
    )


def run(given: argparse.Namespace) -> ExitCode:
    """Print it, and say by the exit code whether a validation is missing."""
    now = datetime.now(UTC)
    by_level = {name: timedelta(hours=hours) for name, hours in given.stale_after.items()}
    budget = by_level.pop("")
    with opened(given.history) as connection:
        names = one_of(stored_runs.clusters(connection), given.cluster, given.history)
        level = Level(given.level) if given.level else None
        found = [
            up_to(validation(connection, name, now=now, budget=budget, by_level=by_level), level)
            for name in names
        ]
        notes = stored_runs.notes(connection)
    if given.format == "json":
        sys.stdout.write(json.dumps(as_json(found, notes, now=now, budget=budget), indent=1) + "\n")
    else:
        write = _markdown if given.format == "md" else _table
        sys.stdout.write("\n".join((*notes, *(write(one) for one in found))) + "\n")
    return ExitCode.FAILED if not all(one.complete for one in found) else ExitCode.PASSED


def one_of(known: Sequence[str], name: str, history: Path) -> list[str]:
    """The clusters of that name, all for "". Raises UsageError for one that the history does not know."""
    if not known:
        raise UsageError(f"The history {history} has no runs yet.")
    if name and name not in known:
        raise UsageError(
            f"The history {history} has no cluster {name!r}.", remedy=f"It has: {', '.join(known)}."
        )
    return [name] if name else list(known)


def as_json(
    found: Sequence[Validation], notes: Sequence[str], *, now: datetime, budget: timedelta
) -> dict[str, object]:
    """What the command says, for machines. Times are RFC 3339, UTC, null for never; ages are hours."""
    return {
        "schema_version": 1,
        "as_of": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "stale_after_hours": budget / timedelta(hours=1),
        "stale_after_hours_by_level": {
            level: hours / timedelta(hours=1) for one in found[:1] for level, hours in one.by_level.items()
        },
        "notes": list(notes),
        "clusters": [
            {
                "name": one.cluster,
                "validated": one.complete,
                "validated_on": one.validated_on or None,
                "levels": {
                    str(level): {
                        "validated_on": part.validated_on or None,
                        "not_validated": [row.check for row in part.rows if part.state(row).unvalidated],
                    }
                    for level, part in _by_level(one)
                },
                "newest_run": _newest(one),
                "interrupted_since": one.interrupted,
                "checks": [_row_as_json(row, one) for row in one.rows],
            }
            for one in found
        ],
    }


def _newest(one: Validation) -> dict[str, str | None] | None:
    if one.newest is None:
        return None
    return {
        "id": one.newest.id,
        "started": one.newest.started,
        "ending": str(one.newest.ending),
        "verdict": str(one.newest.verdict) if one.newest.verdict else None,
    }


def _row_as_json(row: Standing, found: Validation) -> dict[str, object]:
    known: dict[str, object] = {"id": row.check, "state": str(found.state(row))}
    if not row.last_at:
        return known | {"reason": row.reason}
    age = row.age(found.now)
    return known | {
        "title": row.title,
        "runbook": list(row.runbook),
        "level": row.level,
        "metallb_version": row.metallb_version,
        "kubernetes_version": row.kubernetes_version,
        "last_validated": row.validated_at or None,
        "age_hours": round(age / timedelta(hours=1), 2) if age is not None else None,
        "last_run": row.last_at,
        "last_outcome": str(row.last_outcome),
        "last_passed": row.passed_at or None,
        "last_failed": row.failed_at or None,
        "consecutive_failures": row.failures,
        "since": row.since or None,
    }


def _table(one: Validation) -> str:
    rows = [_HEAD, *(_cells(row, one) for row in one.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join((_title(one), *lines, ""))


def _markdown(one: Validation) -> str:
    rows = [
        "| " + " | ".join(cells) + " |"
        for cells in (_HEAD, ("---",) * len(_HEAD), *(_cells(row, one) for row in one.rows))
    ]
    return "\n".join((f"## {_title(one)}", "", *rows, ""))


def _title(one: Validation) -> str:
    if one.unvalidated:
        what = f"{one.unvalidated} not validated"
    else:
        what = validated_on(one) if one.complete else "nothing was ever validated"
    newest = one.newest
    if newest is None:
        return f"{one.cluster}: {what}"
    ending = str(newest.verdict) if newest.ending is Ending.ENDED else str(newest.ending)
    more = f", {one.interrupted} interrupted since the last that ended" if one.interrupted else ""
    return f"{one.cluster}: {what} (newest run {newest.id}, {_when(newest.started)} UTC, {ending}{more})"


def validated_on(one: Validation) -> str:
    """The answer for a cluster that is validated: since when, and by level where that is not the same day."""
    days = [(str(level), part.validated_on[:10]) for level, part in _by_level(one)]
    apart = ", ".join(f"{level} {day}" for level, day in days if day)
    on = f"validated on {_when(one.validated_on)} UTC" if one.validated_on else "validated"
    return f"{on}, {apart}" if len({day for _, day in days if day}) > 1 else on


def _by_level(one: Validation) -> list[tuple[Level, Validation]]:
    """Each level that has checks which were run."""
    found = [(level, one.at_level(level)) for level in Level]
    return [(level, part) for level, part in found if part.rows]


def _cells(row: Standing, found: Validation) -> tuple[str, ...]:
    state = str(found.state(row))
    if not row.last_at:
        return (row.check, state, *("–",) * (len(_HEAD) - 2))
    return (
        row.check,
        state,
        _when(row.validated_at) or "never",
        _aged(row.age(found.now)),
        f"{_when(row.last_at)} {str(row.last_outcome).replace('_', ' ')}",
        _when(row.failed_at) or "never",
        str(row.failures),
        _when(row.since) or "–",
        row.metallb_version or "–",
        row.kubernetes_version or "–",
    )


def _when(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _aged(age: timedelta | None) -> str:
    if age is None:
        return "–"
    hours = age / timedelta(hours=1)
    return f"{hours:.1f} h" if abs(hours) < 100 else f"{hours / 24:.0f} d"


def _ages(text: str) -> dict[str, float]:
    """Hours by level, those of every other level under ""."""
    first, *more = text.split(",")
    try:
        found = {"": _hours(first)}
        for one in more:
            level, _, hours = one.partition("=")
            found[str(Level(level.strip()))] = _hours(hours)
    except ValueError:
        known = ", ".join(map(str, Level))
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOURS or HOURS,LEVEL=HOURS with hours above zero and a level of {known}"
        ) from None
    return found


def _hours(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError(f"{text} is not above zero")
    return value
