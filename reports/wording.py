"""How times and ages are written on the page."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def moment(text: str) -> str:
    """An RFC 3339 time for a reader: "2026-01-31 03:07 UTC"; a dash for none."""
    if not text:
        return "–"
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def long(length: timedelta | float) -> str:
    """A length of time in its largest whole unit: "3 d", "18 h", "4 min", "12 s"."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    for unit, size in _UNITS:
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def between(earlier: str, later: str) -> timedelta:
    """How long from one RFC 3339 time to another."""
    return datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
