"""The report of a fleet: one page with a column a cluster, the same as data, and a table for the terminal."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clusters import budgets
from clusters.checks import CheckResult, Level, Outcome, RunResult
from clusters.checks.run_verdict import Member, worst
from clusters.checks.serialise import run_to_dict
from clusters.errors import ExitCode, UsageError
from reports.attribution import RootCause, root_causes
from reports.history import HistoryError, opened
from reports.history.validation import Validation, validation
from reports.model import FLEET, RESULTS, keep, load, read, write_text
from reports.pages.page_templates import rendered
from reports.report_url import page_url
from reports.wording import counts

PAGE = "report.html"
_VERDICTS = {
    ExitCode.PASSED: "passed",
    ExitCode.FAILED: "failed",
    ExitCode.CLEANUP_FAILED: "cleanup-failed",
    ExitCode.REFUSED: "refused",
    ExitCode.INCOMPLETE: "incomplete",
}
_SIGNS = {"passed": "✓", "failed": "✕", "cleanup-failed": "!", "refused": "–", "incomplete": "?"}
#: Signs of outcomes, so that colour alone says nothing.
_MARKS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✕",
    Outcome.INCONCLUSIVE: "?",
    Outcome.SKIPPED: "–",
    Outcome.WAIVED: "~",
    Outcome.NOT_SUPPORTED: "·",
}


_NOTABLE = frozenset({Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SKIPPED})


@dataclass(frozen=True)
class Column:
    """One cluster of the fleet. `result` is None where its run left none; `reason` says what there is to say.

    `validation` is how its checks stand over all runs that the history knows, None where nothing is known.
    """

    member: Member
    result: RunResult | None
    reason: str
    validation: Validation | None = None

    @property
    def verdict(self) -> str:
        """How its run ended, in the words of a run's verdict."""
        return _VERDICTS.get(self.member.exit_code, "failed")

    @cached_property
    def causes(self) -> tuple[RootCause, ...]:
        """What its failures are attributed to, by how many checks fail because of it."""
        return root_causes(self.result) if self.result else ()

    @property
    def not_validated(self) -> tuple[str, ...]:
        """The checks whose validation is missing, over all runs."""
        known = self.validation
        return tuple(row.check for row in known.rows if known.state(row).unvalidated) if known else ()

    @cached_property
    def checks(self) -> Mapping[str, CheckResult]:
        """Its results by check."""
        return {check.id: check for check in self.result.checks} if self.result else {}

    @cached_property
    def untested(self) -> Mapping[str, str]:
        """Why a check was not tested here, by check."""
        return dict(self.result.not_tested) if self.result else {}


@dataclass(frozen=True)
class Fleet:
    """The columns, and the checks that any of them has, worst first."""

    columns: tuple[Column, ...]

    @property
    def exit_code(self) -> ExitCode:
        """The worst of all."""
        return worst(column.member.exit_code for column in self.columns)

    @property
    def verdict(self) -> str:
        """The worst of all, in a word."""
        return _VERDICTS.get(self.exit_code, "failed")

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """The title of every check that was run somewhere."""
        return {name: check.title for column in self.columns for name, check in column.checks.items()}

    @cached_property
    def notable(self) -> tuple[str, ...]:
        """The checks that failed, or were not decided, on some cluster."""
        return tuple(
            name
            for name in sorted(self.titles)
            if any(
                column.checks[name].outcome in _NOTABLE for column in self.columns if name in column.checks
            )
        )

    @property
    def others(self) -> tuple[str, ...]:
        """The checks that are well wherever they were run."""
        return tuple(name for name in sorted(self.titles) if name not in self.notable)


def fleet_of(members: Sequence[Member], *, history: Path | None = None) -> Fleet:
    """The fleet, from what each run left in its directory. A run without results still has its column."""
    known = _validations([member.cluster for member in members], history)
    return Fleet(tuple(_column(member, known.get(member.cluster)) for member in members))


