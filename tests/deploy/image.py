"""The image of deploy/cluster/Containerfile, built by buildah with no image registry and, once cached, no network.

The base that it names is made from Debian's packages, the dependencies are downloaded as wheels; both are kept in the
cache outside the checkout under a key of what they are made from. buildah's own store is there as well.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from clusters.lab.lab import Lab
from clusters.lab.node import CONTAINERD_SOCKET
from clusters.lab.parts.cache import Slot, cache_root, content_key
from clusters.lab.parts.provisioning import ensure

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "registry.example/metallb-conformance:checkout"
_BASE = "localhost/python:3.11"
_RECIPE = 2
#: What a base has beside the minimum: Python, and what the Containerfile would fetch from a mirror.
_PACKAGES = "python3,python3-venv,ca-certificates,git,openssh-client"
_DROPPED = (
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
)


def built(archive: Path) -> Path:
    """Build the image of this checkout and leave it as `archive`, under the name REFERENCE. Needs root."""
    base, wheels = _base(), _wheels()
    with TemporaryDirectory() as folder, FileLock(cache_root() / "locks" / "buildah.lock"):
        if _buildah("inspect", "--type=image", _BASE, check=False).returncode != 0:
            _buildah("pull", "--quiet", f"docker-archive:{base / 'base.tar'}")
        _buildah(
            *("bud", "--layers", "--isolation=chroot", f"--ignorefile={ROOT / '.containerignore'}"),
            *("--build-arg", f"BASE={_BASE}", "--build-arg", "PIP_OPTIONS=--no-index --find-links /wheels"),
            *("--volume", f"{wheels}:/wheels:ro", f"--file={ROOT / 'deploy/cluster/Containerfile'}"),
            *("--tag", REFERENCE, str(_context(Path(folder)))),
        )
        archive.unlink(missing_ok=True)
        _buildah("push", "--quiet", REFERENCE, f"docker-archive:{archive}:{REFERENCE}")
        _buildah("rmi", "--prune", "--force", check=False)
    return archive


def said(script: str) -> str:
    """What a shell of the image that was built last prints, as the image's own user."""
    with FileLock(cache_root() / "locks" / "buildah.lock"):
        container = _buildah("from", REFERENCE).stdout.strip()
        try:
            done = _buildah(
                "run", "--isolation=chroot", "--user=65532:65532", container, "--", "sh", "-c", script
            )
        finally:
            _buildah("rm", container)
    return done.stdout


def _context(folder: Path) -> Path:
    """The checkout as it is now, as far as git knows it, with the lab's kubectl beside what goes into the image."""
    known = _run("git", "-C", ROOT, "ls-files", "-z").stdout.split("\0")
    for name in filter(None, known):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    shutil.copy2(ensure().binary("kubectl"), folder / "deploy" / "cluster" / "tools" / "kubectl")
    return folder


def _base() -> Path:
    key = content_key(_RECIPE, _PACKAGES, _DROPPED, os.uname().machine)
    slot = Slot(cache_root(), "image-bases", "python", key)
    slot.publish(_make_base, waiting=lambda: None)
    return slot.folder


def _make_base(folder: Path) -> None:
    root = folder / "root"
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", root)
    for path in _DROPPED:
        shutil.rmtree(root / path, ignore_errors=True)
    with FileLock(cache_root() / "locks" / "buildah.lock"):
        container = _buildah("from", "scratch").stdout.strip()
        _buildah("add", "--quiet", container, str(root), "/")
        _buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        _buildah("commit", "--quiet", "--rm", container, _BASE)
        _buildah("push", "--quiet", _BASE, f"docker-archive:{folder / 'base.tar'}:{_BASE}")
    shutil.rmtree(root)


def _wheels() -> Path:
    lock = ROOT / "requirements" / "notify.txt"
    key = content_key(_RECIPE, hashlib.sha256(lock.read_bytes()).hexdigest(), os.uname().machine)
    slot = Slot(cache_root(), "image-wheels", "run", key)
    slot.publish(lambda folder: _download(lock, folder), waiting=lambda: None)
    return slot.folder


def _download(lock: Path, folder: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    # Debian 12 has Python 3.11, whatever runs the tests.
    _run(
        *pip,
        *("download", "--require-hashes", "--only-binary=:all:", "--python-version=3.11"),
        *("--requirement", lock, "--dest", folder),
    )


def _buildah(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    store = cache_root() / "buildah"
    return _run(
        *("buildah", "--storage-driver=overlay", f"--root={store / 'root'}", f"--runroot={store / 'run'}"),
        *arguments,
        check=check,
    )


def _run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done


def imported(archive: Path, lab: Lab, node: str) -> None:
    """Give the containerd of a lab's node the image."""
    pid = lab.control(node).pid()
    assert pid is not None
    ctr = ensure().binary("ctr")
    with archive.open("rb") as given:
        done = subprocess.run(
            [
                *("nsenter", f"--target={pid}", "--mount", "--", ctr),
                *("--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"),
                *("images", "import", "--snapshotter", "overlayfs", "-"),
            ],
            stdin=given,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    made = built(Path(sys.argv[1] if sys.argv[1:] else "image.tar").resolve())
    sys.stdout.write(f"{made}: {made.stat().st_size >> 20} MiB, {REFERENCE}; docker load --input {made}\n")
