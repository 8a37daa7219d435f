"""A Docker of the proof's own, in namespaces of its own: the machine's network, mounts and processes stay untouched.

It has its own data, sockets and configuration below one folder. Its bridge and packet filter rules are in its own
network namespace; its processes, containers among them, are in a PID namespace that ends with it, even by SIGKILL.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from clusters import wait
from clusters.budgets import Budget
from clusters.errors import CleanupFailed, Refused
from clusters.lab import cgroups
from tests.kind import runc_wrapper

_SERVING = Budget(
    name="docker_serving", within=60, every=0.2, reason="dockerd serves in 2 s on an idle machine."
)
_GONE = Budget(
    name="docker_gone", within=60, every=0.1, reason="A cgroup goes when its last process was reaped."
)
_WAIT_WITHIN = 60.0
#: What kubelets write that is not a namespace's own: put back as it was.
_SYSCTLS = (
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_BEFORE = "settings-before.json"
_RUNC = Path("/usr/sbin/runc")
_LOOPBACK = "from pyroute2 import IPRoute; IPRoute().link('set', index=1, state='up')"


@dataclass(frozen=True)
class Docker:
    """A running dockerd. `programs` is the folder of docker, and of what else is to be on PATH with it."""

    socket: Path
    programs: Path
    pid: int

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes docker and kind use this Docker."""
        path = os.pathsep.join([str(self.programs), os.environ["PATH"]])
        return os.environ | {"DOCKER_HOST": f"unix://{self.socket}", "PATH": path}

    def inside(self, *command: str | Path) -> list[str]:
        """The command in Docker's network namespace, where its bridge is and the ports that it publishes."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *map(str, command)]

    def run(self, *command: str | Path) -> str:
        """What a command in there prints. Raises CalledProcessError with it."""
        done = subprocess.run(
            self.inside(*command), env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()
        return done.stdout


@contextmanager
def running(parent: Path, *, debian: Path, programs: Mapping[str, Path]) -> Iterator[Docker]:
    """Docker for a block, with everything of it in a folder of its own in `parent`, which is removed at the end.

    What a killed process has left there goes first. `debian` is the tree of Docker's packages; `programs` are put on
    PATH beside docker. Raises Refused where this machine cannot run privileged containers, with dockerd's last words.
    """
    if os.geteuid() != 0:
        raise Refused("Real kind needs privileged containers, and only root can start Docker for them.")
    folder = parent / str(os.getpid())
    for left in parent.glob("[0-9]*"):
        if not psutil.pid_exists(int(left.name)):
            _remove(left)
    folder.mkdir(parents=True)
    (folder / _BEFORE).write_text(json.dumps(_settings()))
    try:
        found = {name: debian / "usr" / "bin" / name for name in ("docker",)} | dict(programs)
        (folder / "bin").mkdir()
        for name, path in found.items():
            (folder / "bin" / name).symlink_to(path)
        _configure(folder)
        with _process(folder, debian) as pid:
            yield Docker(folder / "docker.sock", folder / "bin", pid)
    finally:
        _remove(folder)


def _settings() -> dict[str, str]:
    """The kernel's settings that kubelets change, as they are now."""
    return {
        name: Path("/proc/sys", name).read_text() for name in _SYSCTLS if Path("/proc/sys", name).exists()
    }


def _group(folder: Path) -> str:
    return f"{cgroups.PARENT}-kind-{folder.name}"


def _remove(folder: Path) -> None:
    """What is left of a Docker whose processes have ended: settings of the kernel, cgroups, files."""
    kept = folder / _BEFORE
    for name, text in json.loads(kept.read_text()).items() if kept.exists() else ():
        with contextlib.suppress(OSError):
            Path("/proc/sys", name).write_text(text)
    _remove_groups(_group(folder))
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise CleanupFailed(f"The folder {folder} of the proof's Docker could not be removed.")


