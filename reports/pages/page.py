"""report.html: one static page, complete without JavaScript, rendered from a run's results."""

from __future__ import annotations

import base64
import hashlib
import platform
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2

from clusters.checks import Outcome, RunResult, Verdict
from reports import attribution, roots, wording
from reports.figures import Figure, figures, shown
from reports.history import sections
from reports.history.past import Past
from reports.pages import address_grid, address_map, evidence, strips
from reports.pages.timeline_picture import drawing
from reports.untested import counts, grouped

_TEMPLATES = Path(__file__).parent / "templates"
_SIGNS = {
    Verdict.PASSED: "✓",
    Verdict.FAILED: "✕",
    Verdict.INCOMPLETE: "?",
    Verdict.REFUSED: "–",
    Verdict.CLEANUP_FAILED: "!",
}
_REACH = {
    "none": "nothing found",
    "service": "single services",
    "pool": "a pool",
    "cluster": "the whole cluster",
}


def page(result: RunResult, *, directory: Path, past: Past | None = None) -> str:
    """The page of one run.

    `directory` is where its evidence and snapshot.json lie; without them there are no pictures of them. `past`
    is what is known of earlier runs, None where nothing is kept.
    """
    seen = address_map.seen(directory)
    table = sections.sections(result, past)
    failed = roots.ordered(roots.of(result, Outcome.FAILED))
    pictures = _pictures(result, directory, seen.names)
    failed_ids = {check.id for check in failed}
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=result.run,
            # A page that is sent by mail has no files beside it.
            directory=directory.absolute(),
            host=platform.node(),
            sign=_SIGNS[result.run.verdict],
            reach=_REACH[result.run.scope],
            counts=counts(result),
            roots=roots.roots(result),
            past=past,
            whole=_last_whole(result, past),
            failed=failed,
            failed_ids=failed_ids,
            undecided=roots.of(result, Outcome.INCONCLUSIVE),
            accepted=roots.of(result, Outcome.WAIVED, Outcome.NOT_SUPPORTED),
            passed=roots.of(result, Outcome.PASSED),
            not_tested=grouped(result),
            sections=table,
            standing={row.about.check: row for section in table for row in section.rows},
            figures=[(figure, _trend(figure, past)) for figure in figures(result)],
            pictures=pictures,
            other_pictures={name: found for name, found in pictures.items() if name not in failed_ids},
            seen=seen,
            strip_of=partial(_strip, past),
            titles={check.id: check.title for check in result.checks},
            script=_script(),
            script_hash=_hash(_script()),
        )
    )


def _pictures(result: RunResult, directory: Path, names: Any) -> dict[str, list[dict[str, Any]]]:
    """The timelines of each check that has any."""
    found = {
        check.id: [
            {"file": name, "drawing": drawing(timeline, names)}
            for name, timeline in evidence.timelines(check, directory)
        ]
        for check in result.checks
    }
    return {check: pictures for check, pictures in found.items() if pictures}


def _last_whole(result: RunResult, past: Past | None) -> str:
    """When a run of this cluster last passed as a whole; "" for never, as far as is known."""
    if result.run.verdict is Verdict.PASSED:
        return result.run.finished
    earlier = past.runs if past else ()
    return next((run.finished for run in reversed(earlier) if run.verdict is Verdict.PASSED), "")


def _strip(past: Past | None, check: str, now: Outcome | None) -> strips.Strip:
    return strips.strip(past.strips.get(check, ()) if past else (), now)


def _trend(figure: Figure, past: Past | None) -> strips.Trend | None:
    earlier = past.trends.get((figure.check, figure.name), ()) if past else ()
    return strips.trend(earlier, figure.value, figure.budget)


@cache
def _script() -> str:
    return (_TEMPLATES / "report.js").read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What the page's own policy lets run: this script and nothing else."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "shown": shown,
        "files": evidence.files,
        "notes": evidence.notes,
        "moment": wording.moment,
        "said": attribution.said,
        "long": wording.long,
        "grid": address_grid.grid,
        "announcers": address_grid.announcers,
        "told_elsewhere": roots.told_elsewhere,
    }
    environment.filters.update(filters)
    environment.globals["between"] = wording.between
    return environment
