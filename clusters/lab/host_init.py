"""The first process of a lab host: makes the host's namespaces and mounts, then runs its components.

It is started by path with `python -I -S` and imports little, so that a host costs a few milliseconds and
megabytes. Being pid 1 of a pid namespace, its end is the end of every process of the host, containers too;
and as the mounts live in its mount namespace, they go with it.

It takes one JSON request a line on a unix socket: `start`, `signal`, `list`; see `serve`.
"""

# pathlib would double what this process loads; the temporary folders are the host's own.
# ruff: noqa: PTH102, PTH103, PTH104, PTH110, PTH120, PTH121, PTH123, S108

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 32, 4096, 16384
MS_PRIVATE, MS_SHARED, MNT_DETACH = 1 << 18, 1 << 20, 2
# Under this number a component finds the listening socket that it is handed.
HANDED_SOCKET = 3
# Where this process keeps it, out of the way of the numbers that a component begins with.
_KEPT_SOCKETS = 64
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, data: str = "") -> None:
    """Mount, as the system call does it."""
    names = source.encode(), target.encode(), kind.encode() or None
    result = _libc.mount(*names, ctypes.c_ulong(flags), data.encode() or None)
    _checked(result, f"mount {source} on {target}")


def bind(source: str, target: str) -> None:
    """Show `source` (a folder or a file) at `target`, without what is mounted below it."""
    mount(source, target, flags=MS_BIND)


def unmount(target: str) -> None:
    """Detach what is mounted at `target`; it goes when nothing uses it any more."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def _mount_point(path: str) -> str:
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def _show(path: str, root: str) -> None:
    """Make `path` of the machine visible below `root` under the same name."""
    point = _mount_point(path)
    if point != "/" and not os.path.samefile(point, root + point):
        bind(point, root + point)
    shown = root + path
    if os.path.exists(shown) and os.path.samefile(path, shown):
        return
    os.makedirs(shown, exist_ok=True)
    bind(path, shown)


def _cgroup_file_systems(root: str, hierarchies: list[str]) -> None:
    """Mount the cgroup tree; the cgroup namespace makes the host's own group its root."""
    top = root + "/sys/fs/cgroup"
    if not hierarchies:
        mount("cgroup2", top, "cgroup2")
        return
    mount("tmpfs", top, "tmpfs", data="mode=755")
    for name in hierarchies:
        folder = f"{top}/{name.removeprefix('name=')}"
        os.mkdir(folder)
        mount("cgroup", folder, "cgroup", data=f"none,{name}" if name.startswith("name=") else name)


def _kernel_file_systems(root: str, hierarchies: list[str]) -> None:
    mount("proc", root + "/proc", "proc", flags=MS_NOSUID | MS_NODEV)
    mount("sysfs", root + "/sys", "sysfs", flags=MS_NOSUID | MS_NODEV)
    bind("/dev", root + "/dev")
    mount("devpts", root + "/dev/pts", "devpts", data="newinstance,ptmxmode=0666,mode=620")
    mount("tmpfs", root + "/dev/shm", "tmpfs", flags=MS_NOSUID | MS_NODEV)
    _cgroup_file_systems(root, hierarchies)