def _validations(clusters: Sequence[str], history: Path | None) -> dict[str, Validation]:
    """How the checks of each cluster stand; nothing where there is no history, or none that can be read."""
    stale, rarely = (
        timedelta(seconds=budgets.get(one).within) for one in (budgets.STALE, budgets.STALE_DISRUPT)
    )
    if history is None:
        return {}
    try:
        with opened(history) as connection:
            return {
                name: validation(
                    connection,
                    name,
                    now=datetime.now(UTC),
                    budget=stale,
                    by_level={str(Level.DISRUPT): rarely},
                )
                for name in clusters
            }
    except HistoryError:
        return {}


def _column(member: Member, known: Validation | None) -> Column:
    try:
        result = load(member.directory / RESULTS)
    except UsageError as error:
        lines = [line.strip() for line in member.words.strip().splitlines() if line.strip()]
        last = lines[-1] if lines else str(error)
        reason = member.trouble or f"it left no results; the last line it printed: {last}"
        return Column(member, None, reason, known)
    reason = member.trouble
    if not reason and result.not_tested and not result.checks:
        reason = result.not_tested[0][1]
    return Column(member, result, reason, known)


def fleet_from(path: Path, *, history: Path | None = None) -> Fleet:
    """The fleet that a fleet.json names, from what is still in each run's directory beside it.

    Raises UsageError for a file that is none, or not one we know.
    """
    return fleet_of(
        [
            Member(
                cluster=one["cluster"],
                directory=path.parent / one["directory"],
                code=one["exit_code"],
                seconds=one["seconds"],
                trouble=one["reason"],
            )
            for one in read(path, FLEET)["clusters"]
        ],
        history=history,
    )


def write(
    members: Sequence[Member], directory: Path, *, history: Path | None = None, base_url: str = ""
) -> Fleet:
    """Write the page and the data of a fleet into its directory."""
    fleet = fleet_of(members, history=history)
    keep(_data(fleet, directory), directory / FLEET, FLEET)
    write_text(directory / PAGE, page(fleet, directory, url=page_url(base_url, directory)))
    return fleet


def page(fleet: Fleet, directory: Path, *, url: str = "") -> str:
    """The page: a column a cluster, with links to each cluster's own page. `url` is where it is opened, if anywhere."""
    return rendered(
        "fleet.html.j2",
        fleet=fleet,
        sign=_SIGNS.get(fleet.verdict, "✕"),
        signs=_SIGNS,
        marks=_MARKS,
        counts=counts,
        link=lambda column: _link(column.member.directory / PAGE, directory),
        output=lambda column: _link(column.member.directory / "output.txt", directory),
        url=url,
        directory=directory.absolute(),
        host=platform.node(),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _link(file: Path, directory: Path) -> str:
    """The way to a file as a page's link: never an address, whatever the folder is called."""
    return quote(os.path.relpath(file, directory))


def lines(fleet: Fleet) -> list[str]:
    """The same for a terminal: a line a cluster."""
    width = max(len(column.member.cluster) for column in fleet.columns)
    found = []
    for column in fleet.columns:
        text = counts(column.result) if column.result and column.result.checks else ""
        reason = column.reason.partition("\n")[0]
        why = "; ".join(part for part in (text, reason) if part)
        found.append(f"{column.verdict.upper():<14} {column.member.cluster:<{width}}  {why}")
    return found


def _validated(column: Column) -> dict[str, Any]:
    """What the history knows of the cluster's validation; nothing where it is not known."""
    if column.validation is None or not column.validation.rows:
        return {}
    return {
        "validated_on": column.validation.validated_on or None,
        "not_validated": list(column.not_validated),
    }


def _data(fleet: Fleet, directory: Path) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "verdict": fleet.verdict,
        "exit_code": int(fleet.exit_code),
        "clusters": [
            {
                "cluster": column.member.cluster,
                "verdict": column.verdict,
                "exit_code": column.member.code,
                "seconds": column.member.seconds,
                "reason": column.reason,
                "directory": os.path.relpath(column.member.directory, directory),
                "run": run_to_dict(column.result)["run"] if column.result else None,
            }
            | _validated(column)
            for column in fleet.columns
        ],
        "checks": [
            {
                "id": name,
                "title": fleet.titles[name],
                "outcomes": {
                    column.member.cluster: str(column.checks[name].outcome)
                    for column in fleet.columns
                    if name in column.checks
                },
            }
            for name in (*fleet.notable, *fleet.others)
        ],
    }
