"""A lab's cgroups: one tree per lab in every hierarchy, which also says what processes are the lab's.

Both layouts work: version 1 (a hierarchy per controller, with or without the unified one) and version 2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PARENT = "metallb-conformance"
# Where a host keeps its own processes: in version 2 a group whose child groups have controllers holds none.
LEAF = "init"


def is_v2() -> bool:
    """Whether the machine has the unified layout only."""
    return (MOUNT / "cgroup.controllers").is_file()


def hierarchies() -> list[str]:
    """The version 1 hierarchies as mount options (`cpu,cpuacct`, `name=systemd`); empty on version 2."""
    if is_v2():
        return []
    lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    names = [line.split(":", 2)[1] for line in lines]
    return [name for name in names if name and (MOUNT / name.removeprefix("name=")).is_dir()]


def _tops() -> list[Path]:
    return [MOUNT] if is_v2() else [MOUNT / name.removeprefix("name=") for name in hierarchies()]


def lab_folders(lab: str) -> list[Path]:
    """The lab's own folder in every hierarchy."""
    return [top / PARENT / lab for top in _tops()]


def create(lab: str, host: str) -> list[Path]:
    """Make the host's groups, with every controller usable below them; return them, one per hierarchy."""
    made = []
    for top in _tops():
        group = top / PARENT / lab / host / LEAF
        group.mkdir(parents=True, exist_ok=True)
        for folder in (top / PARENT, top / PARENT / lab, top / PARENT / lab / host, group):
            _pass_on(folder)
        made.append(group.parent)
    return made


def _pass_on(folder: Path) -> None:
    """Let `folder` use its parent's processors and memory nodes (version 1), or controllers (version 2)."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if not is_v2() and file.exists() and not file.read_text().strip():
            file.write_text((folder.parent / name).read_text())
    if is_v2():
        offered = (folder.parent / "cgroup.controllers").read_text().split()
        for controller in offered:
            # A controller can be held by the machine in a way that forbids sharing it; the others still help.
            with contextlib.suppress(OSError):
                (folder.parent / "cgroup.subtree_control").write_text(f"+{controller}")


def processes(lab: str) -> set[int]:
    """Pids of every process in the lab's groups, containers included."""
    return {pid for folder in lab_folders(lab) for group in _tree(folder) for pid in _members(group)}


def remove(lab: str) -> bool:
    """Remove the lab's groups, deepest first; False while a process is still in one."""
    for folder in lab_folders(lab):
        for group in _tree(folder):
            with contextlib.suppress(OSError):
                group.rmdir()
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    return not any(folder.exists() for folder in lab_folders(lab))


def _tree(folder: Path) -> Iterator[Path]:
    """`folder` and everything below, children before parents."""
    if not folder.is_dir():
        return
    with contextlib.suppress(FileNotFoundError):
        for child in sorted(folder.iterdir()):
            if child.is_dir():
                yield from _tree(child)
    yield folder


def _members(group: Path) -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from (int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split())
