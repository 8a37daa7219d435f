"""Removes everything of a lab, whatever state it is in: running, half booted, or left by a crash.

It goes by names that only this lab can have, never by what a record claims to exist.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from clusters import budgets, wait
from clusters.errors import CleanupFailed
from clusters.lab import cgroups, host_init, netns, plan
from clusters.lab.hosts import HostControl
from clusters.lab.paths import LabPaths


def remove(name: str) -> None:
    """Leave no process, mount, namespace, cgroup or file of the lab.

    What cannot be removed keeps nothing else from it. Raises `CleanupFailed` that names all of it.
    """
    steps: list[Callable[[], None]] = [
        lambda: _kill(name),
        lambda: _unmount(LabPaths(name).root),
        *(functools.partial(_remove_netns, name, one) for one in plan.every_netns(name)),
        netns.tidy,
        lambda: _try("cgroups", name, lambda: cgroups.remove(name)),
        lambda: _remove_folder(name),
    ]
    failures = [failure for step in steps if (failure := _failure_of(name, step))]
    if failures:
        raise CleanupFailed(" ".join(failures), remedy=f"Then: python -m clusters.lab down --name {name}")


def _failure_of(name: str, step: Callable[[], None]) -> str:
    try:
        step()
    except CleanupFailed as error:
        return str(error)
    except OSError as error:
        return f"Something of lab {name} could not be removed: {error}."
    return ""


def _remove_netns(name: str, namespace: str) -> None:
    try:
        netns.remove(namespace)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise CleanupFailed(
            f"Network namespace {namespace} of lab {name} could not be removed: another program has mounted something "
            f"over {netns.FOLDER}.",
            remedy=f"Unmount that: umount {netns.FOLDER}",
        ) from error


def _remove_folder(name: str) -> None:
    shutil.rmtree(LabPaths(name).root, ignore_errors=True)
    if LabPaths(name).root.exists():
        raise CleanupFailed(f"The folder {LabPaths(name).root} of lab {name} could not be removed.")


def leftovers(name: str) -> list[str]:
    """What there is of a lab: a line per process, mount, namespace, cgroup and folder."""
    found = [f"process {pid}" for pid in sorted(_processes(name))]
    found += [f"mount {point}" for point in _mounts_below(LabPaths(name).root)]
    found += [f"network namespace {one}" for one in plan.every_netns(name) if netns.path(one).exists()]
    found += [f"cgroup {folder}" for folder in cgroups.lab_folders(name) if folder.exists()]
    return found + [
        f"folder {folder}" for folder in (LabPaths(name).root, LabPaths(name).lock) if folder.exists()
    ]


def _kill(name: str) -> None:
    folder = LabPaths(name).hosts
    for host in folder.iterdir() if folder.is_dir() else ():
        HostControl(name, host.name).kill()

    def left() -> set[int]:
        pids = _processes(name)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    _try("processes", name, lambda: not left())


def _try(what: str, name: str, done: Callable[[], bool]) -> None:
    try:
        wait.until(
            f"the {what} of lab {name} are gone", read=done, accept=bool, budget=budgets.get(budgets.LAB_GONE)
        )
    except wait.NotWithinBudget as error:
        raise CleanupFailed(f"Some {what} of lab {name} could not be removed: {error}") from error


def _processes(name: str) -> set[int]:
    """The lab's processes: members of its cgroups, and whatever else runs in its network namespaces.

    A process of which only one thread is inside a namespace is not counted, nor is the caller or one of its
    ancestors.
    """
    found = cgroups.processes(name)
    wanted = {inode for one in plan.every_netns(name) if (inode := netns.inode(one))}
    if wanted:
        found |= {pid for pid in psutil.pids() if _netns_of(pid) in wanted}
    me = psutil.Process()
    return {pid for pid in found if not _is_zombie(pid)} - {me.pid, *(parent.pid for parent in me.parents())}


def _netns_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _mounts_below(folder: Path) -> list[str]:
    """Mount points of this mount namespace below `folder`, the deepest first."""
    points = [
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    ]
    return sorted((point for point in points if Path(point).is_relative_to(folder)), key=len, reverse=True)


def _unmount(folder: Path) -> None:
    for point in _mounts_below(folder):
        host_init.unmount(point)
