"""Network namespaces with a name, and running code or a command inside one.

Only the network namespace is joined, never a mount namespace: what `ip netns exec` does beside (mounting
another /sys) hides the cgroup tree from whatever it starts.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from clusters.lab import host_init

FOLDER = Path("/run/netns")
T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    """The file that stands for the namespace; `ip netns` uses the same folder."""
    return FOLDER / name


def create(name: str) -> None:
    """Make an empty namespace; it lives until `remove`, with or without processes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path(name).touch(exist_ok=False)

    def unshare_and_pin() -> None:
        if _libc.unshare(host_init.CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare the network namespace")
        host_init.bind(f"/proc/self/task/{threading.get_native_id()}/ns/net", str(path(name)))

    _in_thread(unshare_and_pin)


def remove(name: str) -> None:
    """Remove the name; the kernel clears the namespace away when no process is left in it."""
    file = path(name)
    if not file.exists():
        return
    while _libc.umount2(str(file).encode(), host_init.MNT_DETACH) == 0:
        pass
    file.unlink(missing_ok=True)


def inside(name: str, call: Callable[[], T]) -> T:
    """Run `call` in a thread that has joined the namespace: its sockets and child processes are there."""

    def joined() -> T:
        join(name)
        return call()

    return _in_thread(joined)


def scratch(call: Callable[[], T]) -> T:
    """Run `call` in a new namespace that has no name and ends with the call."""

    def unshared() -> T:
        if _libc.unshare(host_init.CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "make a network namespace")
        return call()

    return _in_thread(unshared)


def join(name: str) -> None:
    """Move the calling thread into the namespace for good, before it becomes another program."""
    with path(name).open("rb") as file:
        if _libc.setns(file.fileno(), host_init.CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"join the network namespace {name}")


def inode(name: str) -> int | None:
    """What identifies the namespace in `/proc/PID/ns/net`; None where there is no such namespace."""
    try:
        return path(name).stat().st_ino
    except FileNotFoundError:
        return None


def _in_thread(call: Callable[[], T]) -> T:
    """A thread of its own, because a joined namespace stays with the thread."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
