"""Files that a login is made of: read whole or not at all, and known again when they change."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from clusters.api import answer_limits

#: What tells one state of a file from the next; None where there is no file.
Signature = tuple[tuple[int, int, int] | None, ...]


def read(path: Path, limit: int = answer_limits.CREDENTIAL) -> bytes:
    """What is in a regular file of at most `limit` bytes. Raises OSError or ValueError."""
    # A pipe is opened as if somebody wrote to it: it is refused afterwards, and must not be waited for.
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is larger than {answer_limits.size(limit)}")
    return content


def why_unreadable(error: Exception) -> str:
    """The reason that `read`, or decoding what it gave, failed for, as the end of a sentence."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def signature(paths: Iterable[Path]) -> Signature:
    """How the files are now: a kubelet replaces a link, others write anew, and both change it."""
    return tuple(_signature(path) for path in paths)


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
