"""`python -m reports stamp`: the runbook's "Last validated", after a run that has validated it.

It is one cell of a table on the page, which is found, and rewritten alone; `--commit` puts it into the page's git
repository, on its branch or on a new one. `python -m reports encode` writes the file by which a run validates: which
check encodes which statement of the runbook.
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

from clusters import bounds, files
from clusters.bounds import Unusable, content
from clusters.check_ids import CheckId
from clusters.checks import Outcome, Verdict
from clusters.commands import command
from clusters.errors import ExitCode, Refused, UsageError
from clusters.gitops import commits
from clusters.gitops.git import NoHistory
from clusters.gitops.pages import plain
from clusters.gitops.runbook import Encoding, coverage, last_validated, read_encoding, template
from clusters.profile import DISPOSED
from reports.history import opened, stored_runs
from reports.history.stored_runs import Run
from reports.model import NotWritten
from reports.publish.last_validated import add_history, one_of
from reports.wording import named

#: Judges the very cell that is stamped, so it is not asked for: it may fail until it has been.
ITSELF = CheckId.POSTINCIDENT_RUNBOOK_CURRENT
_NAMED = 4
#: A file in a repository of the user's, which others read.
_READABLE = 0o644
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
        "--cluster",
        metavar="NAME",
        default="",
        help="only runs on this cluster (default: on any that is no lab and no kind cluster)",
    )
    parser.add_argument(
        "--require",
        metavar="ID,ID",
        type=lambda text: tuple(filter(None, text.split(","))),
        default=(),
        help="the checks that must have passed (default: all that RUNBOOK.checks.yaml names)",
    )
    parser.add_argument(
        "--commit",
        metavar="MESSAGE",
        nargs="?",
        const="",
        help="commit the stamped page, and nothing else, in its git repository; it is not pushed",
    )
    parser.add_argument(
        "--branch", metavar="NAME", default="", help="commit on a new branch; the working tree stays as it is"
    )
    add_history(parser)
    parser.set_defaults(run=run)
    encoding = commands.add_parser(
        "encode", help="print which check encodes which statement of a runbook, as RUNBOOK.checks.yaml has it"
    )
    encoding.add_argument("runbook", metavar="RUNBOOK", type=Path, help="a Markdown page")
    encoding.add_argument(
        "--write", action="store_true", help="write RUNBOOK.checks.yaml, where there is none"
    )
    encoding.set_defaults(run=encode)


def run(given: argparse.Namespace) -> ExitCode:
    """Stamp it, or refuse with what is missing."""
    page: Path = given.runbook
    if given.branch and given.commit is None:
        raise UsageError("--branch is for --commit, and there is none.", remedy="Give both.")
    cell = find(page)
    required = frozenset(given.require) or encoded(page, cell.text)
    with opened(given.history) as connection:
        one_of(stored_runs.clusters(connection), given.cluster, given.history)
        chosen = validating(connection, given.cluster, required, page=page)
    day = datetime.fromisoformat(chosen.finished).date()
    changed = not _says(cell, day)
    by = f"by run {chosen.id} on {chosen.cluster}"
    where = ""
    if changed and given.commit is not None:
        message = given.commit or f"Validate {page.name} on {day}, {by}"
        text = stamped(page, cell, day.isoformat())
        commit = committed(page, text, message, branch=given.branch)
        where = f" (commit {commit[:12]}{f' on branch {given.branch}' if given.branch else ''})"
    if changed and not given.branch:
        rewrite(page, cell, day.isoformat())
    says = "last validated" if changed else "already says that it was last validated"
    sys.stdout.write(f"{page}: {says} {day if changed else cell.value}, {by}{where}\n")
    return ExitCode.PASSED


def encode(given: argparse.Namespace) -> ExitCode:
    """Print, or write, an encoding of the runbook; what is encoded already stays, and what is gone is told."""
    page: Path = given.runbook
    text = _text_of(page)
    place = page.with_suffix(".checks.yaml")
    kept = _encoding_at(place)
    if given.write and kept is not None:
        raise UsageError(f"{place} exists.", remedy="Run without --write, and take over what is new.")
    shipped = _encoding_at(files.shipped_folder("examples/platform") / "runbooks" / "metallb.checks.yaml")
    written = template(text, page.name, kept=kept, example=shipped)
    if not given.write:
        sys.stdout.write(written)
        for gone in coverage(text, kept).stale if kept else ():
            sys.stderr.write(f"no longer in {page}, and left out: {gone}\n")
        return ExitCode.PASSED
    try:
        files.write_atomically(place, written, mode=_READABLE)
    except OSError as error:
        raise NotWritten(f"{place} could not be written: {error.strerror}.") from None
    waiting = len(coverage(text, read_encoding(written, str(place))).missing)
    sys.stdout.write(f"{place}: written; {waiting} statements wait for a check, or for a context\n")
    return ExitCode.PASSED


def _encoding_at(place: Path) -> Encoding | None:
    try:
        return read_encoding(content(place, most=bounds.CONFIGURATION_BYTES).decode("utf-8"), str(place))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, Unusable) as error:
        raise UsageError(f"{place} cannot be read: {error}.") from None


def committed(page: Path, text: str, message: str, *, branch: str = "") -> str:
    """Commit the page with `text`, and nothing else; the commit's hash. With `branch` on a new branch of that name.

    No hook and no program of the repository's runs. Raises Refused where the page has edits that are not committed, or
    where it is in no repository.
    """
    target = page.resolve()
    try:
        return commits.add_file(target, text.encode("utf-8"), message, branch=branch)
    except NoHistory as error:
        raise Refused(f"{page} is not stamped: {error.args[0]}", remedy=error.remedy) from None


def encoded(page: Path, text: str) -> frozenset[str]:
    """The checks that encode the runbook. Raises Refused where a statement has none, UsageError without the file."""
    place = page.with_suffix(".checks.yaml")
    encoding = _encoding_at(place)
    if encoding is None:
        raise UsageError(
            f"{place} does not exist, so nothing says which checks encode {page}.",
            remedy="Begin it with python -m reports encode RUNBOOK --write, or name the "
            "checks with --require.",
        )
    found = coverage(text, encoding)
    if found.unknown:
        raise Refused(
            f"{page} cannot be validated by {place}: {'; '.join(found.unknown[:_NAMED])}.",
            remedy="Name checks that there are; docs/checks.md lists them.",
        )
    for gone in found.stale:
        sys.stderr.write(f"{place} encodes a statement that {page} no longer makes: {gone}\n")
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
    every = [one for one in stored_runs.runs(connection, cluster, most=_READ_BACK) if one.verdict is not None]
    # A lab's run says nothing of a cluster that people use, unless somebody says that it is the one that is meant.
    ended = [one for one in every if cluster or one.provider not in DISPOSED]
    if not ended and every:
        labs = sorted({one.cluster for one in every})
        raise Refused(
            f"{page} is not validated: only runs on labs and kind clusters have ended ({named(labs, most=_NAMED)}).",
            remedy="Run on the cluster that the runbook is for, or name the lab with --cluster if its run is to count.",
        )
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
    text = _text_of(page)
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


def _text_of(page: Path) -> str:
    """The page's text, its line ends as they are, so that they can be written back. Raises UsageError."""
    try:
        return content(page, most=bounds.CONFIGURATION_BYTES).decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no runbook {page}.") from None
    except (OSError, UnicodeDecodeError, Unusable) as error:
        raise UsageError(f"The runbook {page} cannot be read: {error}.") from None


def rewrite(page: Path, cell: Cell, value: str) -> None:
    """Put `value` into the cell and leave every other byte as it is.

    Raises NotWritten, and UsageError where the page would not say it then.
    """
    target = page.resolve()
    text = stamped(page, cell, value)
    try:
        # A page of the user's: it stays readable to whom it was.
        files.write_atomically(target, text, mode=stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        raise NotWritten(f"{page} could not be written: {error.strerror}.") from None


def stamped(page: Path, cell: Cell, value: str) -> str:
    """The page's text with `value` in the cell. Raises UsageError where the page would not say it then."""
    text = cell.text[: cell.start] + value + cell.text[cell.end :]
    if last_validated(text) != value:
        raise UsageError(f"The table of {page} cannot be written to.", remedy="Write the day by hand.")
    return text


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
