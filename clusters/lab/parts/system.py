"""Programs from the distribution: `python -m clusters.lab.parts.system [--tests] [--images]` installs them.

What the lab runs is installed. runc is among that and not among the parts that are built, because it wants libseccomp
through cgo; without it every sandbox is refused. The others have to fit the kernel and one another, as the distribution
makes them. Daemons that only tests run are fetched, unpacked into the cache, and run from there: installing their
package would start them, now or at the next boot, on somebody's machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters import budgets
from clusters.commands import command
from clusters.errors import ConformanceError, ExitCode, Refused
from clusters.lab.parts.cache import Slot, cache_root, content_key

_INSTALL = "apt-get install --yes --no-install-recommends"

#: Each command with its Debian package and what uses it.
COMMANDS: dict[str, tuple[str, str]] = {
    "runc": ("runc", "containerd, to start containers"),
    "conntrack": ("conntrack", "kube-proxy, to forget the flows of endpoints that are gone"),
    "iptables": ("iptables", "kube-proxy and the CNI plugins"),
    "ip6tables": ("iptables", "kube-proxy and the CNI plugins, for IPv6"),
    "nft": ("nftables", "kube-proxy in its nftables mode"),
    "unshare": ("util-linux", "the image store's preparation"),
    "mount": ("mount", "kubelet, for the volumes of pods"),
    "git": ("git", "the checks of overlays and their history"),
}

#: The same for the project's own tests: `python -m clusters.lab.parts.system --tests` installs those too.
TESTING: dict[str, tuple[str, str]] = {
    "systemd-analyze": ("systemd", "the tests of deploy/systemd; it starts nothing"),
    "chromium": ("chromium", "the tests of the page, which a browser opens"),
    "pdftotext": ("poppler-utils", "the tests of the printed page"),
}

#: And for `make pods`, by `--images`: an image of the suite is built without a registry.
BUILDING: dict[str, tuple[str, str]] = {
    "debootstrap": ("debootstrap", "the base of the suite's image"),
    "buildah": ("buildah", "the suite's image"),
}

#: Where system programs lie; the PATH of an ordinary user may lack the first two.
_SEARCHED = os.pathsep.join(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"])


def missing(table: Mapping[str, tuple[str, str]] = COMMANDS) -> list[str]:
    """The commands of a table that this machine does not have, in the table's order."""
    path = os.pathsep.join([os.environ.get("PATH", ""), _SEARCHED])
    return [command for command in table if shutil.which(command, path=path) is None]


def packages(commands: list[str]) -> list[str]:
    """The Debian packages of those commands, each once."""
    return list(dict.fromkeys((COMMANDS | TESTING | BUILDING)[command][0] for command in commands))


def install(table: Mapping[str, tuple[str, str]] = COMMANDS, *, what: str = "The lab needs") -> list[str]:
    """Install what is missing of a table; the packages that were installed. `what` begins a sentence.

    Raises Refused where that cannot be done from here: no apt-get, no root, or apt-get failed.
    """
    absent = missing(table)
    if not absent:
        return []
    wanted = packages(absent)
    names = ", ".join(absent)
    if shutil.which("apt-get") is None:
        raise Refused(
            f"{what} {names}, and this machine has no apt-get to install them with.",
            remedy=f"Install what your distribution calls {', '.join(wanted)}.",
        )
    if os.geteuid() != 0:
        raise Refused(
            f"{what} {names}, and only root can install them.",
            remedy="Run: " + command(f"sudo {_INSTALL} {{packages}}", packages=" ".join(wanted)),
        )
    sys.stdout.write(f"setup: installing {', '.join(wanted)} (for {names})\n")
    sys.stdout.flush()
    _run(["apt-get", "update", "--quiet"], wanted)
    _run([*_INSTALL.split(), *wanted], wanted)
    if still := missing(table):
        raise Refused(f"{', '.join(still)} is still missing after apt-get installed {', '.join(wanted)}.")
    return wanted


def _run(command: list[str], wanted: list[str]) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode == 0 or "update" in command:
        # An index that cannot be refreshed may still do: what matters is whether the install works.
        return
    last = "\n".join(f"  | {line}" for line in (done.stdout + done.stderr).splitlines()[-10:])
    raise Refused(
        f"apt-get could not install {', '.join(wanted)}.", remedy=f"Install them by hand. It printed:\n{last}"
    )


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
        _done_in(download, folder)
    except Refused:  # the index may be missing, or older than what the archive has now
        _done_in(["apt-get", "update", "--quiet"], folder)
        _done_in(download, folder)
    for archive in list(folder.glob("*.deb")):
        _done_in(["dpkg-deb", "--extract", str(archive), str(folder)], folder)
        archive.unlink()


def _done_in(command: list[str], folder: Path) -> None:
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


def fetch_all() -> None:
    """Fetch every program that is missing. Raises Refused where that is not possible."""
    for name, packages in PROGRAMS.items():
        if find(name) is None:
            sys.stdout.write(f"setup: fetching {packages[0]} for {name} (not installed, only unpacked)\n")
            sys.stdout.flush()
            fetch(name)


def main(arguments: Sequence[str] = ()) -> int:
    """Install what is missing; the exit code."""
    try:
        install()
        if "--tests" in arguments:
            install(TESTING, what="The tests need")
            fetch_all()
        if "--images" in arguments:
            install(BUILDING, what="The image of the suite needs")
    except ConformanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return ExitCode.PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
