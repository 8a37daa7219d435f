"""What a lab has on disk, outside the checkout: its folder with one for each host, its record, and its lock.

The record holds its options, its port on the machine's loopback, and how far its boot has come.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TextIO

from clusters import budgets, files, wait
from clusters.errors import Refused
from clusters.lab.plan import LabOptions

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


@dataclass(frozen=True)
class LabState:
    """The lab's record. `ready` is set once, when everything has answered; a half-done `up` never has it."""

    options: LabOptions
    port: int
    kubectl: str
    metallb_version: str
    ready: bool = False
    phases: dict[str, float] = field(default_factory=dict)

    def save(self) -> None:
        """Write the record so that a crash leaves either the old or the new one."""
        path = LabPaths(self.options.name).state
        data: dict[str, Any] = {**self.__dict__, "options": self.options.as_dict()}
        files.write_atomically(path, json.dumps(data, indent=1))

    def finished(self, phases: dict[str, float]) -> Self:
        """The same, with everything answering; `phases` are the seconds that it took to each."""
        return replace(self, ready=True, phases={name: round(took, 3) for name, took in phases.items()})

    @classmethod
    def load(cls, name: str) -> Self | None:
        """The record of a lab; None where there is none, or none that can be read."""
        try:
            data = json.loads(LabPaths(name).state.read_text(encoding="utf-8"))
            return cls(**{**data, "options": LabOptions.from_dict(data["options"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None


class BootProgress:
    """Names of phases with the seconds at which each was reached, printed as they come."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._began = time.monotonic()
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self.phases: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Note that a phase was reached; the first time counts."""
        with self._lock:
            if name not in self.phases:
                seconds = self.phases[name] = time.monotonic() - self._began
                print(f"  {seconds:5.1f} s  {name}", file=self._stream, flush=True)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lab against other commands, after waiting for the one that holds it.

    A command that is killed lets go of it; the last one removes the file. Raises `Refused` when it does not
    become free.
    """
    path = LabPaths(name).lock
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = wait.until(
            f"no other command changes lab {name}",
            read=lambda: _take(path),
            accept=lambda taken: taken is not None,
            budget=budgets.get(budgets.LAB_FREE),
        )
    except wait.NotWithinBudget as error:
        text = f"Another command has been changing lab {name} for {budgets.seconds(budgets.LAB_FREE):.0f} s."
        raise Refused(text, remedy="End it, and try again.") from error
    assert handle is not None
    try:
        yield
    finally:
        if not LabPaths(name).root.exists():
            path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path) -> int | None:
    """The lock's open file; None while another command has it, or has just removed it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None
