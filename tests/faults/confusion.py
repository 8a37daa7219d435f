"""The confusion table: for each link of the path what was made, and what was named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from clusters.checks.causes import CAUSES
from clusters.checks.path_links import Link

#: What stands in a cell that nothing was counted in.
NONE = "·"


@dataclass(frozen=True)
class Case:
    """A cause that was made once, and every cause that was named then; `declared` are true consequences of it."""

    made: str
    named: frozenset[str]
    declared: frozenset[str] = frozenset()


@dataclass
class Stretch:
    """What came of the causes of one link, or of those on no path. `cells` counts by cause made and cause named."""

    link: Link | None
    made: Counter[str] = field(default_factory=Counter)
    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    consequences: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, case: Case) -> None:
        """Count one case."""
        self.made[case.made] += 1
        self.cells.update((case.made, each) for each in case.named - case.declared)
        self.consequences.update((case.made, each) for each in case.declared)

    @property
    def confused(self) -> int:
        """How often a cause was named that had not been made."""
        return sum(count for (made, named), count in self.cells.items() if made != named)

    @property
    def missed(self) -> int:
        """How often a cause was made, and not named."""
        return sum(count - self.cells[cause, cause] for cause, count in self.made.items())

    def lines(self) -> Iterator[str]:
        """The table: causes made in rows, causes named in columns, by the numbers of the rows."""
        rows = sorted(self.made)
        foreign = sorted({named for _, named in self.cells} - set(rows))
        numbers = [str(number) for number, _ in enumerate(rows, 1)]
        yield _row("", "made", "times", *numbers, *(f"`{each}`" for each in foreign))
        yield _row(*("---" for _ in range(3 + len(rows) + len(foreign))))
        for number, cause in zip(numbers, rows, strict=True):
            counts = [self.cells[cause, named] for named in (*rows, *foreign)]
            yield _row(number, f"`{cause}`", str(self.made[cause]), *(str(each or NONE) for each in counts))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def stretches(cases: Iterable[Case]) -> list[Stretch]:
    """The links in the order of the paths, those on which something was made; what is on no path comes last."""
    found: Mapping[Link | None, Stretch] = {link: Stretch(link) for link in (*Link, None)}
    for case in cases:
        found[CAUSES[case.made].link].add(case)
    return [each for each in found.values() if each.made]


def section(cases: Iterable[Case]) -> Iterator[str]:
    """The tables of all links, each under its question, and what is a consequence of a fault."""
    every = stretches(cases)
    for each in every:
        yield ""
        yield f"### {each.link}: {each.link.question}" if each.link else "### On no path"
        yield ""
        yield from each.lines()
    consequences = sorted(
        (made, named, count) for each in every for (made, named), count in each.consequences.items()
    )
    if consequences:
        yield ""
        yield "What a fault brings with it, and is declared beside it, is true as well and counted here:"
        yield ""
        yield _row("made", "named besides", "times")
        yield _row("---", "---", "---")
        yield from (_row(f"`{made}`", f"`{named}`", str(count)) for made, named, count in consequences)
