"""What a check kept beside its outcome: notes, and files of the run's directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from clusters.checks import CheckResult
from clusters.checks.failure import is_evidence_path
from clusters.confinement import RefusedPath, Tree
from clusters.json_text import parsed

if TYPE_CHECKING:
    from clusters.vantage import Timeline

#: What a file raises that is no JSON, or not of the shape that is expected.
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def files(texts: Iterable[str]) -> list[str]:
    """Those of a check's or finding's evidence texts that are paths relative to the run's directory."""
    return [text for text in texts if is_evidence_path(text)]


def notes(texts: Iterable[str]) -> list[str]:
    """Those that are plain texts."""
    return [text for text in texts if not is_evidence_path(text)]


def timelines(check: CheckResult, directory: Path) -> list[tuple[str, Timeline]]:
    """The check's measured timelines, with their files; one that is missing or broken is left out."""
    names = [name for name in files(check.evidence) if Path(name).name.startswith("timeline")]
    found = [(name, _timeline(directory, name)) for name in names if name.endswith(".json")]
    return [(name, one) for name, one in found if one is not None]


def _timeline(directory: Path, name: str) -> Timeline | None:
    # Imported here: most pages have no timeline, and this brings the whole of the wire's libraries.
    from clusters.vantage import Timeline  # noqa: PLC0415

    try:
        return Timeline.from_json(parsed(Tree(directory, name="the run's directory").read(name)))
    except (RefusedPath, OSError, ValueError):
        return None
