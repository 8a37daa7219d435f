"""The programs that the lab takes from the distribution, and `python -m clusters.lab.parts.system` to install them.

runc is here and not among the parts that are built, because it wants libseccomp through cgo; without it every sandbox
is refused. The others have to fit the kernel and one another, as the distribution makes them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from clusters.commands import command
from clusters.errors import ConformanceError, ExitCode, Refused

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


def main(arguments: Sequence[str] = ()) -> int:
    """Install what is missing; the exit code."""
    try:
        install()
        if "--tests" in arguments:
            install(TESTING, what="The tests need")
        if "--images" in arguments:
            install(BUILDING, what="The image of the suite needs")
    except ConformanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return ExitCode.PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
