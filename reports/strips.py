"""Small pictures of the past: the strip of a check's outcomes, and the trend of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clusters.checks import Outcome

#: How many earlier runs a strip and a trend show, and the width of one in user units.
SHOWN, STEP = 30, 6
_HEIGHT = 16
#: Each outcome's mark as path data from (x, baseline): they differ by height and shape, not by colour alone.
_MARKS = {
    Outcome.PASSED: "v-6h4v6z",
    Outcome.FAILED: "v-16h4v16z",
    Outcome.INCONCLUSIVE: "l2-12 2 12z",
    Outcome.SKIPPED: "m1-4h2v2h-2z",
    Outcome.WAIVED: "v-10h1.5v10z",
    Outcome.NOT_SUPPORTED: "m1-4h2v2h-2z",
}
_NOT_TESTED = "m1-4h2v2h-2z"


@dataclass(frozen=True, kw_only=True)
class Strip:
    """The last outcomes of a check, the newest last: path data for each kind, and the same in words."""

    paths: tuple[tuple[str, str], ...]
    width: int
    text: str


def strip(earlier: Sequence[Outcome | None], now: Outcome | None) -> Strip:
    """The strip of one check, this run included. None is a run that did not test it."""
    shown = [*earlier[-SHOWN:], now]
    paths: dict[str, list[str]] = {}
    for number, outcome in enumerate(shown):
        kind = str(outcome) if outcome in _DRAWN else "untested"
        mark = _MARKS[outcome] if outcome else _NOT_TESTED
        paths.setdefault(kind, []).append(f"M{number * STEP} {_HEIGHT}{mark}")
    return Strip(
        paths=tuple((kind, "".join(marks)) for kind, marks in paths.items()),
        width=len(shown) * STEP,
        text=_strip_text(shown),
    )


_DRAWN = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.WAIVED})


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
        return round(_HEIGHT - 1 - value / top * (_HEIGHT - 2), 1)

    points = [(number * STEP + 2, height(value)) for number, value in enumerate(values)]
    return Trend(
        line="M" + "L".join(f"{x} {y:g}" for x, y in points),
        last=points[-1],
        budget=None if budget is None else height(budget),
        width=len(values) * STEP,
        usual=(min(known), max(known)),
        runs=len(known),
    )
