"""A host's first process, and through it the host's programs: started, reached, ended."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusters import budgets, files, wait
from clusters.errors import ConformanceError, ExitCode
from clusters.lab import cgroups, host_init, netns
from clusters.lab.lab_state import HostPaths, LabPaths

Flag = str | Path | bool | int

# What Kubernetes' programs call (mount, iptables, conntrack, runc) is in one of these on every distribution.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Starting is mostly allocating; collecting a third as often takes a tenth off a boot's processor time.
_TUNING = {"GOGC": "300"}


@dataclass(frozen=True)
class Component:
    """A program to run on a host.

    `socket` names a listening socket that the host was booted with. `ready` is what its log says when others
    may use it, where that matters to a host that is switched on again.
    """

    name: str
    argv: tuple[str, ...]
    socket: str = ""
    ready: str = ""

    @property
    def log(self) -> str:
        """Its log, as the host's processes see it."""
        return f"/var/log/{self.name}.log"

    def order(self) -> dict[str, Any]:
        """The request that starts it; see `host_init`."""
        return {
            "do": "start",
            "name": self.name,
            "argv": list(self.argv),
            "env": {"PATH": SEARCH_PATH, "HOME": "/root", "LANG": "C.UTF-8", **_TUNING},
            "log": self.log,
            "socket": self.socket,
            "ready": self.ready,
        }


def command(binary: Path, **flags: Flag) -> tuple[str, ...]:
    """A command line of Kubernetes' kind: `bind_address="::"` becomes `--bind-address=::`."""
    return (str(binary), *(f"--{name.replace('_', '-')}={_text(value)}" for name, value in flags.items()))


def _text(value: Flag) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_BINDS = {
    "kubelet": "/var/lib/kubelet",
    "containerd": "/var/lib/containerd",
    "etcd": "/var/lib/etcd",
    "cni": "/var/lib/cni",
}


class LabFailed(ConformanceError):  # noqa: N818 - a sentence about the lab, as Refused is one
    """The lab could not do what was asked, or something of it has died.

    The text names what it was, with its last words.
    """

    exit_code = ExitCode.FAILED


@dataclass(frozen=True)
class Running:
    """One component as its host's first process sees it; `exit` is None while it runs."""

    name: str
    running: bool
    exit: int | None
    log: str


