"""A containerd root with every image imported and unpacked, prepared once and cloned for each node.

Blobs and unpacked layers are never written to (a container writes above them), so that a node's copy of them may be a
hard link; only containerd's databases, a few hundred KiB, are copied.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clusters import wait
from clusters.budgets import Budget
from clusters.errors import ConformanceError
from clusters.lab.parts.errors import PartError
from clusters.lab.parts.table import IMAGES

#: Changes with what the preparation leaves in the folder.
RECIPE = 1

NAME = "image-store"
SNAPSHOTTER = "overlayfs"
_ROOT = "root"
_PINNED = "pause"
_SERVING = Budget(
    name="image_store_serving",
    within=30,
    every=0.05,
    reason="containerd answers within half a second when idle.",
)
_NOTED = Budget(
    name="image_store_noted",
    within=30,
    every=0.1,
    reason="The CRI plugin notes an image when it hears of its import.",
)
_STOPS_WITHIN = 20.0

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
    """A prepared containerd root. `containerd` of the same parts must be the one to use its clones."""

    folder: Path

    def clone(self, dest: Path) -> Clone:
        """Make `dest`, which must not exist, a containerd root of its own with all the images.

        Best on the cache's file system; on another one everything is copied.
        """
        counted = {"linked": 0, "copied": 0}
        shared = [True]

        def link(source: str, target: str) -> str:
            if shared[0] and not source.endswith(".db"):
                try:
                    os.link(source, target, follow_symlinks=False)
                except OSError:
                    # Another file system, or one without hard links: the same holds for every file after this.
                    shared[0] = False
                else:
                    counted["linked"] += 1
                    return target
            counted["copied"] += 1
            return str(shutil.copy2(source, target, follow_symlinks=False))

        shutil.copytree(self.folder / _ROOT, dest, symlinks=True, copy_function=link)
        return Clone(**counted)


@dataclass(frozen=True)
class _Containerd:
    """A containerd of our own for the time of the preparation."""

    binaries: Path
    work: Path

    @property
    def socket(self) -> Path:
        return self.work / "s"

    @property
    def log(self) -> Path:
        return self.work / "log"

    def ctr(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [self.binaries / "ctr", "--address", self.socket, "--namespace", "k8s.io", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def prepare(folder: Path, *, binaries: Path, archives: Iterable[Path], beat: Callable[[str], None]) -> None:
    """Fill `folder` with a containerd root that has the images of all `archives`, unpacked.

    `binaries` is the folder of containerd and ctr. Needs root, because containerd mounts what it unpacks; its mounts
    stay in a mount namespace of its own. Raises PartError.
    """
    if os.geteuid() != 0:
        raise PartError(
            NAME,
            "The lab's image store is unpacked by containerd, which needs root.",
            remedy="Run the same as root.",
        )
    # A socket's path is short: the cache folder's need not be.
    with tempfile.TemporaryDirectory(prefix="mlc-store-") as work:
        containerd = _Containerd(binaries, Path(work))
        _serve(containerd, folder / _ROOT, archives, beat)
    for left in ("io.containerd.content.v1.content/ingest", "tmpmounts"):
        shutil.rmtree(folder / _ROOT / left, ignore_errors=True)


def _serve(
    containerd: _Containerd, root: Path, archives: Iterable[Path], beat: Callable[[str], None]
) -> None:
    configuration = containerd.work / "containerd.toml"
    sandbox = next(image.reference for image in IMAGES if image.name == _PINNED)
    configuration.write_text(
        _CONFIGURATION.format(
            root=root,
            state=containerd.work / "state",
            socket=containerd.socket,
            snapshotter=SNAPSHOTTER,
            sandbox=sandbox,
        ),
        encoding="utf-8",
    )
    command = ["unshare", "--mount", "--propagation=private", containerd.binaries / "containerd"]
    with containerd.log.open("wb") as log:
        process = subprocess.Popen([*command, "--config", configuration], stdout=log, stderr=log)
    try:
        _import(containerd, process, archives, beat)
    except ConformanceError as error:
        if isinstance(error, PartError):
            raise
        raise _failure("containerd did not become ready", containerd.said()) from error
    finally:
        _stop(process)


def _import(
    containerd: _Containerd,
    process: subprocess.Popen[bytes],
    archives: Iterable[Path],
    beat: Callable[[str], None],
) -> None:
    beat("starting containerd")
    wait.until(
        "containerd answers",
        read=lambda: containerd.ctr("version").returncode,
        accept=lambda code: code == 0,
        budget=_SERVING,
        give_up=lambda _: "containerd ended" if process.poll() is not None else None,
    )
    for archive in archives:
        beat(f"importing {archive.stem}")
        done = containerd.ctr("images", "import", f"--snapshotter={SNAPSHOTTER}", archive)
        if done.returncode != 0:
            raise _failure(
                f"{archive.name} cannot be imported", containerd.said() + done.stdout + done.stderr
            )
    wait.until(
        "the CRI plugin has noted every image under its digest, and the sandbox's as pinned",
        read=lambda: containerd.ctr("images", "list").stdout,
        accept=_all_noted,
        budget=_NOTED,
    )


def _all_noted(listing: str) -> bool:
    """Whether ctr's listing has each image by name and by digest, all managed by CRI, and one pinned."""
    managed = [line for line in listing.splitlines() if "io.cri-containerd.image=managed" in line]
    digests = [line for line in managed if line.startswith("sha256:")]
    return (
        len(digests) == len(IMAGES)
        and all(any(line.startswith(image.reference) for line in managed) for image in IMAGES)
        and any("io.cri-containerd.pinned=pinned" in line for line in managed)
    )


def _failure(what: str, output: str) -> PartError:
    remedy = "The lab cannot be used on this machine before that is mended."
    if SNAPSHOTTER in output and ("not supported" in output or "skip loading" in output):
        remedy = f"The file system of the cache folder seems to have no {SNAPSHOTTER} (seen in containerd's log): name another folder in METALLB_CONFORMANCE_CACHE."
    return PartError(NAME, f"The lab's image store cannot be prepared: {what}.", remedy=remedy, output=output)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it so that its databases are closed; killed only if it hangs, which leaves the folder unused."""
    process.terminate()
    try:
        process.wait(timeout=_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise _failure("containerd did not end", "") from None
