"""Looks at the machine before a lab is started, and says everything that is missing in one message."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from clusters import budgets
from clusters.commands import command as shown
from clusters.errors import Refused
from clusters.lab import cgroups, host_init, netns
from clusters.lab.hosts import SEARCH_PATH
from clusters.lab.lab_state import state_root
from clusters.lab.plan import LabOptions

_GIB = 1 << 30
# Measured with three nodes: 1.2 GiB for everything, of which the control plane takes half.
_MEMORY = (0.8, 0.2)
# etcd's log is allocated in advance; a node writes logs and some megabytes of its own.
_DISK = (0.5, 0.2)
# Counted: 11 for a node's kubelet, containerd and kube-proxy; 12 for the control plane and the pods.
_INOTIFY = (14, 11)
_MOST_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_CONTROLLERS = ("cpu", "memory", "pids")
_PACKAGES = {"ip6tables": "iptables", "nft": "nftables", "mount": "mount", "umount": "mount"}


def check(options: LabOptions) -> None:
    """Raises `Refused` with everything that the machine lacks; nothing is left of looking."""
    if os.geteuid() != 0:
        raise Refused("A lab needs root, to make network namespaces.", remedy="Run the command as root.")
    missing = [*_commands(options), *_kernel(options), *_room(options), *_watches(options), *_loopback()]
    if missing:
        raise Refused(
            f"What a lab needs is missing on this machine: {'; '.join(missing)}.", remedy=_remedy(options)
        )


def _needed_commands(options: LabOptions) -> list[str]:
    return ["runc", "iptables", "conntrack", "mount", "umount", "nft"] + ["ip6tables"] * options.ipv6


def _absent(options: LabOptions) -> list[str]:
    return [name for name in _needed_commands(options) if not shutil.which(name, path=SEARCH_PATH)]


def _commands(options: LabOptions) -> Iterator[str]:
    absent = _absent(options)
    if absent:
        yield f"the command{'s' if len(absent) > 1 else ''} {', '.join(absent)}"


def _remedy(options: LabOptions) -> str:
    packages = sorted({_PACKAGES.get(name, name) for name in _absent(options)})
    if not packages:
        return ""
    return f"On Debian: {shown('apt-get install {packages}', packages=' '.join(packages))}."


def _kernel(options: LabOptions) -> Iterator[str]:
    if os.uname().machine not in host_init.SYS_PIVOT_ROOT:
        yield f"a processor that the lab knows ({', '.join(host_init.SYS_PIVOT_ROOT)})"
    for kind in ("net", "mnt", "pid", "uts", "ipc", "cgroup"):
        if not Path(f"/proc/self/ns/{kind}").exists():
            yield f"{kind} namespaces in the kernel"
    yield from _controllers()
    yield from _try("network namespaces with bridges and veth pairs", lambda: netns.scratch(_make_links))
    yield from _try("overlay mounts", _mount_overlay)
    if not _absent(options):
        yield from _try("packet filtering", lambda: netns.scratch(lambda: _filter_packets(options)))


def _controllers() -> Iterator[str]:
    if cgroups.is_v2():
        offered = (cgroups.MOUNT / "cgroup.controllers").read_text(encoding="ascii").split()
    else:
        offered = [name for hierarchy in cgroups.hierarchies() for name in hierarchy.split(",")]
    absent = [name for name in _CONTROLLERS if name not in offered]
    if absent:
        yield f"the cgroup controllers {', '.join(absent)}"


def _try(what: str, attempt: Callable[[], None]) -> Iterator[str]:
    try:
        attempt()
    except (OSError, NetlinkError, subprocess.SubprocessError) as error:
        words = getattr(error, "stderr", None) or error
        yield f"{what} ({str(words).strip()})"


def _make_links() -> None:
    with IPRoute() as ip:
        ip.link("add", ifname="br0", kind="bridge")
        ip.link("add", ifname="left", kind="veth", peer="right")


def _filter_packets(options: LabOptions) -> None:
    rule = ["-w", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE"]
    for command in ["iptables"] + ["ip6tables"] * options.ipv6:
        _quiet([command, *rule])
    _quiet(["nft", "list", "tables"])


def _mount_overlay() -> None:
    """Mount one overlay in a mount namespace that ends with the command."""
    state_root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state_root(), prefix=".look-") as folder:
        for name in ("lower", "upper", "work", "shown"):
            (Path(folder) / name).mkdir()
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        mount = ["mount", "-t", "overlay", "lab", "-o", options, f"{folder}/shown"]
        _quiet(["unshare", "--mount", "--propagation=private", *mount])


def _quiet(command: list[str]) -> None:
    subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=budgets.seconds(budgets.LAB_MOUNT_TRIED)
    )


def _room(options: LabOptions) -> Iterator[str]:
    state_root().mkdir(parents=True, exist_ok=True)
    for what, have, (base, each) in (
        ("memory", psutil.virtual_memory().available, _MEMORY),
        (f"space on the disk of {state_root()}", shutil.disk_usage(state_root()).free, _DISK),
    ):
        need = base + each * options.nodes
        if have < need * _GIB:
            yield f"{need:.1f} GiB of {what} ({have / _GIB:.1f} GiB free)"


def _watches(options: LabOptions) -> Iterator[str]:
    """Kubernetes' programs watch their files; the kernel gives each user few instances of that."""
    most = int(_MOST_INOTIFY.read_text(encoding="ascii"))
    need = _INOTIFY[0] + _INOTIFY[1] * options.nodes
    used = sum(_inotify_instances(process) for process in Path("/proc").glob("[0-9]*"))
    if most - used < need:
        yield (
            f"{need} inotify instances ({used} of {most} are in use; remove another lab, or run"
            f" sysctl -w fs.inotify.max_user_instances={4 * most})"
        )


def _inotify_instances(process: Path) -> int:
    try:
        if process.stat().st_uid != os.geteuid():
            return 0
        return sum(str(entry.readlink()) == "anon_inode:inotify" for entry in (process / "fd").iterdir())
    except OSError:
        return 0


def _loopback() -> Iterator[str]:
    try:
        socket.create_server(("127.0.0.1", 0)).close()
    except OSError as error:
        yield f"a free port on 127.0.0.1 ({error.strerror})"