class HostControl:
    """One host's first process. Usable from any process of the machine's root."""

    def __init__(self, lab: str, host: str) -> None:
        self.lab, self.host = lab, host
        self.paths: HostPaths = LabPaths(lab).host(host)
        self._recording = threading.Lock()

    def boot(
        self,
        *,
        netns_name: str,
        visible: Iterable[Path],
        pretended: Mapping[str, str],
        sockets: Mapping[str, int],
    ) -> None:
        """Make the host's namespaces and start its first process, which then waits for orders.

        `visible` are folders that its programs need beside the machine's own; `pretended` maps files of
        /proc/sys to what the host reads there; `sockets` are listening sockets to hand on, by name.
        """
        own = (self.paths.log, self.paths.etc, self.paths.root / "root")
        for folder in (*own, *(self.paths.lib / name for name in _BINDS)):
            folder.mkdir(parents=True, exist_ok=True)
        (self.paths.lib / "etcd").chmod(0o700)
        binds = [(str(self.paths.lib / name), target) for name, target in _BINDS.items()]
        spec = {
            "host": self.host,
            "netns": str(netns.path(netns_name)),
            "root": str(self.paths.root / "root"),
            "visible": sorted({str(path.resolve()) for path in (*visible, *_own_files(), self.paths.root)}),
            "binds": [*binds, (str(self.paths.log), "/var/log")],
            "pretended": dict(pretended),
            "socket": str(self.paths.socket),
            "pid": str(self.paths.pid),
        }
        self.paths.spec.write_text(json.dumps(spec, indent=1), encoding="utf-8")
        self._launch(sockets)

    def reboot(self, sockets: Mapping[str, int]) -> None:
        """Start the host again after `kill`, as after a power cut: the same files, and the same programs."""
        self._launch(sockets)
        for order in self._started():
            log = self.paths.log / Path(order["log"]).name
            said = log.stat().st_size
            self.order(order)
            if order["ready"]:
                wait.until(
                    f"{order['name']} on {self.host} is ready",
                    read=functools.partial(_since, log, said),
                    accept=functools.partial(_contains, order["ready"]),
                    budget=budgets.get(budgets.LAB_PROGRAM_STARTED),
                )

    def _launch(self, sockets: Mapping[str, int]) -> None:
        spec = json.loads(self.paths.spec.read_text(encoding="utf-8"))
        spec["cgroups"] = [str(folder) for folder in cgroups.create(self.lab, self.host)]
        spec["hierarchies"] = cgroups.hierarchies()
        spec["sockets"] = dict(sockets)
        self.paths.spec.write_text(json.dumps(spec, indent=1), encoding="utf-8")
        self.paths.socket.unlink(missing_ok=True)
        log = self.paths.log / "init.log"
        argv = [sys.executable, "-I", "-S", host_init.__file__, str(self.paths.spec)]
        with log.open("ab") as out:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=tuple(sockets.values()),
                check=False,
            )
        if done.returncode != 0:
            raise LabFailed(f"Host {self.host} of lab {self.lab} did not start: {last_lines(log)}")

    def order(self, request: dict[str, Any]) -> list[Running]:
        """Send one request; return what runs on the host afterwards."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(budgets.seconds(budgets.LAB_HOST_ANSWERED))
            try:
                connection.connect(str(self.paths.socket))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("r") as stream:
                    answer = json.loads(stream.readline() or "{}")
            except OSError as error:
                raise LabFailed(f"Host {self.host} of lab {self.lab} does not answer ({error}).") from error
        if "components" not in answer:
            raise LabFailed(
                f"Host {self.host} of lab {self.lab} refused {request['do']}: {answer.get('error')}"
            )
        return [
            Running(
                entry["name"],
                bool(entry["pid"]),
                entry["exit"],
                str(self.paths.log / Path(entry["log"]).name),
            )
            for entry in answer["components"]
        ]

    def start(self, components: Iterable[Component]) -> None:
        """Start components; one that runs already is left as it is."""
        for component in components:
            order = component.order()
            with self._recording:
                kept = [one for one in self._started() if one["name"] != component.name]
                files.write_atomically(self.paths.started, json.dumps([*kept, order], indent=1))
            self.order(order)

    def restart(self, name: str) -> None:
        """Start a component again, as it was started first."""
        for order in self._started():
            if order["name"] == name:
                self.order(order)

    def _started(self) -> list[dict[str, Any]]:
        path = self.paths.started
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

    def signal(self, component: str, number: signal.Signals) -> None:
        """Send a signal to a component."""
        self.order({"do": "signal", "name": component, "signal": int(number)})

    def listing(self) -> list[Running]:
        """Every component that was started on the host since it was booted."""
        return self.order({"do": "list"})

    def alive(self) -> bool:
        """Whether the host's first process runs."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """The first process's pid on the machine; None when it is not the one that was recorded, or gone."""
        try:
            recorded = json.loads(self.paths.pid.read_text(encoding="ascii"))
            pid = int(recorded["pid"])
            return pid if host_init.start_time(pid) == recorded["start"] and not _is_zombie(pid) else None
        except (OSError, ValueError, KeyError):
            return None

    def kill(self) -> None:
        """End every process of the host at once, as a power cut would."""
        pid = self.pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def dead(self) -> list[str]:
        """A sentence for each component that ran and does not any more, with the end of its log."""
        if not self.alive():
            return [f"host {self.host} itself is not running: {last_lines(self.paths.log / 'init.log')}"]
        try:
            components = self.listing()
        except LabFailed as error:
            return [str(error)]
        return [
            f"{one.name} on {self.host} has ended with status {one.exit}, "
            f"its log {one.log} with: {last_lines(Path(one.log))}"
            for one in components
            if not one.running
        ]


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "(no log)"
    return " | ".join(line.strip()[:400] for line in lines[-count:]) or "(empty)"


def _since(log: Path, position: int) -> str:
    with log.open("rb") as file:
        file.seek(position)
        return file.read().decode("utf-8", "replace")


def _contains(words: str, text: str) -> bool:
    return words in text


def _own_files() -> list[Path]:
    """What the host's Python programs are made of."""
    return [
        Path(sys.base_prefix),
        Path(sys.prefix),
        Path(sys.executable).resolve().parent,
        Path(host_init.__file__).parent,
    ]


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
