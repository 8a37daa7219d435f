"""A host's processes, found by the network namespace that they run in."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from clusters.errors import Inconclusive


def in_namespace(netns: str, name: str) -> Iterator[psutil.Process]:
    """The processes called `name` that run in the network namespace `netns` of this machine."""
    wanted = Path("/run/netns", netns).stat().st_ino
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(OSError, psutil.Error):
            if process.info["name"] == name and Path(f"/proc/{process.pid}/ns/net").stat().st_ino == wanted:
                yield process


def kill(netns: str, name: str) -> None:
    """End every process called `name` in `netns` at once (SIGKILL): it has no time for a farewell.

    Raises Inconclusive where there is none to end.
    """
    found = list(in_namespace(netns, name))
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    if not found:
        raise Inconclusive(f"No process {name} runs in the network namespace {netns}, so none can be killed.")
