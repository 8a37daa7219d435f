"""report.html: one static page, complete without JavaScript, rendered from a run's results.

`python -m reports render` makes it again from stored ones.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from clusters.checks import (
    Candidate,
    LinkReading,
    Outcome,
    Reading,
    RunResult,
    ServicePath,
    Verdict,
    is_known,
)
from clusters.errors import ExitCode
from reports.attribution import ended_as, ordered, root_causes
from reports.history import DEFAULT
from reports.history.history_view import HistoryView, view_of
from reports.history.standings import Standing
from reports.history.validation import sections
from reports.model import FLEET, RESULTS, load, write_text
from reports.pages import address_map, drawings, fleet_page
from reports.pages.page_templates import rendered, script, script_hash
from reports.pages.timeline_picture import drawing, timelines
from reports.report_url import base_of, page_url
from reports.wording import Figure, counts, figures, in_maintenance, missed_by_consumers, not_tested

_SIGNS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✕",
    Verdict.INCOMPLETE: "?",
    Verdict.REFUSED: "–",
    Verdict.CLEANUP_FAILED: "!",
}
_REACH = {
    "none": "",
    "service": "single services",
    "pool": "a pool",
    "cluster": "the whole cluster",
}


def page(result: RunResult, *, directory: Path, view: HistoryView | None = None, report_url: str = "") -> str:
    """The page of one run.

    `directory` is where its evidence and snapshot.json lie; without them there are no pictures of them. `view`
    is what is known of earlier runs, None where nothing is kept. `report_url` is where the page is opened, if anywhere.
    """
    seen = address_map.seen(directory)
    table = sections(result, view)
    failed = ordered(ended_as(result, Outcome.FAILED))
    failed_ids = {check.id for check in failed}
    pictures = _pictures(result, directory, seen.names)
    missed, others = missed_by_consumers(figures(result))
    return rendered(
        "report.html.j2",
        run=result.run,
        # A page that is sent by mail has no files beside it.
        directory=directory.absolute(),
        host=platform.node(),
        sign=_SIGNS[result.run.verdict],
        reach=_REACH[result.run.scope],
        counts=counts(result),
        work=in_maintenance(result),
        url=report_url,
        roots=root_causes(result),
        view=view,
        whole=_last_whole(result, view),
        failed=failed,
        failed_ids=failed_ids,
        undecided=ended_as(result, Outcome.INCONCLUSIVE),
        accepted=ended_as(result, Outcome.WAIVED, Outcome.NOT_SUPPORTED),
        passed=ended_as(result, Outcome.PASSED),
        paths=path_rows(result.paths),
        not_tested=not_tested(result),
        sections=table,
        standing={row.check: row for section in table for row in section.rows},
        state_of=partial(_state, result, view),
        outcomes={check.id: check.outcome for check in result.checks},
        figures=[(figure, _trend(figure, view)) for figure in others],
        missed=[(row, _trend(row.longest, view)) for row in missed],
        pictures=pictures,
        other_pictures={name: found for name, found in pictures.items() if name not in failed_ids},
        seen=seen,
        strip_of=partial(_strip, view),
        titles={check.id: check.title for check in result.checks},
        script=script(),
        script_hash=script_hash(),
    )


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("render", help=f"make the page again from a {RESULTS}, or a {FLEET}")
    parser.add_argument("results", type=Path, metavar=RESULTS, help="the file, or the directory it is in")
    parser.add_argument(
        "-o", "--output", type=Path, help="the page (default: report.html beside the results)"
    )
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        help=f"what is known of earlier runs (default: {DEFAULT}, if there)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> ExitCode:
    """Write the page and say where."""
    results: Path = given.results
    if results.is_dir():
        # The directory of several clusters' runs has no results of its own.
        results /= FLEET if (results / FLEET).exists() else RESULTS
    output = given.output or results.parent / "report.html"
    write_text(
        output,
        _of_fleet(results, output, given.history)
        if results.name == FLEET
        else _of_run(results, given.history),
    )
    sys.stdout.write(f"{output}\n")
    return ExitCode.PASSED


def _of_fleet(path: Path, output: Path, history: Path | None) -> str:
    found = fleet_page.fleet_from(path, history=history or (DEFAULT if DEFAULT.exists() else None))
    return fleet_page.page(found, output.parent, url=page_url(base_of(None), path.parent))


def _of_run(path: Path, history: Path | None) -> str:
    result = load(path)
    history = history or (DEFAULT if DEFAULT.exists() else None)
    view = view_of(history, result, directory=path.parent) if history else None
    return page(result, directory=path.parent, view=view, report_url=page_url(base_of(None), path.parent))


def _pictures(
    result: RunResult, directory: Path, names: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """The timelines of each check that has any."""
    found = {
        check.id: [
            {"file": name, "drawing": drawing(timeline, names)}
            for name, timeline in timelines(check, directory)
        ]
        for check in result.checks
    }
    return {check: pictures for check, pictures in found.items() if pictures}


def _last_whole(result: RunResult, view: HistoryView | None) -> str:
    """When a run of this cluster last passed as a whole; "" for never, as far as is known."""
    if result.run.verdict is Verdict.PASSED:
        return result.run.finished
    earlier = view.runs if view else ()
    return next((run.finished for run in reversed(earlier) if run.verdict is Verdict.PASSED), "")


def _state(result: RunResult, view: HistoryView | None, row: Standing) -> str:
    """What the table of last validations says of a check: what it failed or passed by, or that this is too long ago."""
    if row.failures:
        return "failed"
    if not row.validated_at:
        return "never passed"
    known = view or HistoryView()
    as_of = datetime.fromisoformat(known.as_of or result.run.finished)
    return "stale" if row.stale(as_of, known.stale_after) else "passed"


def _strip(view: HistoryView | None, check: str, now: Outcome | None) -> drawings.Strip:
    return drawings.strip(view.strips.get(check, ()) if view else (), now)


def _trend(figure: Figure, view: HistoryView | None) -> drawings.Trend | None:
    earlier = view.trends.get((figure.check, figure.name), ()) if view else ()
    return drawings.trend(earlier, figure.value, figure.budget)


_READING_SIGNS = {Reading.OK: "✓", Reading.BROKEN: "✕", Reading.UNKNOWN: "?", Reading.NOT_APPLICABLE: "–"}
_READING_WORDS = {
    Reading.OK: "ok",
    Reading.BROKEN: "broken",
    Reading.UNKNOWN: "not known",
    Reading.NOT_APPLICABLE: "not needed",
}


@dataclass(frozen=True, kw_only=True)
class LinkCell:
    """One link as the page draws it."""

    name: str
    question: str
    reading: str
    sign: str
    word: str
    proof: tuple[str, ...]
    cause: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True)
class PathRow:
    """One path of one service. `way` says which one, and `label` the same for who does not see the row."""

    service: str
    way: str
    label: str
    links: tuple[LinkCell, ...]


def path_rows(paths: Sequence[ServicePath]) -> tuple[PathRow, ...]:
    """A row for each path, those first in which something is broken or open."""
    found = sorted(paths, key=lambda path: not any(link.cause or link.candidates for link in path.links))
    return tuple(_row(path) for path in found)


def _row(path: ServicePath) -> PathRow:
    port = f" port {path.port}" if path.port else ""
    way = f"{path.path}{f', {path.address}{port}' if path.address else ''}"
    return PathRow(
        service=path.service,
        way=way,
        label=f"The {path.path} path of {path.service}",
        links=tuple(_cell(link) for link in path.links),
    )


def _cell(link: LinkReading) -> LinkCell:
    return LinkCell(
        name=str(link.link),
        question=link.link.question if is_known(link.link) else "",
        reading=str(link.reading),
        sign=_READING_SIGNS.get(link.reading, "?"),
        word=_READING_WORDS.get(link.reading, str(link.reading)),
        proof=link.proof,
        cause=link.cause,
        candidates=link.candidates,
    )
