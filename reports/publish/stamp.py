"""`python -m reports stamp`: the runbook's "Last validated", after a run that has validated it.

It is one cell of a table on the page, which is found, and rewritten alone.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from markdown_it import MarkdownIt

from clusters import files
from clusters.check_ids import CheckId
from clusters.checks import Outcome, Verdict
from clusters.commands import command
from clusters.errors import ExitCode, Refused, UsageError
from clusters.gitops.pages import plain
from clusters.gitops.runbook import coverage, last_validated, read_encoding
from reports.history import opened, stored_runs
from reports.history.stored_runs import Run
from reports.model import NotWritten
from reports.publish.last_validated import add_history, one_of
from reports.wording import named

#: Judges the very cell that is stamped, so it is not asked for: it may fail until it has been.
ITSELF = CheckId.POSTINCIDENT_RUNBOOK_CURRENT
_NAMED = 4
_READ_BACK = 400
_FIELD = "last validated"
_PARSER = MarkdownIt("commonmark").enable("table")
#: As the parser ends lines.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|$)")
_BAR = re.compile(r"(?<!\\)\|")

Outcomes = Mapping[str, tuple[Outcome | None, str]]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run, and what keeps it from validating the runbook: checks by what became of them; nothing if it does."""

    run: Run
    missing: Mapping[str, Sequence[str]]


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
    changed = not _says(cell, day)
    if changed:
        rewrite(page, cell, day.isoformat())
    says = "last validated" if changed else "already says that it was last validated"
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

    A later one that failed a required check takes that back.
    """
    ended = [one for one in stored_runs.runs(connection, cluster, most=_READ_BACK) if one.verdict is not None]
    if not ended:
        raise Refused(f"{page} is not validated: no run has ended yet.")
    failed_since: dict[str, tuple[str, Run]] = {}
    newest: Candidate | None = None
    for one in reversed(ended):
        outcomes = stored_runs.outcomes(connection, one.key)
        candidate = Candidate(run=one, missing=dict(_missing(one, outcomes, required)))
        newest = newest or candidate
        if not candidate.missing:
            _refuse_if_failed_since(failed_since.get(one.cluster), one, page)
            return one
        failed = sorted(check for check in required if outcomes.get(check, (None, ""))[0] is Outcome.FAILED)
        if failed:
            failed_since.setdefault(one.cluster, (named(failed, most=_NAMED), one))
    assert newest is not None  # there is at least one
    raise Refused(
        f"{page} is not validated by run {newest.run.id} on {newest.run.cluster}: {_listed(newest.missing)}; "
        "nor by any run before it.",
        remedy="Run the whole suite: "
        + command("pytest suites --cluster {profile} --allow disrupt", profile=newest.run.cluster),
    )


def _missing(one: Run, outcomes: Outcomes, required: frozenset[str]) -> Iterator[tuple[str, list[str]]]:
    """What keeps a run from validating: required checks that did not pass, and whatever else failed or was open."""
    there = {check: outcome for check, (outcome, _) in outcomes.items() if check != ITSELF}
    ran = {check for check, outcome in there.items() if outcome is not None}
    if not_run := sorted(required - ran):
        yield "not run", not_run
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
            remedy="Fix that and run the whole suite again.",
        )


def _listed(missing: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{what}: {named(checks, most=_NAMED)}" if checks else what for what, checks in missing.items()
    )


def _says(cell: Cell, day: date) -> bool:
    """Whether the page has that day already, or a later one that is not yet to come."""
    try:
        stated = date.fromisoformat(cell.value)
    except ValueError:
        return False
    return day <= stated <= datetime.now(UTC).date()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The cell: its `value`, and where it is in the page's `text`."""

    text: str
    value: str
    start: int
    end: int


def find(page: Path) -> Cell:
    """The cell beside "Last validated" in a table of the page. Raises UsageError where there is not just one."""
    try:
        # Line ends stay as they are, so that they can be written back.
        text = page.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no runbook {page}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The runbook {page} cannot be read: {error}.") from None
    lines = _rows(text)
    if len(lines) != 1:
        what = (
            f"has the field twice, on lines {lines[0] + 1} and {lines[1] + 1}"
            if lines
            else "has no such field"
        )
        raise UsageError(
            f'The runbook {page} {what}: a table row "| Last validated | YYYY-MM-DD |" is expected once.'
        )
    return _cell(text, lines[0])


def rewrite(page: Path, cell: Cell, value: str) -> None:
    """Put `value` into the cell and leave every other byte as it is.

    Raises NotWritten, and UsageError where the page would not say it then.
    """
    target = page.resolve()
    text = cell.text[: cell.start] + value + cell.text[cell.end :]
    if last_validated(text) != value:
        raise UsageError(f"The table of {page} cannot be written to.", remedy="Write the day by hand.")
    try:
        # A page of the user's: it stays readable to whom it was.
        files.write_atomically(target, text, mode=stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        raise NotWritten(f"{page} could not be written: {error.strerror}.") from None


def _rows(text: str) -> list[int]:
    """The lines (from 0) of the table rows whose first cell names the field."""
    found, row, first = [], 0, False
    for token in _PARSER.parse(text):
        if token.type == "tr_open" and token.map:
            row, first = token.map[0], True
        elif token.type == "inline" and first:
            first = False
            if plain(token).strip().lower() == _FIELD:
                found.append(row)
    return found


def _cell(text: str, number: int) -> Cell:
    lines = list(_LINE.finditer(text))
    start = lines[number].start()
    line = lines[number].group().rstrip("\r\n")
    bars = [match.start() for match in _BAR.finditer(line)]
    outer = 1 if line.lstrip().startswith("|") else 0
    if len(bars) <= outer:
        raise UsageError(f"Line {number + 1} of the runbook has no cell beside the field.")
    begin = bars[outer] + 1
    end = bars[outer + 1] if len(bars) > outer + 1 else len(line)
    inner = line[begin:end]
    left = len(inner) - len(inner.lstrip())
    value = inner.strip()
    if not value:
        # An empty cell: the day goes behind its first space.
        left = min(1, len(inner))
    at = start + begin + left
    return Cell(text=text, value=value, start=at, end=at + len(value))