def _configure(folder: Path) -> None:
    runtime = folder / "runc"
    runtime.write_text(f'#!/bin/sh\nexec {sys.executable} -I {runc_wrapper.__file__} {_runc()} "$@"\n')
    runtime.chmod(0o755)
    settings = {
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "pid"),
        "hosts": [f"unix://{folder}/docker.sock"],
        "cgroup-parent": f"/{_group(folder)}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "default-runtime": "reduced",
        "runtimes": {"reduced": {"path": str(runtime)}},
    }
    (folder / "daemon.json").write_text(json.dumps(settings, indent=1))


def _runc() -> Path:
    found = shutil.which("runc") or str(_RUNC)
    if not Path(found).exists():
        raise Refused("Docker needs runc, which is not installed.", remedy="Run make setup.")
    return Path(found)


@contextmanager
def _process(folder: Path, debian: Path) -> Iterator[int]:
    """Docker's daemon as the first process of a PID namespace; its pid as this machine sees it."""
    alone = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--propagation=private",
    ]
    # Docker and containerd keep sockets in /run beside those that they are told to keep elsewhere.
    start = (
        f'mount -t tmpfs tmpfs /run && {sys.executable} -c "{_LOOPBACK}" && exec dockerd --config-file "$0"'
    )
    # unshare waits for its child and takes no notice of a gentle end; its own end is the child's.
    tie = ["setpriv", "--pdeathsig", "KILL"]
    command = [*tie, *alone, "sh", "-c", start, str(folder / "daemon.json")]
    libraries = [str(path) for path in sorted((debian / "lib").glob("*-linux-gnu"))]
    libraries += [str(path) for path in sorted((debian / "usr" / "lib").glob("*-linux-gnu"))]
    own = [str(debian / "usr" / "sbin"), str(debian / "usr" / "bin"), "/usr/sbin", "/sbin"]
    environment = os.environ | {
        "PATH": os.pathsep.join([*own, os.environ["PATH"]]),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        _await_serving(folder, process)
        yield psutil.Process(process.pid).children()[0].pid
    finally:
        for child in psutil.Process(process.pid).children() if process.poll() is None else ():
            child.terminate()  # dockerd stops its containers; the rest goes with the namespace
        try:
            process.wait(_WAIT_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_serving(folder: Path, process: subprocess.Popen[bytes]) -> None:
    try:
        wait.until(
            "Docker serves",
            read=lambda: _serves(folder),
            accept=bool,
            budget=_SERVING,
            give_up=lambda _: "it ended" if process.poll() is not None else None,
        )
    except wait.NotWithinBudget as error:
        last = " ".join((folder / "log").read_text(errors="replace").splitlines()[-3:])
        raise Refused(
            f"This machine cannot run privileged containers: dockerd did not start ({last}).",
            remedy="Real kind needs root with the rights to make namespaces and mounts.",
        ) from error


def _serves(folder: Path) -> bool:
    command: Sequence[str] = (str(folder / "bin" / "docker"), "-H", f"unix://{folder}/docker.sock", "version")
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _remove_groups(group: str) -> None:
    tops = [cgroups.MOUNT] if cgroups.is_v2() else [path for path in cgroups.MOUNT.iterdir() if path.is_dir()]

    def left() -> list[Path]:
        found = [top / group for top in tops if (top / group).is_dir()]
        for folder in found:
            for each in sorted(folder.rglob("*"), key=lambda path: len(path.parts), reverse=True):
                if each.is_dir():
                    with contextlib.suppress(OSError):
                        each.rmdir()
            with contextlib.suppress(OSError):
                folder.rmdir()
        return [folder for folder in found if folder.exists()]

    try:
        wait.until(
            "the containers' cgroups are gone", read=left, accept=lambda found: not found, budget=_GONE
        )
    except wait.NotWithinBudget as error:
        raise CleanupFailed(f"Some cgroups of the proof's Docker could not be removed: {error}") from error
