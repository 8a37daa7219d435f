"""The real Prometheus, node exporter and push gateway for the tests: `python -m tests.monitoring.programs` gets them.

Debian's packages start daemons when they are installed, so they are only downloaded and unpacked, into the cache
outside the checkout: nothing of the machine changes, and nothing runs but what a test starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from clusters.errors import ConformanceError, ExitCode, Refused
from clusters.lab.parts.cache import Slot, cache_root, content_key

#: Each program with the Debian package that has it.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "prometheus-pushgateway": "prometheus-pushgateway",
}
_RECIPE = 1


def program(name: str) -> Path:
    """The program: the machine's own, or the one in the cache. Raises Refused where there is neither."""
    installed = shutil.which(name)
    path = Path(installed) if installed else _slot().folder / "usr" / "bin" / name
    if not path.is_file():
        raise Refused(f"{name} is not there.", remedy="Run: python -m tests.monitoring.programs")
    return path


def ensure() -> bool:
    """Get what the machine does not have; False where nothing was missing. Raises Refused."""
    slot = _slot()
    if slot.ready or all(shutil.which(name) for name in PACKAGES):
        return False
    names = sorted(set(PACKAGES.values()))
    if shutil.which("apt-get") is None:
        raise Refused(
            f"The tests need {', '.join(PACKAGES)}, and this machine has no apt-get to get them with.",
            remedy="Install them by hand.",
        )
    sys.stdout.write(
        f"setup: unpacking {', '.join(names)} into {slot.folder} (for the tests; nothing is installed)\n"
    )
    sys.stdout.flush()
    slot.publish(_unpack, waiting=lambda: None)
    return True


def _unpack(folder: Path) -> None:
    names = sorted(set(PACKAGES.values()))
    with tempfile.TemporaryDirectory() as place:
        download = ["apt-get", "--quiet", "--option", "APT::Sandbox::User=root", "download", *names]
        if _run(download, place).returncode != 0:
            _run(["apt-get", "--quiet", "update"], place)
            done = _run(download, place)
            if done.returncode != 0:
                last = "\n".join(f"  | {line}" for line in done.stdout.splitlines()[-5:])
                raise Refused(f"apt-get could not download {', '.join(names)}. It printed:\n{last}")
        for package in Path(place).glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)


def _run(command: list[str], place: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )


def _slot() -> Slot:
    """Another release of Debian has other packages of the same names."""
    release = Path("/etc/os-release")
    facts = (
        _RECIPE,
        sorted(PACKAGES.items()),
        os.uname().machine,
        release.read_text() if release.exists() else "",
    )
    return Slot(cache_root(), "debian", "monitoring", content_key(*facts))


def main() -> int:
    """Get what is missing; the exit code."""
    try:
        ensure()
    except ConformanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return ExitCode.PASSED


if __name__ == "__main__":
    sys.exit(main())
