"""Making what is missing, one thing after the other, for Go uses all processors for each; and showing how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TextIO

from clusters.errors import UsageError
from clusters.lab.parts import image_store, images, toolchain
from clusters.lab.parts.building import BINARIES, Builder
from clusters.lab.parts.cache import CACHE_VARIABLE, PartError, Slot, cache_root, require_space
from clusters.lab.parts.part_table import ALL_PARTS, EXTRA_IMAGES, EXTRAS, IMAGES, Image, Part
from clusters.lab.parts.ready import IMAGES_NAME, Parts, images_of, made_for, slots, store_of
from clusters.lab.parts.toolchain import Go, cache_folders, minimum, spelled

#: A log without a line for this long (seconds) looks as if the run were stuck.
HEARTBEAT = 15.0


@dataclass(frozen=True)
class Step:
    """The `number`th of `total` things to be made, counted from 1."""

    number: int
    total: int
    name: str

    def __str__(self) -> str:
        return f"[{self.number}/{self.total}] {self.name}"


class Progress(Protocol):
    """Who is told. `working` comes at a step's begin and about every second after; `finished` once."""

    def working(self, step: Step, doing: str, seconds: float) -> None:
        """`doing` says what is done at `seconds` after the step's begin, e.g. `building`."""

    def finished(self, step: Step, result: str, seconds: float) -> None:
        """`result` is `built`, `cached` or a note; the step took `seconds`."""

    def close(self) -> None:
        """Nothing more will come."""


