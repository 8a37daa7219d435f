"""Markdown pages as data: tables, list items, paragraphs and commands, each with its section and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark").enable("table")
_SKIPPED = frozenset({"softbreak", "hardbreak"})


@dataclass(frozen=True)
class Piece:
    """One statement of a page. `kind` is "item", "text" or "command"; `section` the headings above it."""

    kind: str
    text: str
    line: int
    section: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table: its heading row in lower case, and its rows as the cells' plain texts."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    line: int
    section: tuple[str, ...] = ()

    def column(self, *words: str) -> int | None:
        """The first column whose heading holds one of the words, the words in order of preference."""
        return next((at for word in words for at, name in enumerate(self.header) if word in name), None)


@dataclass
class _Reading:
    """Where the reader stands on the page."""

    headings: dict[int, str] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)
    depth: int = 0

    @property
    def section(self) -> tuple[str, ...]:
        return tuple(self.headings[level] for level in sorted(self.headings))

    def heading(self, level: int, text: str) -> None:
        self.headings = {at: name for at, name in self.headings.items() if at < level} | {level: text}


def parse(text: str) -> tuple[tuple[Piece, ...], tuple[Table, ...]]:
    """A page's statements and tables, each in order."""
    found = tuple(_walk(_PARSER.parse(text)))
    return (
        tuple(each for each in found if isinstance(each, Piece)),
        tuple(each for each in found if isinstance(each, Table)),
    )


def _walk(tokens: Sequence[Token]) -> Iterator[Piece | Table]:
    state, above, line = _Reading(), "", 0
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        match token.type:
            case "list_item_open":
                state.depth += 1
            case "list_item_close":
                state.depth -= 1
            case "inline":
                text = plain(token)
                if above.startswith("heading"):
                    state.heading(int(above[-1]), text)
                elif above == "cell":
                    state.cells.append(text)
                else:
                    yield Piece("item" if state.depth else "text", text, line, state.section)
            case "fence" | "code_block":
                yield from _commands(token, line, state.section)
            case "tr_close":
                state.rows.append(tuple(state.cells))
                state.cells = []
            case "table_close":
                header, *rows = state.rows
                start = line - len(rows)
                yield Table(tuple(map(str.lower, header)), tuple(rows), start, state.section)
                state.rows = []
        above = {"heading_open": f"heading {token.tag[-1:]}", "td_open": "cell", "th_open": "cell"}.get(
            token.type, ""
        )


def _commands(token: Token, line: int, section: tuple[str, ...]) -> Iterator[Piece]:
    first = line + (1 if token.type == "fence" else 0)
    for number, text in enumerate(token.content.splitlines()):
        if text.strip() and not text.lstrip().startswith("#"):
            yield Piece("command", text.strip(), first + number, section)


def plain(token: Token) -> str:
    """An inline token's text without its marks: links, emphasis, code."""
    parts = (
        " " if child.type in _SKIPPED else child.content
        for child in token.children or ()
        if child.content or child.type in _SKIPPED
    )
    return " ".join("".join(parts).split())
