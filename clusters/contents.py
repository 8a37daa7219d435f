"""The bytes of files that somebody else may have written: no more of them than anybody should have to read."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from clusters import bounds

_GZIP_MAGIC = b"\x1f\x8b"


class Unusable(ValueError):  # noqa: N818 - it says what the content is
    """Content that cannot be used. The reason is a part of a sentence."""


def content(path: Path, *, most: int) -> bytes:
    """The bytes of a file, unpacked where it is gzipped.

    Raises OSError, and Unusable for more than `most` bytes or for compressed data that is damaged.
    """
    try:
        opened = path.open("rb")
    except ValueError:
        raise Unusable("no file can have such a name") from None
    with opened as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        file.seek(0)
        try:
            data = gzip.GzipFile(fileobj=file).read(most + 1) if packed else file.read(most + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise Unusable("its compressed data ends early or is damaged") from None
    if len(data) > most:
        size = f"{most // bounds.MIB} MiB" if most >= bounds.MIB else f"{most // 1024} KiB"
        raise Unusable(f"it holds more than {size}")
    return data