class PlainProgress:
    """A line at each begin and end, and one every 15 seconds between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[Step, str] | None = None
        self._shown_at = 0.0

    def working(self, step: Step, doing: str, seconds: float) -> None:
        """One line when `doing` changes or the last one is old."""
        if self._last == (step, doing) and seconds - self._shown_at < HEARTBEAT:
            return
        self._last, self._shown_at = (step, doing), seconds
        self._print(f"{step}: {doing}" + (f" ({seconds:.0f} s)" if seconds >= 1 else ""))

    def finished(self, step: Step, result: str, seconds: float) -> None:
        """One line."""
        self._print(f"{step}: {result}" + (f" ({seconds:.0f} s)" if seconds >= 1 else ""))

    def close(self) -> None:
        """Nothing is held open."""

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """One line that moves, and a line that stays for every step that took time."""

    def __init__(self, stream: TextIO) -> None:
        # A warm run shows nothing, and need not load rich.
        from rich.console import Console  # noqa: PLC0415 - see above
        from rich.text import Text  # noqa: PLC0415 - see above

        self._text = Text
        self._console = Console(file=stream, highlight=False, markup=False)
        self._status = self._console.status("")
        self._running = False

    def working(self, step: Step, doing: str, seconds: float) -> None:
        """Change the line that moves."""
        if not self._running:
            self._status.start()
            self._running = True
        self._status.update(self._text(f"{step}: {doing} ({seconds:.0f} s)"))

    def finished(self, step: Step, result: str, seconds: float) -> None:
        """Leave a line."""
        self._console.print(f"{step}: {result}" + (f" ({seconds:.0f} s)" if seconds >= 1 else ""))

    def close(self) -> None:
        """Give the terminal back."""
        if self._running:
            self._status.stop()
            self._running = False


def progress_for(stream: TextIO | None = None) -> Progress:
    """What suits the stream, standard error by default."""
    stream = stream or sys.stderr
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)


#: What building takes in Go's caches and in ours, in GiB: 10 for all the parts, much of it shared between them.
_GIB_AT_ALL = 3.0
_GIB_PER_PART = 0.5


def ensure(*, only: Iterable[str] | None = None, extra: str = "", progress: Progress | None = None) -> Parts:
    """Make every part that is not in the cache yet, or those named `only` with what they are made from.

    With an `extra` (`traefik`), what it needs besides is made as well.

    Progress goes to standard error unless told otherwise; nothing is shown where nothing is missing. Safe
    when two runs do this at once. Raises PartError for what cannot be made, UsageError for a name that is no part.
    """
    root = cache_root()
    go = toolchain.find(root)
    parts = Parts(slots(root, go.version))
    wanted = _with_sources(list(only) if only is not None else names_for(parts, extra), parts)
    missing = [name for name in wanted if not parts.slots[name].ready]
    if missing:
        shown = progress or progress_for()
        try:
            _Making(root=root, go=go, parts=parts, progress=shown).make(wanted)
        except OSError as error:
            raise PartError(
                missing[0],
                f"The lab's parts cannot be kept in {root}: {error}.",
                remedy=f"Name a folder that can be written to in {CACHE_VARIABLE}.",
            ) from error
        finally:
            shown.close()
    return parts


def names_for(parts: Parts, extra: str = "") -> list[str]:
    """The names of all that a lab needs, with or without an extra, in the order of making."""
    others = set[str]().union(*(made_for(each) for each in EXTRAS if each != extra))
    return [name for name in parts.slots if name not in others]


def _with_sources(names: list[str], parts: Parts) -> list[str]:
    """The names and what those things are made from, in the order of making."""
    for name in names:
        if name not in parts.slots:
            raise UsageError(f"The lab has no part {name}.", remedy=f"There are {', '.join(parts.slots)}.")
    wanted = set(names)
    for extra, added in {**EXTRA_IMAGES, "": IMAGES}.items():
        images_name = images_of(extra)
        if store_of(extra) in wanted:
            wanted |= {IMAGES_NAME, images_name, "containerd"}
        if images_name in wanted and not parts.slots[images_name].ready:
            wanted |= {image.part for image in added}
    return [name for name in parts.slots if name in wanted]


@dataclass
class _Making:
    """One run over the things that are wanted."""

    root: Path
    go: Go
    parts: Parts
    progress: Progress
    step: Step = field(default=Step(0, 0, ""))
    began: float = 0.0

    def make(self, names: list[str]) -> None:
        """Make them in order; those that are there are only shown."""
        by_name = {part.name: part for part in ALL_PARTS}
        to_build = [name for name in names if name in by_name and not self.parts.slots[name].ready]
        if to_build:
            self._prepare_go(to_build)
        for number, name in enumerate(names, start=1):
            self.step, self.began = Step(number, len(names), name), time.monotonic()
            slot = self.parts.slots[name]
            made = slot.publish(self._maker(slot, by_name.get(name)), waiting=self._wait)
            self.progress.finished(self.step, "built" if made else "cached", time.monotonic() - self.began)

    def _prepare_go(self, to_build: list[str]) -> None:
        """Have Go, and room for what it will make."""
        self.step, self.began = Step(0, len(to_build), "go"), time.monotonic()
        doing = f"installing {self.go.wheel.name}, for want of Go {spelled(minimum())} or newer"
        program = self.go.install(lambda: self._beat(doing))
        self.go = replace(self.go, program=program)
        folders = [self.root, *cache_folders(program)]
        what = to_build[0] if len(to_build) == 1 else f"{len(to_build)} parts"
        require_space(folders, gib=_GIB_AT_ALL + _GIB_PER_PART * len(to_build), what=what)

    def _maker(self, slot: Slot, part: Part | None) -> Callable[[Path], None]:
        if part is not None:
            assert self.go.program is not None, "Go was made ready for the parts that are missing"
            log = self.root / "logs" / f"{part.name}.log"
            return Builder(part, self.go.program, log, self._beat).build
        extra = next((each for each in EXTRA_IMAGES if slot.name in made_for(each)), "")
        added = EXTRA_IMAGES.get(extra, ())
        if slot.kind == "images":
            return lambda folder: self._write_images(folder, added or IMAGES)
        return lambda folder: self._prepare_store(folder, (*IMAGES, *added))

    def _write_images(self, folder: Path, of: Sequence[Image]) -> None:
        self._beat("writing")
        images.write_all(folder, lambda part, name: self.parts.binary(name, part=part), of)

    def _prepare_store(self, folder: Path, of: Sequence[Image]) -> None:
        image_store.prepare(
            folder,
            binaries=self.parts.slots["containerd"].folder / BINARIES,
            archives=[self.parts.image_archive(image.name) for image in of],
            beat=self._beat,
            images=of,
        )

    def _beat(self, doing: str) -> None:
        self.progress.working(self.step, doing, time.monotonic() - self.began)

    def _wait(self) -> None:
        self._beat("waiting for another run that makes it")
