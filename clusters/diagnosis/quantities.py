"""Kubernetes' resource quantities, as far as CPU needs them."""

from __future__ import annotations

_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3}


def cpu(text: str) -> float:
    """A CPU quantity ("250m", "1.5", "13456789n") in cores."""
    unit = _UNITS.get(text[-1:])
    return float(text[:-1]) * unit if unit else float(text)
