"""What is written down about a lab: its options, its port on the machine's loopback, how far its boot has come."""

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
from clusters.lab.options import LabOptions
from clusters.lab.paths import LabPaths


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
