"""Whose journal it is: a run, the cluster that it changes, and the process that does so."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_SAME_START = 5.0
_PROCESSES = Path("/proc/self/ns/pid")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@cache
def place() -> str:
    """Which table of processes this one is in: the kernel's boot and the PID namespace; "" where nothing tells.

    A host name says less: two pods of an Indexed Job share one, and a laptop changes its own.
    """
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()}/{_PROCESSES.stat().st_ino}"
    except OSError:
        return ""


@dataclass(frozen=True, kw_only=True)
class Header:
    """Whose journal it is. `uid` is the UID of the cluster's namespace kube-system.

    `cluster` is the profile's name, `profile` how a command line names it. `started` is when process `pid` began,
    in seconds of the epoch; together with `place` it tells whether the run is still alive.
    """

    run: str
    cluster: str
    uid: str
    kubeconfig: str
    context: str
    pid: int
    started: float
    machine: str
    place: str = ""
    profile: str = ""

    @classmethod
    def of_this_process(
        cls, *, run: str, cluster: str, profile: str, uid: str, kubeconfig: str, context: str
    ) -> Header:
        """The header of a journal that this process is about to write."""
        return cls(
            run=run,
            cluster=cluster,
            profile=profile,
            uid=uid,
            kubeconfig=kubeconfig,
            context=context,
            pid=os.getpid(),
            started=psutil.Process().create_time(),
            machine=platform.node(),
            place=place(),
        )

    @property
    def is_local(self) -> bool:
        """Whether the run's process would be among those that this one can see."""
        if self.place and place():
            return self.place == place()
        return self.machine == platform.node()

    @property
    def is_live(self) -> bool:
        """Whether the process that wrote the journal still runs; it must be a local one."""
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < _SAME_START
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    @property
    def age(self) -> float:
        """How long ago the run began, in seconds."""
        return max(0.0, time.time() - self.started)
