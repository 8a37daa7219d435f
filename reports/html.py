"""report.html: one static page, complete without JavaScript, rendered from a run's results."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from clusters.checks import CheckResult, Outcome, RunResult
from reports import evidence
from reports.figures import figures, shown
from reports.timeline import drawing
from reports.untested import counts, grouped

_TEMPLATES = Path(__file__).parent / "templates"


def page(result: RunResult, *, directory: Path) -> str:
    """The page of one run. `directory` is where its evidence lies; without it there are no pictures."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        run=result.run,
        counts=counts(result),
        failed=_of(result, Outcome.FAILED),
        undecided=_of(result, Outcome.INCONCLUSIVE),
        accepted=_of(result, Outcome.WAIVED) + _of(result, Outcome.NOT_SUPPORTED),
        passed=_of(result, Outcome.PASSED),
        not_tested=grouped(result),
        figures=figures(result),
        pictures=[
            {"check": check, "file": name, "drawing": drawing(timeline)}
            for check in result.checks
            for name, timeline in evidence.timelines(check, directory)
        ],
    )


def _of(result: RunResult, outcome: Outcome) -> list[CheckResult]:
    return [check for check in result.checks if check.outcome is outcome]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"shown": shown, "files": evidence.files, "notes": evidence.notes}
    environment.filters.update(filters)
    return environment
