"""The one cell of a runbook that says when it was last validated: found, and rewritten alone."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from clusters import files
from clusters.errors import UsageError
from clusters.gitops.markdown import plain
from clusters.gitops.runbook import last_validated
from reports.model import NotWritten

FIELD = "last validated"
_PARSER = MarkdownIt("commonmark").enable("table")
#: As the parser ends lines.
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|$)")
_BAR = re.compile(r"(?<!\\)\|")


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


def rewrite(page: Path, cell: Cell, value: str) -> bool:
    """Put `value` into the cell and leave every other byte as it is. Returns True.

    Raises NotWritten, and UsageError where the page would not say it then.
    """
    target = page.resolve()
    text = cell.text[: cell.start] + value + cell.text[cell.end :]
    if last_validated(text) != value:
        raise UsageError(
            f"The table of {page} is not one that can be written to.", remedy="Write the day by hand."
        )
    try:
        # A page of the user's: it stays readable to whom it was.
        files.write_atomically(target, text, mode=stat.S_IMODE(target.stat().st_mode))
    except OSError as error:
        raise NotWritten(f"{page} could not be written: {error.strerror}.") from None
    return True


def _rows(text: str) -> list[int]:
    """The lines (from 0) of the table rows whose first cell names the field."""
    found, row, first = [], 0, False
    for token in _PARSER.parse(text):
        if token.type == "tr_open" and token.map:
            row, first = token.map[0], True
        elif token.type == "inline" and first:
            first = False
            if plain(token).strip().lower() == FIELD:
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
