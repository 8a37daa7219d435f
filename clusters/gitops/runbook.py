"""Judging the runbook itself: postincident.runbook-current.

A file beside the runbook says which check encodes which of its statements. The runbook is current while it
was validated within its budget and every statement is encoded by a check that there is, or is marked as context with a
reason. `template` writes that file's first version from the runbook's own text.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import yaml

from clusters import budgets
from clusters.budgets import Budget
from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
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
_KNOWN = frozenset(map(str, CheckId))
#: A sentence that is as much like another may mean the same.
_ALIKE = 0.6
#: As many lines of one kind are told.
_TOLD = 10


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
    """The runbook against its encoding. `stale` are encoded statements that the runbook no longer makes.

    `unknown` are sentences on ids that no check has.
    """

    missing: tuple[Piece, ...]
    stale: tuple[str, ...]
    checks: frozenset[str]
    unknown: tuple[str, ...] = ()


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
    named = frozenset(check for statement in encoded.values() for check in statement.checks)
    return Coverage(
        missing=tuple(piece for place, piece in made.items() if place not in done),
        stale=tuple(f"{section}: {text}" for section, text in encoded if (section, text) not in made),
        checks=named,
        unknown=tuple(_unknown(check) for check in sorted(named - _KNOWN)),
    )


def _unknown(check: str) -> str:
    close = difflib.get_close_matches(check, _KNOWN, n=1, cutoff=0.4)
    return f"there is no check {check[:80]!r}" + (f"; did you mean {close[0]}?" if close else "")


def _key(section: str, text: str) -> tuple[str, str]:
    return section.lower(), " ".join(text.lower().rstrip(". ").split())


def template(
    runbook: str, name: str, *, kept: Encoding | None = None, example: Encoding | None = None
) -> str:
    """An encoding of the runbook `name`, every statement of it in its order, as YAML.

    What `kept` says of a statement stays; what `example` says of the same sentence is taken over, and of one that is
    like it proposed in a comment. The others wait for a check, or for a word on why they need none.
    """
    known, alike = _encoded(kept), _by_text(example)
    lines, section, open_ones = [], "", 0
    for piece in runbook_sentences(runbook):
        if piece.section[-1] != section:
            section = piece.section[-1]
            lines += ["", f"  - section: {_scalar(section)}", "    statements:"]
        place = _key(section, piece.text)
        statement = known.get(place) or alike.get(place[1])
        lines.append(f"      - says: {_scalar(piece.text)}")
        lines += [f"        {line}" for line in _said_of(statement, place[1], alike)]
        open_ones += statement is None
    head = [
        f"# Which check encodes which statement of {name}. A statement without one is a gap; `context` says why it "
        "needs none."
    ]
    if open_ones:
        head.append(f"# Waiting for a check, or for a context: {open_ones} of the statements.")
    return "\n".join((*head, "sections:")) + "\n".join(lines) + "\n"


def _encoded(encoding: Encoding | None) -> dict[tuple[str, str], Statement]:
    return {
        _key(section.section, statement.says): statement
        for section in (encoding.sections if encoding else ())
        for statement in section.statements
        if statement.checks or statement.context
    }


def _by_text(encoding: Encoding | None) -> dict[str, Statement]:
    return {text: statement for (_, text), statement in _encoded(encoding).items()}


def _said_of(statement: Statement | None, text: str, alike: Mapping[str, Statement]) -> Iterator[str]:
    if statement is None:
        close = difflib.get_close_matches(text, alike, n=1, cutoff=_ALIKE)
        proposed = alike[close[0]].checks if close else ()
        yield "checks: []" + (f"  # perhaps {', '.join(proposed)}" if proposed else "")
    elif statement.checks:
        yield f"checks: [{', '.join(map(_scalar, statement.checks))}]"
    if statement is not None and statement.context:
        yield f"context: {_scalar(statement.context)}"


def _scalar(text: str) -> str:
    """A text on one line of YAML, quoted where it has to be."""
    return (
        yaml.safe_dump(" ".join(text.split()), width=1 << 16, allow_unicode=True)
        .removesuffix("\n")
        .removesuffix("\n...")
    )


def last_validated(text: str) -> str:
    """The value of "Last validated" in the runbook's metadata table, empty where there is none."""
    rows = (row for table in pages.parse(text)[1] for row in (table.header, *table.rows))
    return next((row[1].strip() for row in rows if len(row) > 1 and row[0].strip().lower() == _FIELD), "")


def runbook_current(
    repository: RepositorySnapshot, note: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """A validation that is too old, or missing, statements that no check encodes, and checks that there are not.

    `note` is told of statements that the runbook no longer makes.
    """
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
    covered = coverage(text, read_encoding(steps, layout.steps))
    for statement in covered.stale[:_TOLD]:
        note(f"{layout.steps} encodes a statement that {layout.runbook} no longer makes: {statement}")
    if covered.unknown:
        found.append(
            _finding(
                repository,
                f"{layout.steps} names what is no check: {covered.unknown[0]}",
                covered.unknown,
                remedy=f"Name the checks that encode these statements in {layout.steps}; docs/checks.md lists all.",
            )
        )
    missing = covered.missing
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
