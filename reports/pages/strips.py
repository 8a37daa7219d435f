"""Small pictures of the past: the strip of a check's outcomes, and the trend of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from clusters.checks import Outcome

#: How many earlier runs a strip and a trend show, and the width of one in user units.
SHOWN, STEP = 30, 6
_HEIGHT = 16
#: Each outcome's mark as a line from the baseline up, and back down: they differ by height and shape, not by
#: colour alone. Passed is low, failed is high, undecided an arrow's head, waived half high and the rest a dot.
_MARKS = {
    "passed": ("v-6", 6),
    "failed": ("v-16", 16),
    "inconclusive": ("l-2-6h4l-2 6v-10", 10),
    "waived": ("v-10", 10),
    "untested": ("v-2", 2),
}


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The last outcomes of a check, the newest last: path data for each kind, and the same in words."""

    paths: tuple[tuple[str, str], ...]
    width: int
    text: str


def strip(earlier: Sequence[Outcome | None], now: Outcome | None) -> Strip:
    """The strip of one check, this run included. None is a run that did not test it."""
    shown = [*earlier[-SHOWN:], now]
    places: dict[str, list[int]] = {}
    for number, outcome in enumerate(shown):
        kind = str(outcome) if outcome and str(outcome) in _MARKS else "untested"
        places.setdefault(kind, []).append(number * STEP + 2)
    return Strip(
        paths=tuple((kind, _path(found, *_MARKS[kind])) for kind, found in places.items()),
        width=len(shown) * STEP,
        text=_strip_text(shown),
    )


def _path(places: Sequence[int], mark: str, down: int) -> str:
    """The mark at each place. Moves are relative: two thousand strips of thirty marks are to stay small."""
    moves = (f"m{after - before} {down}{mark}" for before, after in pairwise(places))
    return f"M{places[0]} {_HEIGHT}{mark}{''.join(moves)}"


def _strip_text(shown: Sequence[Outcome | None]) -> str:
    if len(shown) == 1:
        return "no earlier run is known"
    counts = {one: shown.count(one) for one in (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE)}
    parts = [f"{number} {one}" for one, number in counts.items() if number]
    rest = len(shown) - sum(counts.values())
    parts += [f"{rest} not decided"] if rest else []
    return f"last {len(shown)} runs: {', '.join(parts)}"


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A figure over the last runs: a line through them, this run's value as a point, the budget's height."""

    line: str
    last: tuple[float, float]
    budget: float | None
    width: int
    usual: tuple[float, float]
    runs: int


def trend(earlier: Sequence[float | None], now: float, budget: float | None) -> Trend | None:
    """The trend of one figure; None where no earlier run measured it."""
    known = [one for one in earlier[-SHOWN:] if one is not None]
    if not known:
        return None
    values = [*known, now]
    top = max([*values, budget or 0.0]) or 1.0

    def height(value: float) -> float:
        return round((_HEIGHT - 1 - value / top * (_HEIGHT - 2)) * 2) / 2

    points = [(number * STEP + 2, height(value)) for number, value in enumerate(values)]
    return Trend(
        line="M" + "L".join(f"{x} {y:g}" for x, y in points),
        last=points[-1],
        budget=None if budget is None else height(budget),
        width=len(values) * STEP,
        usual=(min(known), max(known)),
        runs=len(known),
    )
