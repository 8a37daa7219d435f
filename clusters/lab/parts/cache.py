"""The folder outside the checkout in which finished things lie, each under its content key.

Everything is made in a folder of its own under the name's lock and then renamed: what has its final name is
whole. An interrupt leaves a temporary folder at most, which the next run that makes the same thing removes. What cannot
be made raises a PartError.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from clusters import files
from clusters.errors import ConformanceError

#: How many lines of a failed build are worth showing; Go puts the cause last.
SHOWN_LINES = 15

#: What Go prints when it is the network that is missing, not what it asked for.
NETWORK = re.compile(
    r"no such host|dial tcp|i/o timeout|connection (refused|reset)|network is unreachable|handshake timeout"
)


class PartError(ConformanceError):
    """A part of the lab cannot be made, found or unpacked.

    `part` names it; `output` holds the last lines of what the failed command printed, which follow the sentence and
    its remedy in the error's text.
    """

    def __init__(self, part: str, text: str, *, remedy: str = "", output: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.part = part
        self.output: Sequence[str] = tuple(output.rstrip().splitlines()[-SHOWN_LINES:])

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  | {line}" for line in self.output)])


CACHE_VARIABLE = "METALLB_CONFORMANCE_CACHE"
KEY_LENGTH = 12
_GIB = 1 << 30


def cache_root() -> Path:
    """`METALLB_CONFORMANCE_CACHE`, or the user's cache folder as the desktop conventions have it.

    Raises Refused where somebody else may write there: a run executes what it finds, as root as a rule.
    """
    root = Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir("metallb-conformance")).absolute()
    return files.require_trusted(
        root,
        what="executes what lies in",
        remedy=f"Name a folder of its own in {CACHE_VARIABLE} (sudo -H takes root's).",
    )


def content_key(*facts: object) -> str:
    """The sha256 over facts that JSON can hold, shortened to what a folder's name carries."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def files_digest(folder: Path) -> str:
    """The sha256 over names and bytes of all files in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder)
            digest.update(f"{name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Slot:
    """Where one finished thing lies: `<root>/<kind>/<name>-<key>`."""

    root: Path
    kind: str
    name: str
    key: str

    @property
    def folder(self) -> Path:
        """The folder; it is there if, and only if, the thing is whole."""
        return self.root / self.kind / f"{self.name}-{self.key}"

    @property
    def ready(self) -> bool:
        """Whether it has been made. Raises Refused where it is not certain that we, or root, made it."""
        if not self.folder.is_dir():
            return False
        files.require_trusted(
            self.folder,
            beneath=self.root / self.kind,
            what="executes what lies in",
            remedy="Remove it; it is made again.",
        )
        return True

    def publish(self, make: Callable[[Path], None], *, waiting: Callable[[], None]) -> bool:
        """Make the thing unless it is there; False if it was, or if another run made it meanwhile.

        `make` fills the folder it is given. While another run holds the lock, `waiting` is called every
        second.
        """
        if self.ready:
            return False
        with _locked(self.root / "locks" / f"{self.kind}-{self.name}.lock", waiting):
            for left in self._leftovers():
                remove(left)
            if self.ready:
                return False
            files.readable_directory(self.folder.parent)
            made = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix=self._prefix))
            try:
                make(made)
                made.chmod(0o755)
                made.rename(self.folder)
            except BaseException:
                remove(made)
                raise
        return True

    @property
    def _prefix(self) -> str:
        return f".{self.name}-{self.key}."

    def _leftovers(self) -> Iterator[Path]:
        """Temporary folders for this name and any key: only the holder of the lock can have made them."""
        for path in self.folder.parent.glob(f".{self.name}-*.*"):
            key, _, _ = path.name.removeprefix(f".{self.name}-").partition(".")
            if len(key) == KEY_LENGTH:
                yield path


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    files.readable_directory(path.parent)
    lock = FileLock(path)
    patience = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            waiting()
            patience = 1.0
    try:
        yield
    finally:
        lock.release()


def remove(folder: Path) -> None:
    """Take a folder away as far as that goes: what is left is found again by the next run."""
    shutil.rmtree(folder, ignore_errors=True)


def prune(slots: Iterable[Slot]) -> list[Path]:
    """Remove every finished thing beside the `slots` that has the same kind and is none of them; what went.

    Another checkout, or a lab that runs, may still use one of those.
    """
    kept = {slot.folder for slot in slots}
    kinds = {folder.parent for folder in kept}
    old = [path for kind in kinds for path in kind.glob("[!.]*") if path not in kept]
    for path in old:
        remove(path)
    return sorted(old)


def require_space(folders: Iterable[Path], *, gib: float, what: str) -> None:
    """Refuse before anything is begun where a folder's file system has less than `gib` free."""
    for folder in folders:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free / _GIB
        if free < gib:
            raise PartError(
                what,
                f"Building {what} needs {gib:.1f} GiB free in {folder}, and {free:.1f} GiB are.",
                remedy=f"Make room there, or name another folder in {CACHE_VARIABLE}.",
            )
