"""Programs out of Debian packages that are not installed: fetched, unpacked into the cache, and run from there.

`python -m clusters.lab.parts.unpacked` fetches what is missing. It is for daemons: installing their package would
start them, now or at the next boot, on somebody's machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters import budgets
from clusters.errors import ConformanceError, ExitCode, Refused
from clusters.lab.parts.cache import Slot, cache_root, content_key

#: Each program with the packages that it comes from (its own first, then libraries that may be missing).
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "sshd": ("openssh-server", "libwrap0"),
    "prometheus": ("prometheus",),
    "promtool": ("prometheus",),
    "prometheus-node-exporter": ("prometheus-node-exporter",),
    "prometheus-pushgateway": ("prometheus-pushgateway",),
}
_FOLDERS = ("usr/sbin", "usr/bin")


@dataclass(frozen=True)
class Program:
    """A program, and where its libraries lie if not where the system looks; `root` is "" for an installed one."""

    path: Path
    root: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What it needs in its environment."""
        if self.root is None:
            return {}
        folders = sorted({str(library.parent) for library in self.root.rglob("lib*.so.*")})
        return {"LD_LIBRARY_PATH": ":".join(folders)}


def find(name: str) -> Program | None:
    """The program as it is installed, else as it was unpacked; None where it is neither."""
    installed = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if installed:
        return Program(Path(installed))
    root = _slot(name).folder
    found = next((root / folder / name for folder in _FOLDERS if (root / folder / name).is_file()), None)
    return Program(found, root) if found else None


def fetch(name: str) -> Program:
    """The program, unpacked now where it is not there yet. Raises Refused where that is not possible."""
    if found := find(name):
        return found
    packages = PROGRAMS[name]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Refused(
            f"There is no {name} on this machine, and no apt-get to fetch it with.",
            remedy=f"Install {packages[0]}, or what your distribution calls it; it need not run.",
        )
    _slot(name).publish(lambda folder: unpack(packages, folder), waiting=lambda: None)
    if found := find(name):
        return found
    raise Refused(f"{', '.join(packages)} came without {name}.")


def _slot(name: str) -> Slot:
    """Where a program's packages are unpacked: programs of the same packages share a slot."""
    packages = PROGRAMS[name]
    release = (
        platform.freedesktop_os_release().get("VERSION_ID", "") if Path("/etc/os-release").exists() else ""
    )
    return Slot(cache_root(), "unpacked", packages[0], content_key(packages, release, platform.machine()))


def unpack(packages: tuple[str, ...], folder: Path) -> None:
    """Fill `folder` with the files of Debian packages, as a tree. Raises Refused where they are not to be had."""
    download = ["apt-get", "download", "--quiet", *packages]
    try:
        _run(download, folder)
    except Refused:  # the index may be missing, or older than what the archive has now
        _run(["apt-get", "update", "--quiet"], folder)
        _run(download, folder)
    for archive in list(folder.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(archive), str(folder)], folder)
        archive.unlink()


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=budgets.seconds(budgets.PARTS_UNPACKED),
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it did not say why"]
        raise Refused(f"{' '.join(command[:2])} failed: {last[0].rstrip('.')}.")


def main() -> int:
    """Fetch every program that is missing; the exit code."""
    try:
        for name, packages in PROGRAMS.items():
            if find(name) is None:
                sys.stdout.write(f"setup: fetching {packages[0]} for {name} (not installed, only unpacked)\n")
                fetch(name)
    except ConformanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return ExitCode.PASSED


if __name__ == "__main__":
    sys.exit(main())
