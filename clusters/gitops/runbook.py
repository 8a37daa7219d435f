"""Judging the runbook itself: postincident.runbook-current.

A file beside the runbook says which check encodes which of its statements. The runbook is current while it
was validated within its budget and every statement is encoded, or is marked as context with a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from clusters import budgets
from clusters.budgets import Budget
from clusters.cause_ids import CauseId
from clusters.checks import Finding
from clusters.errors import Inconclusive
from clusters.gitops import pages
from clusters.gitops.documents import FileError, mappings, validated
from clusters.gitops.findings import evidence, mentions_command
from clusters.gitops.history import Frozen
from clusters.gitops.pages import Piece
from clusters.gitops.plans import Text
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.subject import Subject

_FIELD = "last validated"


class Statement(Frozen):
    """One statement of the runbook with the checks that encode it; `context` says why none has to."""

    says: Text
    checks: tuple[Text, ...] = ()
    context: str = ""


class Section(Frozen):
    """The statements below one heading of the runbook."""

    section: Text
    statements: tuple[Statement, ...]


class Encoding(Frozen):
    """The file beside the runbook."""

    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Coverage:
    """The runbook against its encoding. `stale` are encoded statements that the runbook no longer makes."""

    missing: tuple[Piece, ...]
    stale: tuple[str, ...]
    checks: frozenset[str]


def runbook_sentences(text: str) -> tuple[Piece, ...]:
    """Every statement of a runbook: list items, commands, and paragraphs that do not only lead to a list."""
    return tuple(
        piece for piece in pages.parse(text)[0] if piece.section and not piece.text.rstrip().endswith(":")
    )


def read_encoding(text: str, name: str) -> Encoding:
    """The encoding file. Raises FileError with file and line."""
    documents = tuple(mappings(text, name))
    if len(documents) != 1:
        raise FileError(f"{name} holds {len(documents)} documents where one is expected.")
    return validated(Encoding, documents[0])


def coverage(runbook: str, encoding: Encoding) -> Coverage:
    """Which statements have no check, and which checks are named for statements that are gone."""
    made = {_key(piece.section[-1], piece.text): piece for piece in runbook_sentences(runbook)}
    encoded = {
        _key(section.section, statement.says): statement
        for section in encoding.sections
        for statement in section.statements
    }
    done = {place for place, statement in encoded.items() if statement.checks or statement.context}
    return Coverage(
        missing=tuple(piece for place, piece in made.items() if place not in done),
        stale=tuple(f"{section}: {text}" for section, text in encoded if (section, text) not in made),
        checks=frozenset(check for statement in encoded.values() for check in statement.checks),
    )


def _key(section: str, text: str) -> tuple[str, str]:
    return section.lower(), " ".join(text.lower().rstrip(". ").split())


def last_validated(text: str) -> str:
    """The value of "Last validated" in the runbook's metadata table, empty where there is none."""
    rows = (row for table in pages.parse(text)[1] for row in (table.header, *table.rows))
    return next((row[1].strip() for row in rows if len(row) > 1 and row[0].strip().lower() == _FIELD), "")


def runbook_current(repository: RepositorySnapshot) -> list[Finding]:
    """A validation that is too old, or missing, and statements that no check encodes."""
    layout = repository.layout
    text = repository.text(layout.runbook, what="runbook")
    found = [*_age(repository, text, budgets.get(budgets.LAST_VALIDATED))]
    steps = repository.text_of_file(layout.steps)
    if steps is None:
        if found:
            return found
        raise Inconclusive(
            f"{layout.steps} does not exist, so nothing says which checks encode {layout.runbook}.",
            remedy="Write it: docs/gitops.md shows how.",
        )
    missing = coverage(text, read_encoding(steps, layout.steps)).missing
    if missing:
        first = missing[0]
        found.append(
            _finding(
                repository,
                f"{len(missing)} statements of {layout.runbook} have no check; the first is on line "
                f"{first.line}: {first.text!r}.",
                (f"line {piece.line}: {piece.text}" for piece in missing),
                remedy=f"Name the check of each in {layout.steps}, or write it.",
            )
        )
    return found


def _age(repository: RepositorySnapshot, text: str, budget: Budget) -> list[Finding]:
    path = repository.layout.runbook
    stated = last_validated(text)
    try:
        days = (date.fromisoformat(repository.today) - date.fromisoformat(stated)).days
    except ValueError:
        given = f"gives {stated!r} as the day of its last validation, which is no date"
        what = given if stated else "does not say when it was last validated"
        return [_finding(repository, f"{path} {what}.", ())]
    if days < 0:
        return [_finding(repository, f"{path} was last validated on {stated}, which is in the future.", ())]
    most = budget.within / 86400
    if days > most:
        old = f"{path} was last validated on {stated}, {days} days ago; {most:.0f} are allowed."
        return [_finding(repository, old, ())]
    return []


def _finding(
    repository: RepositorySnapshot, summary: str, lines: Iterable[str], *, remedy: str = ""
) -> Finding:
    path = repository.layout.runbook
    return Finding(
        cause=CauseId.VALIDATION_STALE,
        subject=Subject("runbook", path),
        summary=summary,
        evidence=evidence(lines),
        remedy=remedy,
        commands=(mentions_command("Last validated", path),),
    )
