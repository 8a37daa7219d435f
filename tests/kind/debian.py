"""Docker and debootstrap out of Debian packages, unpacked into the cache: no service of theirs ever starts."""

from __future__ import annotations

from pathlib import Path

from clusters.errors import Refused
from clusters.lab.parts.cache import Slot, cache_root, content_key
from clusters.lab.parts.system import unpack

#: Changes with what is in the folder.
RECIPE = 1
#: Docker with what it runs; its library that a bare machine lacks; and what makes a node's file system.
PACKAGES = (
    "docker.io",
    "containerd",
    "tini",
    "libdevmapper1.02.1",
    "debootstrap",
    "debian-archive-keyring",
)
#: A Python with all that it loads: an image of it stands in for the one that a registry has.
PYTHON = (
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libexpat1",
    "zlib1g",
    "libssl3",
    "libffi8",
    "libuuid1",
)


def ensure(name: str = "docker", packages: tuple[str, ...] = PACKAGES) -> Path:
    """The folder with the packages' files, as a tree.

    Raises Refused where this is not Debian, or the packages are not to be had.
    """
    slot = Slot(cache_root(), "unpacked", name, content_key(RECIPE, packages, _release()))
    slot.publish(lambda folder: unpack(packages, folder), waiting=lambda: None)
    return slot.folder


def _release() -> str:
    try:
        return Path("/etc/debian_version").read_text(encoding="ascii").strip().partition(".")[0]
    except OSError:
        raise Refused(
            "Docker for the proof with real kind comes from Debian's packages, and this is not Debian.",
            remedy="Use a Docker of your own: pytest suites --cluster local.",
        ) from None
