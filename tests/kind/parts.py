"""What real kind needs beside the lab's parts, each built once from pinned Go modules and kept by content key."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clusters.lab.parts import building, toolchain
from clusters.lab.parts.building import BINARIES, Builder
from clusters.lab.parts.cache import Slot, cache_root
from clusters.lab.parts.part_table import Carried, Part, kubernetes
from clusters.lab.parts.provisioning import Progress, Step, progress_for

MODULES = Path(__file__).parent / "modules"
#: A kind of its own, so that tidying up the lab's parts leaves these.
KIND_OF_SLOT = "kind-parts"
FILES = "files"

_KIND = "sigs.k8s.io/kind"
#: The folders of kind's own base image that a node needs, with what is in them.
_BASE = (
    ("etc", "crictl.yaml"),
    ("etc/containerd", "config.toml"),
    ("etc/default", "kubelet"),
    ("etc/sysctl.d", "*.conf"),
    ("etc/systemd/system", "*.service"),
    ("etc/systemd/system", "*.slice"),
    ("etc/systemd/system/kubelet.service.d", "*.conf"),
    ("kind/bin", "*.sh"),
    ("usr/local/bin", "entrypoint"),
)

PARTS = (
    replace(kubernetes("kubeadm"), module="kubeadm", modules=MODULES),
    Part(
        "kind",
        "kind",
        {"kind": _KIND},
        carried=tuple(
            Carried(_KIND, f"images/base/files/{folder}/{files}", f"{FILES}/{folder}")
            for folder, files in _BASE
        ),
        modules=MODULES,
    ),
    Part("coredns", "coredns", {"coredns": "lab.invalid/coredns"}, modules=MODULES),
    Part("podnet", "podnet", {"podnet": "lab.invalid/podnet"}, modules=MODULES),
)


@dataclass(frozen=True)
class KindParts:
    """The parts, made: where each one's folder is, and the key that they have together."""

    slots: Mapping[str, Slot]

    def binary(self, name: str) -> Path:
        """The program of the part of that name."""
        return self.slots[name].folder / BINARIES / name

    @property
    def base_files(self) -> Path:
        """The files of kind's own base image, as a tree."""
        return self.slots["kind"].folder / FILES

    @property
    def keys(self) -> list[str]:
        """What the parts were made from."""
        return [slot.key for slot in self.slots.values()]


def ensure(progress: Progress | None = None) -> KindParts:
    """Make what is missing. Raises PartError, as the lab's own parts do."""
    root = cache_root()
    go = toolchain.find(root)
    slots = {part.name: Slot(root, KIND_OF_SLOT, part.name, building.key(part, go.version)) for part in PARTS}
    shown = progress or progress_for(sys.stderr)
    try:
        for number, part in enumerate(PARTS, start=1):
            slot, step, began = slots[part.name], Step(number, len(PARTS), part.name), time.monotonic()
            if slot.ready:
                continue

            def beat(doing: str, step: Step = step, began: float = began) -> None:
                shown.working(step, doing, time.monotonic() - began)

            program = go.install(lambda: beat("installing Go"))
            builder = Builder(part, program, root / "logs" / f"{part.name}.log", beat)
            slot.publish(builder.build, waiting=lambda: beat("waiting for another run that makes it"))
            shown.finished(step, "built", time.monotonic() - began)
    finally:
        shown.close()
    return KindParts(slots)
