"""Boots, describes and removes labs, one command at a time for each name.

Removing takes everything of a lab, whatever state it is in: running, half booted, or left by a crash. It goes by names
that only this lab can have, never by what a record claims to exist.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import http.client
import os
import shutil
import signal
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import psutil

from clusters import budgets, wait
from clusters.commands import command
from clusters.errors import CleanupFailed, Refused
from clusters.lab import cgroups, host_init, lab_state, netns, plan, preflight, serving
from clusters.lab.boot import Boot
from clusters.lab.hosts import HostControl, LabFailed
from clusters.lab.lab import Lab
from clusters.lab.lab_state import BootProgress, LabPaths, LabState
from clusters.lab.plan import Host, LabOptions
from clusters.lab.rest import RestClient

_UNFINISHED = "The lab has not finished booting, or the command that booted it was ended."


def up(
    options: LabOptions,
    *,
    progress: BootProgress | None = None,
    insist: Collection[str] = (),
    keep: bool = False,
) -> Lab:
    """A lab of that name: the running one as it is, or a new one in place of what is left of an old one.

    `insist` names options that a running lab must have, or it is refused. With `keep`, a lab that did not
    come up is left to be looked at; without, nothing is left of it. Raises `Refused` before anything is
    started when the machine lacks something, and `LabFailed` that names what died on the way.
    """
    with lab_state.locked(options.name):
        running = healthy(options.name)
        if running is not None:
            _compare(running.state.options, options, insist)
            return running
        preflight.check(options)
        boot = Boot(options, progress or BootProgress())
        remove(options.name)
        try:
            return Lab(boot.run())
        except BaseException:
            if not keep:
                remove(options.name)
            raise


def down(name: str) -> None:
    """Remove a lab, or what is left of one. Nothing happens where there is none."""
    with lab_state.locked(name):
        remove(name)


def healthy(name: str) -> Lab | None:
    """The lab of that name if it has come up and all its components run."""
    found = LabState.load(name)
    if found is None or not found.ready:
        return None
    lab = Lab(found)
    try:
        return None if lab.problems() else lab
    except LabFailed:
        return None


def _compare(has: LabOptions, wanted: LabOptions, insist: Collection[str]) -> None:
    for name in insist:
        if getattr(has, name) != getattr(wanted, name):
            remedy = (
                "Remove it ("
                + command("python -m clusters.lab down --name {name}", name=has.name)
                + "), or give another --name."
            )
            raise Refused(f"Lab {has.name} runs with {name} {getattr(has, name)!r}.", remedy=remedy)


def status(name: str) -> dict[str, Any]:
    """What is known about a lab; `running` is false where there is none, or something of it has died.

    Keys: name, running, problems (a sentence each), options, kubeconfig, kubectl, kubernetes_version,
    metallb_version, nodes, client, remote, subnet, subnets, phases (seconds that the boot took to each).
    """
    found = LabState.load(name)
    if found is None:
        return {"name": name, "running": False, "problems": [], "nodes": []}
    lab = Lab(found)
    problems = [*([] if found.ready else [_UNFINISHED]), *lab.problems()]
    version = "" if problems else _version(lab, problems)
    return {
        "name": name,
        "running": not problems,
        "problems": problems,
        "options": found.options.as_dict(),
        "kubeconfig": str(lab.kubeconfig),
        "kubectl": str(lab.kubectl),
        "kubernetes_version": version,
        "metallb_version": lab.metallb_version,
        "nodes": [_host(host) for host in lab.nodes],
        "client": _host(lab.client),
        "remote": _host(lab.remote),
        "subnet": str(lab.plan.subnets[0]),
        "subnets": [str(subnet) for subnet in lab.plan.subnets],
        "phases": found.phases,
    }


def _host(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "address": host.address,
        "addresses": list(host.addresses),
        "mac": host.mac,
        "netns": host.netns,
        "netns_path": str(netns.path(host.netns)),
        "interfaces": [
            {"name": one.name, "mac": one.mac, "addresses": [str(address) for address in one.addresses]}
            for one in host.interfaces
        ],
    }


def _version(lab: Lab, problems: list[str]) -> str:
    try:
        with RestClient(lab.kubeconfig) as client:
            return serving.cluster_version(client)
    except (OSError, http.client.HTTPException, LabFailed) as error:
        problems.append(f"The API server does not answer: {error}")
        return ""


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
