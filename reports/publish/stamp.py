"""`python -m reports stamp`: the runbook's "Last validated", after a run that has validated it."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from clusters.checks import Outcome, Verdict
from clusters.commands import command
from clusters.errors import ExitCode, Refused, UsageError
from clusters.gitops.runbook import coverage, read_encoding
from reports.history import opened, stored_runs
from reports.history.stored_runs import Run
from reports.publish.cell import Cell, find, rewrite
from reports.publish.last_validated import add_history, one_of

#: Judges the very cell that is stamped, so it is not asked for: it may fail until it has been.
ITSELF = "postincident.runbook-current"
_NAMED = 4
_READ_BACK = 400

Outcomes = Mapping[str, tuple[Outcome | None, str]]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run, and what keeps it from validating the runbook: checks by what became of them; nothing if it does."""

    run: Run
    lacking: Mapping[str, Sequence[str]]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "stamp", help='write the runbook\'s "Last validated" after a run that validated it'
    )
    parser.add_argument(
        "--runbook", metavar="FILE", type=Path, required=True, help="a Markdown page with the field"
    )
    parser.add_argument(
        "--cluster", metavar="NAME", default="", help="only runs on this cluster (default: on any)"
    )
    parser.add_argument(
        "--require",
        metavar="ID,ID",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=(),
        help="the checks that must have passed (default: all that RUNBOOK.checks.yaml names)",
    )
    add_history(parser)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Stamp it, or refuse with what is missing."""
    page: Path = given.runbook
    cell = find(page)
    required = frozenset(given.require) or encoded(page, cell.text)
    with opened(given.history) as connection:
        one_of(stored_runs.clusters(connection), given.cluster, given.history)
        chosen = validating(connection, given.cluster, required, page=page)
    day = datetime.fromisoformat(chosen.finished).date()
    changed = not _says(cell, day) and rewrite(page, cell, day.isoformat())
    says = "last validated" if changed else "says already that it was last validated"
    sys.stdout.write(
        f"{page}: {says} {day if changed else cell.value}, by run {chosen.id} on {chosen.cluster}\n"
    )
    return ExitCode.PASSED


def encoded(page: Path, text: str) -> frozenset[str]:
    """The checks that encode the runbook. Raises Refused where a statement has none, UsageError without the file."""
    place = page.with_suffix(".checks.yaml")
    try:
        encoding = read_encoding(place.read_text(encoding="utf-8"), str(place))
    except FileNotFoundError:
        raise UsageError(
            f"{place} does not exist, so nothing says which checks encode {page}.",
            remedy="Write it, docs/gitops.md shows how, or name the checks with --require.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{place} cannot be read: {error}.") from None
    found = coverage(text, encoding)
    if found.missing:
        first = found.missing[0]
        raise Refused(
            f"{page} cannot be validated: {len(found.missing)} of its statements have no check, the first on line "
            f"{first.line}: {first.text!r}.",
            remedy=f"Name the check of each in {place}.",
        )
    return found.checks - {ITSELF}


def validating(connection: sqlite3.Connection, cluster: str, required: frozenset[str], *, page: Path) -> Run:
    """The newest run that was complete, passed, and ran every required check. Raises Refused where there is none.

    One that came later and failed a required check takes its word back.
    """
    ended = [one for one in stored_runs.runs(connection, cluster, most=_READ_BACK) if one.verdict is not None]
    if not ended:
        raise Refused(f"{page} is not validated: no run has ended yet.")
    failed_since: dict[str, tuple[str, Run]] = {}
    newest: Candidate | None = None
    for one in reversed(ended):
        told = stored_runs.outcomes(connection, one.key)
        candidate = Candidate(run=one, lacking=dict(_lacking(one, told, required)))
        newest = newest or candidate
        if not candidate.lacking:
            _refuse_if_failed_since(failed_since.get(one.cluster), one, page)
            return one
        failed = sorted(check for check in required if told.get(check, (None, ""))[0] is Outcome.FAILED)
        if failed:
            failed_since.setdefault(one.cluster, (named(failed), one))
    assert newest is not None  # there is at least one
    raise Refused(
        f"{page} is not validated by run {newest.run.id} on {newest.run.cluster}: {_told(newest.lacking)}; "
        "nor by any run before it.",
        remedy="Run the whole suite: "
        + command("pytest suites --cluster {profile} --allow disrupt", profile=newest.run.cluster),
    )


def _lacking(one: Run, told: Outcomes, required: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    """What keeps a run from validating: required checks that did not pass, and whatever else failed or was open."""
    there = {check: outcome for check, (outcome, _) in told.items() if check != ITSELF}
    ran = {check for check, outcome in there.items() if outcome is not None}
    if missing := sorted(required - ran):
        yield "not run", missing
    for outcome in Outcome:
        counts = outcome in {Outcome.FAILED, Outcome.SKIPPED, Outcome.INCONCLUSIVE}
        found = sorted(
            check for check, each in there.items() if each is outcome and (counts or check in required)
        )
        if found and outcome is not Outcome.PASSED:
            yield str(outcome).replace("_", " "), found
    if one.verdict in {Verdict.REFUSED, Verdict.CLEANUP_FAILED}:
        yield f"the run ended as {one.verdict}", []


def _refuse_if_failed_since(failure: tuple[str, Run] | None, one: Run, page: Path) -> None:
    if failure is not None:
        names, later = failure
        raise Refused(
            f"{page} was validated by run {one.id}, and run {later.id} on {later.cluster} has failed since: {names}.",
            remedy="Mend that and run the whole suite again.",
        )


def _told(lacking: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{what}: {named(checks)}" if checks else what for what, checks in lacking.items())


def named(checks: Iterable[str]) -> str:
    """A few ids, and how many more there are."""
    known = list(checks)
    rest = len(known) - _NAMED
    return ", ".join(known[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _says(cell: Cell, day: date) -> bool:
    """Whether the page has that day already, or a later one that is not yet to come."""
    try:
        stated = date.fromisoformat(cell.value)
    except ValueError:
        return False
    return day <= stated <= datetime.now(UTC).date()
