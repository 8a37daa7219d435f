"""The measured figures of a run as rows, and how a figure is written."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from clusters.checks import RunResult


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one check. `strain` is how much of its budget it used: above 1 it broke it.

    `least` says that the budget is a least, not a most.
    """

    check: str
    name: str
    value: float
    unit: str
    budget: float | None
    samples: tuple[float, ...]
    strain: float
    kept: bool
    least: bool = False


def figures(result: RunResult) -> list[Figure]:
    """Every figure of a run, in the order of its checks."""
    return [
        Figure(
            check=check.id,
            name=name,
            value=one.value,
            unit=one.unit,
            budget=one.budget,
            samples=one.samples,
            strain=_strain(one.value, one.budget, lowest=one.worst == "lowest"),
            kept=one.within_budget,
            least=one.worst == "lowest",
        )
        for check in result.checks
        for name, one in check.measurements.items()
    ]


def shown(value: float | None, unit: str) -> str:
    """A figure for a person: milliseconds below a second, three figures, its unit; a dash for none."""
    if value is None:
        return "–"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.0f} ms"
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def _strain(value: float, budget: float | None, *, lowest: bool) -> float:
    if budget is None:
        return 0.0
    used, allowed = (budget, value) if lowest else (value, budget)
    if used <= 0:
        return 0.0
    return used / allowed if allowed > 0 else inf
