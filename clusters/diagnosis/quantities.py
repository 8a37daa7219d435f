"""Kubernetes' resource quantities, as numbers."""

from __future__ import annotations

import re

_UNITS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)},
}  # fmt: skip
_FORM = re.compile(r"(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?)(?P<unit>\D{0,2})")


def cpu(text: str) -> float:
    """A CPU quantity ("250m", "1.5", "13456789n", "1e-1") in cores."""
    found = _FORM.fullmatch(text)
    if found is None:
        return float(text)
    return float(found["number"]) * _UNITS[found["unit"]]
