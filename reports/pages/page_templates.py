"""The one Jinja environment that every page is rendered with: its templates, filters and the page's own script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from clusters.checks.outcome import is_evidence_path
from reports import attribution, wording
from reports.pages import drawings
from reports.wording import shown

_TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, **values: Any) -> str:
    """A page from one of the templates. A name that nothing was given for is an error, and no text is markup."""
    return _environment().get_template(template).render(**values)


def prepare() -> None:
    """Compile what a run's page is made of, so that it is there when the page is rendered."""
    for part in ("report", "problem", "pictures", "tables", "paths"):
        _environment().get_template(f"{part}.html.j2")


@cache
def script() -> str:
    """The script of a run's page."""
    return (_TEMPLATES / "report.js").read_text(encoding="utf-8")


def script_hash() -> str:
    """What the page's own policy lets run: this script and nothing else."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()}"


def evidence_files(texts: Iterable[str]) -> list[str]:
    """Those of a check's or finding's evidence texts that are paths relative to the run's directory."""
    return [text for text in texts if is_evidence_path(text)]


def notes(texts: Iterable[str]) -> list[str]:
    """Those that are plain texts."""
    return [text for text in texts if not is_evidence_path(text)]


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
        "files": evidence_files,
        "notes": notes,
        "moment": wording.moment,
        "named": wording.named,
        "in_a_sentence": wording.in_a_sentence,
        "attributions": attribution.listed,
        "long": wording.long,
        "grid": drawings.grid,
        "announcers": drawings.announcers,
        "reported_elsewhere": attribution.reported_elsewhere,
    }
    environment.filters.update(filters)
    environment.globals["between"] = wording.between
    return environment