def build_root(spec: dict[str, Any]) -> None:
    """Give the host a root of its own: the machine's, read-only, and over it what the host owns."""
    root = spec["root"]
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    bind("/", root)
    mount("none", root, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
    for folder in ("/run", "/tmp", "/var/lib", "/mnt"):
        mount("tmpfs", root + folder, "tmpfs", data="mode=1777" if folder == "/tmp" else "mode=755")
    os.makedirs(root + "/run/lock")
    for path in spec["visible"]:
        _show(path, root)
    for source, target in spec["binds"]:
        os.makedirs(root + target, exist_ok=True)
        bind(source, root + target)
    _kernel_file_systems(root, spec["hierarchies"])
    for path, value in spec["pretended"].items():
        _pretend(root, path, value)


def _pretend(root: str, path: str, value: str) -> None:
    """Cover a file of /proc/sys that belongs to the whole machine with one that only this host sees."""
    if not os.path.exists(path):
        return
    cover = f"{root}/run/sysctl{path.replace('/', '.')}"
    with open(cover, "w", encoding="ascii") as file:
        file.write(value + "\n")
    bind(cover, root + path)


def enter_root(root: str) -> None:
    """Make `root` the root folder and drop the machine's mounts, so that nothing of them is kept busy."""
    os.makedirs(root + "/mnt/old")
    number = SYS_PIVOT_ROOT[os.uname().machine]
    _checked(_libc.syscall(number, root.encode(), (root + "/mnt/old").encode()), "pivot_root")
    os.chdir("/")
    unmount("/mnt/old")
    # The kubelet wants to share mounts with containers that ask for it.
    mount("none", "/", flags=MS_REC | MS_SHARED)


class Components:
    """The host's programs: what was started, what runs, how each ended."""

    def __init__(self, sockets: dict[str, int]) -> None:
        self._sockets = {name: _kept(number) for name, number in sockets.items()}
        self._known: dict[str, dict[str, Any]] = {}

    def start(self, order: dict[str, Any]) -> None:
        """Start one component, or again one that was started before and has ended."""
        name = order["name"]
        entry = self._known.get(name)
        if entry and entry["pid"]:
            return
        order = {**(entry["order"] if entry else {}), **order}
        log = order["log"]
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if order["socket"]:
            handed = self._sockets[order["socket"]]
            _listen(handed, on=True)
            actions.append((os.POSIX_SPAWN_DUP2, handed, HANDED_SOCKET))
        argv = order["argv"]
        pid = os.posix_spawn(argv[0], argv, order["env"], file_actions=actions, setsid=True)
        self._known[name] = {"order": order, "pid": pid, "exit": None, "since": time.time()}

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a running component."""
        pid = self._known[name]["pid"]
        if pid:
            os.kill(pid, number)

    def reap(self) -> None:
        """Note ended components, and clear away orphans of containers."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for entry in self._known.values():
                if entry["pid"] == pid:
                    if entry["order"]["socket"]:
                        _listen(self._sockets[entry["order"]["socket"]], on=False)
                    entry.update(pid=0, exit=os.waitstatus_to_exitcode(status), since=time.time())

    def listing(self) -> list[dict[str, Any]]:
        """Every component that was ever started here."""
        return [
            {
                "name": name,
                "pid": entry["pid"],
                "exit": entry["exit"],
                "since": entry["since"],
                "log": entry["order"]["log"],
            }
            for name, entry in self._known.items()
        ]


def _kept(number: int) -> int:
    """The same socket under another number, which no program that is started here inherits."""
    kept = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _KEPT_SOCKETS)
    os.close(number)
    return kept


def _listen(number: int, *, on: bool) -> None:
    """Let a handed socket take connections while somebody accepts them; they are refused without, and do not hang.

    This process holds it for the component that is started next, so it would listen for ever.
    """
    with socket.socket(fileno=os.dup(number)) as handed, contextlib.suppress(OSError):
        if on:
            handed.listen()
        else:
            handed.shutdown(socket.SHUT_RDWR)


def answer(components: Components, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request; the answer has `error` when it could not be done."""
    try:
        if request["do"] == "start":
            components.start(request)
        elif request["do"] == "signal":
            components.signal(request["name"], request["signal"])
        return {"components": components.listing()}
    except (OSError, KeyError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def serve(listener: socket.socket, components: Components) -> None:
    """Take requests until killed. Each connection carries one line of JSON and gets one back."""
    wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        watched: list[Any] = [listener, wake]
        ready = select.select(watched, [], [])[0]
        if wake in ready:
            os.read(wake, 4096)
        components.reap()
        if listener in ready:
            _converse(listener.accept()[0], components)


def _converse(connection: socket.socket, components: Components) -> None:
    """Answer one caller; a caller that goes away must not take the host with it."""
    connection.settimeout(2)
    try:
        with connection, connection.makefile("rw") as stream:
            stream.write(json.dumps(answer(components, json.loads(stream.readline()))) + "\n")
    except (OSError, ValueError) as error:
        sys.stderr.write(f"a request was lost: {error}\n")


def start_time(pid: int) -> int:
    """Clock ticks from the machine's boot to the start of `pid`; together they name one process for ever."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[19])


def _record(path: str, pid: int) -> None:
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump({"pid": pid, "start": start_time(pid)}, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)


def _join(cgroups: list[str]) -> None:
    for folder in cgroups:
        with open(folder + "/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")


def _become_host(spec: dict[str, Any], go: int) -> None:
    os.setsid()
    if os.read(go, 2) != b"go":
        raise SystemExit(1)
    _join([folder + "/init" for folder in spec["cgroups"]])
    socket.sethostname(spec["host"])
    build_root(spec)
    enter_root(spec["root"])
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(spec["socket"])
    listener.listen(32)
    os.write(spec["ready"], b"ready")
    os.close(spec["ready"])
    serve(listener, Components(spec["sockets"]))


def main(path: str) -> int:
    """Start the host described by the JSON file `path`; return when it takes requests."""
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    _join(spec["cgroups"])
    with open(spec["netns"], "rb") as netns:
        _checked(_libc.setns(netns.fileno(), CLONE_NEWNET), "join the network namespace")
    _checked(
        _libc.unshare(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID), "unshare"
    )
    ready_read, ready_write = os.pipe()
    waits, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready_read)
        os.close(go)
        _become_host({**spec, "ready": ready_write}, waits)
    os.close(ready_write)
    _record(spec["pid"], pid)
    os.write(go, b"go")
    return 0 if os.read(ready_read, 5) == b"ready" else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
