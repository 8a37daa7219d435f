"""Where a lab keeps its files: one folder per lab, one per host in it, all outside the checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from clusters import files

STATE_VARIABLE = "METALLB_CONFORMANCE_STATE"
_DEFAULT_STATE = Path("/var/lib/metallb-conformance")


def state_root() -> Path:
    """The folder of all labs' folders. It is best on the file system of the parts' cache (hard links).

    Raises Refused where somebody else may write there: what it holds is executed by root.
    """
    return files.require_trusted(
        Path(os.environ.get(STATE_VARIABLE) or _DEFAULT_STATE) / "labs",
        what="executes what lies in",
        remedy=f"Name a folder of its own in {STATE_VARIABLE}.",
    )


def known_labs() -> list[str]:
    """Names of labs that have a folder, running or not."""
    root = state_root()
    return (
        sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        if root.is_dir()
        else []
    )


@dataclass(frozen=True)
class LabPaths:
    """Every path of one lab that more than one module needs."""

    name: str

    @property
    def root(self) -> Path:
        """The lab's folder; it is gone after `down`."""
        return state_root() / self.name

    @property
    def lock(self) -> Path:
        """Held by a command while it changes the lab; removed with the lab."""
        return state_root() / f".{self.name}.lock"

    @property
    def state(self) -> Path:
        """Options, API port and progress, as JSON."""
        return self.root / "lab.json"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for the machine itself."""
        return self.root / "kubeconfig"

    @property
    def hosts(self) -> Path:
        """The parent of the hosts' folders."""
        return self.root / "hosts"

    def host(self, name: str) -> HostPaths:
        """One host's paths."""
        return HostPaths(self.hosts / name)


@dataclass(frozen=True)
class HostPaths:
    """Every path of one host. Its processes see the folder under the same name."""

    root: Path

    @property
    def spec(self) -> Path:
        """What the host's first process is told."""
        return self.root / "init.json"

    @property
    def pid(self) -> Path:
        """The host's first process: its pid and start time, written before it does anything."""
        return self.root / "init.pid"

    @property
    def socket(self) -> Path:
        """Where the host's first process takes orders."""
        return self.root / "init.sock"

    @property
    def started(self) -> Path:
        """The orders that started the host's components, for its next boot."""
        return self.root / "started.json"

    @property
    def log(self) -> Path:
        """`/var/log` of the host: one file per component, and `pods/`."""
        return self.root / "log"

    @property
    def etc(self) -> Path:
        """Configuration files, certificates and kubeconfigs of the host's components."""
        return self.root / "etc"

    @property
    def lib(self) -> Path:
        """What the host mounts below `/var/lib`."""
        return self.root / "lib"
