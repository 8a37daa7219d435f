"""Network namespaces with a name, and running code or a command inside one.

The folder of names is made a shared mount of its own before the first name is bound in it, as `ip netns add` does: else
that program would bind the folder over itself later, with our names below it, where nobody can unbind them any more.

Only the network namespace is joined, never a mount namespace: what `ip netns exec` does beside (mounting
another /sys) hides the cgroup tree from whatever it starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from clusters.lab import host_init

FOLDER = Path("/run/netns")
#: Which mount of the folder is ours, by its number, so that it goes with the last name.
_OURS = FOLDER.with_name("metallb-conformance-netns")
T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> Path:
    """The file that stands for the namespace; `ip netns` uses the same folder."""
    return FOLDER / name


def create(name: str) -> None:
    """Make an empty namespace; it lives until `remove`, with or without processes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _locked():
        _share()
    path(name).touch(exist_ok=False)

    def unshare_and_pin() -> None:
        if _libc.unshare(host_init.CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare the network namespace")
        host_init.bind(f"/proc/self/task/{threading.get_native_id()}/ns/net", str(path(name)))

    _in_thread(unshare_and_pin)


def remove(name: str) -> None:
    """Remove the name; the kernel clears the namespace away when no process is left in it.

    Raises OSError (EBUSY) where somebody has mounted something over the folder meanwhile.
    """
    file = path(name)
    if not file.exists():
        return
    while _libc.umount2(str(file).encode(), host_init.MNT_DETACH) == 0:
        pass
    file.unlink(missing_ok=True)


def tidy() -> None:
    """Leave no folder, and no mount of ours, where no name is left."""
    with contextlib.suppress(OSError):
        with _locked():
            if any(FOLDER.iterdir()):
                return
            if _OURS.exists() and _OURS.read_text(encoding="ascii") == _mount_number():
                host_init.unmount(str(FOLDER))
            _OURS.unlink(missing_ok=True)
        FOLDER.rmdir()


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """The lock that iproute2 takes as well: two that make the mount at once would put one over the other."""
    fd = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _share() -> None:
    try:
        host_init.mount("none", str(FOLDER), flags=host_init.MS_SHARED | host_init.MS_REC)
    except OSError as error:
        if error.errno != errno.EINVAL:  # it is no mount yet
            raise
        host_init.mount(str(FOLDER), str(FOLDER), flags=host_init.MS_BIND | host_init.MS_REC)
        host_init.mount("none", str(FOLDER), flags=host_init.MS_SHARED | host_init.MS_REC)
        _OURS.write_text(_mount_number(), encoding="ascii")


def _mount_number() -> str:
    """The number of the mount that is seen at the folder, "" where there is none."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in reversed(lines) if line.split()[4] == str(FOLDER)), "")


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
