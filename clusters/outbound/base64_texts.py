"""What base64 stands for, where it stands for text."""

from __future__ import annotations

import base64
import binascii

_STANDARD = str.maketrans("-_", "+/")


def from_base64(value: str) -> list[str]:
    """The text that `value` stands for from its first character on, or nothing."""
    try:
        padded = value.rstrip("=").translate(_STANDARD)
        return [base64.b64decode(padded + "=" * (-len(padded) % 4)).decode("utf-8")]
    except (binascii.Error, ValueError):
        return []


def within_base64(run: str) -> list[str]:
    """The texts that a run of such characters may stand for; the base64 may begin within it."""
    plain = run.rstrip("=").translate(_STANDARD)
    found = []
    for start in range(4):
        piece = plain[start:]
        try:
            text = binascii.a2b_base64(piece[: len(piece) // 4 * 4] + _rest(piece)).decode("utf-8")
        except (binascii.Error, ValueError):
            continue
        if text.replace("\n", "").replace("\t", "").replace("\r", "").isprintable():
            found.append(text)
    return found


def _rest(piece: str) -> str:
    over = len(piece) % 4
    return piece[-over:] + "=" * (4 - over) if over > 1 else ""
