"""A containerd root with every image imported and unpacked, prepared once and cloned for each node.

Blobs and unpacked layers are never written to (a container writes above them), so a node's copy of them may be a hard
link; only containerd's databases, a few hundred KiB, are copied.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clusters import budgets, children, wait
from clusters.lab.parts.cache import PartError
from clusters.lab.parts.part_table import IMAGES, Image

#: Changes with what the preparation leaves in the folder.
RECIPE = 1

NAME = "image-store"
SNAPSHOTTER = "overlayfs"
_ROOT = "root"
#: The socket lies in the folder that containerd and ctr run in. Its path has to be short, and that of the cache need
#: not be.
_SOCKET = "/proc/self/cwd/containerd.sock"

#: What containerd prints where its snapshotter does not work.
_UNFIT = re.compile(rf"skip loading plugin.*snapshotter\.v1\.{SNAPSHOTTER}\b")

_CONFIGURATION = """\
version = 3
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    conf_dir = "{state}/no-cni"
"""


@dataclass(frozen=True)
class Clone:
    """How a node's root came about: files that are hard links, and files that were copied."""

    linked: int
    copied: int


@dataclass(frozen=True)
class Store:
    """A prepared containerd root. Its clones are for the containerd of the same parts."""

    folder: Path

    def clone(self, dest: Path) -> Clone:
        """Make `dest`, which must not exist, a containerd root of its own with all the images.

        Best on the cache's file system: on another one everything is copied.
        """
        linker = _Linker()
        shutil.copytree(self.folder / _ROOT, dest, symlinks=True, copy_function=linker.place)
        return Clone(linked=linker.linked, copied=linker.copied)


class _Linker:
    """Places files as hard links, databases as copies, and all as copies once a link was refused."""

    def __init__(self) -> None:
        self.linked = self.copied = 0
        self._refused = False

    def place(self, source: str, target: str) -> str:
        if not source.endswith(".db") and self._link(source, target):
            self.linked += 1
            return target
        self.copied += 1
        return str(shutil.copy2(source, target, follow_symlinks=False))

    def _link(self, source: str, target: str) -> bool:
        if not self._refused:
            try:
                os.link(source, target, follow_symlinks=False)
            except OSError:  # another file system, or one without hard links
                self._refused = True
        return not self._refused


def prepare(
    folder: Path,
    *,
    binaries: Path,
    archives: Sequence[Path],
    beat: Callable[[str], None],
    images: Sequence[Image] = IMAGES,
) -> None:
    """Fill `folder` with a containerd root that has the `images`, which are in `archives`, unpacked.

    `binaries` is the folder of containerd and ctr. Needs root, because containerd mounts what it unpacks; its
    mounts stay in a mount namespace of its own. Raises PartError.
    """
    if os.geteuid() != 0:
        raise PartError(
            NAME,
            "The lab's image store is unpacked by containerd, which needs root.",
            remedy="Run the same as root.",
        )
    work = folder / "work"
    work.mkdir()
    containerd = _Containerd(binaries, work)
    try:
        with containerd.serving(folder / _ROOT) as process:
            beat("starting containerd")
            containerd.wait_until_serving(process)
            for archive in archives:
                beat(f"importing {archive.stem}")
                containerd.load(archive)
            containerd.wait_until_noted(images)
    except wait.NotWithinBudget as error:
        raise containerd.failure(f"it is not true that {error.claim}") from error
    shutil.rmtree(work)
    shutil.rmtree(folder / _ROOT / "io.containerd.content.v1.content" / "ingest", ignore_errors=True)


@dataclass(frozen=True)
class _Containerd:
    """A containerd for the time of the preparation, which runs in `work`."""

    binaries: Path
    work: Path

    @contextmanager
    def serving(self, root: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Started, and ended such that its databases are closed; where it hangs they are not used."""
        sandbox = next(image.reference for image in IMAGES if image.name == "pause")
        configuration = _CONFIGURATION.format(
            root=root, state=self.work / "state", socket=_SOCKET, snapshotter=SNAPSHOTTER, sandbox=sandbox
        )
        (self.work / "containerd.toml").write_text(configuration, encoding="utf-8")
        alone = ["unshare", "--mount", "--propagation=private"]
        command = children.tied([*alone, self.binaries / "containerd", "--config", "containerd.toml"])
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            in_order = children.stop(process)
        if not in_order:
            raise self.failure("containerd did not end in time")

    def load(self, archive: Path) -> None:
        done = self._ctr("images", "import", f"--snapshotter={SNAPSHOTTER}", str(archive))
        if done.returncode != 0:
            raise self.failure(f"{archive.name} cannot be imported", done.stdout + done.stderr)

    def wait_until_serving(self, process: subprocess.Popen[bytes]) -> None:
        wait.until(
            "containerd answers",
            read=lambda: self._ctr("version").returncode,
            accept=lambda code: code == 0,
            budget=budgets.get(budgets.IMAGE_STORE_SERVING),
            give_up=lambda _: "it ended" if process.poll() is not None else None,
        )

    def wait_until_noted(self, images: Sequence[Image]) -> None:
        """Wait until CRI has: the kubelet sees an image that it has noted under its name and its digest."""
        wait.until(
            "the CRI plugin has noted every image and pinned the sandbox's",
            read=lambda: self._ctr("images", "list").stdout,
            accept=lambda listing: all_noted(listing, images),
            budget=budgets.get(budgets.IMAGE_STORE_NOTED),
        )

    def failure(self, what: str, output: str = "") -> PartError:
        output = self._log.read_text(encoding="utf-8", errors="replace") + output
        remedy = "See what containerd printed."
        if _UNFIT.search(output):
            remedy = (
                f"The cache folder's file system seems unfit for {SNAPSHOTTER}: "
                "name one on another in METALLB_CONFORMANCE_CACHE."
            )
        text = f"The lab's image store cannot be prepared: {what}."
        return PartError(NAME, text, remedy=remedy, output=output)

    @property
    def _log(self) -> Path:
        return self.work / "log"

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.binaries / "ctr"), "--address", _SOCKET, "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=False)


def all_noted(listing: str, images: Sequence[Image] = IMAGES) -> bool:
    """Whether ctr's listing has each image by name and by digest, managed by CRI, and one of them pinned."""
    managed = [line for line in listing.splitlines() if "io.cri-containerd.image=managed" in line]
    by_digest = [line for line in managed if line.startswith("sha256:")]
    names = {line.split()[0] for line in managed}
    return (
        len(by_digest) == len(images)
        and names.issuperset(image.reference for image in images)
        and any("io.cri-containerd.pinned=pinned" in line for line in managed)
    )
