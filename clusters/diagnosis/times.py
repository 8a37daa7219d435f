"""Kubernetes' timestamps as seconds of the epoch, so that ages are plain differences."""

from __future__ import annotations

import datetime as dt


def seconds(stamp: str | None) -> float | None:
    """An RFC 3339 timestamp ("2026-04-17T10:00:00Z") in seconds of the epoch; None for none."""
    if not stamp:
        return None
    try:
        return dt.datetime.fromisoformat(stamp).timestamp()
    except (OverflowError, ValueError):
        return None


def lasting(age: float) -> str:
    """An age in seconds as a person says it: "45 s", "12 min", "3 h", "5 days"."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 48 * 3600)):
        if age < most:
            return f"{age / size:.0f} {unit}"
    return f"{age / 86400:.0f} days"
