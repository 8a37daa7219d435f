"""A real, small disk: a tmpfs of a few KiB, and a way to fill it to its last block."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_BLOCK = 4096


class Disk:
    """A mounted tmpfs; `folder` is its root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, *, but: int = 0) -> None:
        """Leave `but` free blocks of 4 KiB."""
        with self._ballast.open("ab", buffering=0) as file:
            while self.free > but:
                file.write(bytes(_BLOCK))

    def drain(self) -> None:
        """Have room again."""
        self._ballast.unlink(missing_ok=True)

    @property
    def free(self) -> int:
        """Free blocks."""
        found = os.statvfs(self.folder)
        return found.f_bfree * found.f_bsize // _BLOCK


@contextmanager
def disk(folder: Path, *, kib: int) -> Iterator[Disk]:
    """Mount a disk of that size at `folder` for the block."""
    if os.geteuid() != 0:
        pytest.fail("a disk can only be mounted as root: sudo -E make test")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=0700", "small", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
