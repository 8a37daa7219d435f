"""What a history's columns hold as text: lists as JSON, times. What is none raises ValueError, and is told as such."""

from __future__ import annotations

from datetime import datetime

from clusters.json_text import parsed


def texts(column: str) -> tuple[str, ...]:
    """A list of texts."""
    found = parsed(column)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{column[:40]!r} is no list of texts")
    return tuple(found)


def pairs(column: str) -> tuple[tuple[str, str], ...]:
    """A list of pairs of texts."""
    found = parsed(column)
    if not isinstance(found, list) or not all(_is_pair(one) for one in found):
        raise ValueError(f"{column[:40]!r} is no list of pairs")
    return tuple((first, second) for first, second in found)


def time(column: object) -> str:
    """An RFC 3339 time, or "" for never."""
    text = str(column or "")
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no offset from UTC")
    return text


def _is_pair(found: object) -> bool:
    return isinstance(found, list) and len(found) == 2 and all(isinstance(one, str) for one in found)
