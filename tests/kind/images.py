"""The images that a kind node comes with, as archives: the control plane, the proxy, DNS and the pod network."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from clusters.lab.parts import Parts
from clusters.lab.parts.images import write_archive
from clusters.lab.parts.part_table import Image
from clusters.lab.parts.toolchain import architecture
from tests.kind.parts import KindParts

PODNET = "localhost/podnet:1"
#: What kind's containerd is configured for, beside what kubeadm names.
SANDBOX = "registry.k8s.io/pause:3.10"
#: Programs that kube-proxy and the pod network start, and the libraries that iptables loads while it runs: they are
#: no dependency that ldd would show.
_TOOLS = (
    "sh",
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
    "nft",
    "ip",
    "conntrack",
)
_LOADED = "usr/lib/*/xtables/*.so"
#: Folders that a merged /usr has moved.
_MERGED = ("bin", "sbin", "lib", "lib64")


def names(kubeadm: Path, version: str) -> list[str]:
    """The references that kubeadm of that version wants."""
    command = [str(kubeadm), "config", "images", "list", "--kubernetes-version", version]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


def write_all(folder: Path, *, lab: Parts, kind: KindParts, rootfs: Path) -> list[Path]:
    """One archive an image; `rootfs` is where the tools of those images come from that need any."""
    tools = folder / "tools"
    copy_tools(rootfs, tools)
    archives = []
    for reference in dict.fromkeys([*names(kind.binary("kubeadm"), lab.kubernetes_version), SANDBOX, PODNET]):
        name = reference.rpartition("/")[2].partition(":")[0]
        binary = kind.binary(name) if name in kind.slots else lab.binary(name)
        needs_tools = name in ("kube-proxy", "podnet")
        image = Image(
            name,
            reference,
            part=name,
            binary=name,
            entrypoint=(f"/{name}",),
            # kubeadm starts kube-proxy by this path.
            links={"usr/local/bin/kube-proxy": "/kube-proxy"} if name == "kube-proxy" else {},
        )
        target = folder / f"{reference.replace('/', '_').replace(':', '_')}.tar"
        write_archive(image, binary, target, base=tools if needs_tools else None)
        archives.append(target)
    shutil.rmtree(tools)
    return archives


def copy_tools(rootfs: Path, target: Path) -> None:
    """The tools with every library that they load, from a Debian tree, at the places where that has them."""
    target.mkdir()
    for name in _MERGED:
        (target / name).symlink_to(f"usr/{name}")  # programs ask for their loader as /lib64/...
    wanted = [path for name in _TOOLS for path in _links(rootfs, _found(rootfs, name))]
    loaded = [Path("/", path.relative_to(rootfs)) for path in rootfs.glob(_LOADED)]
    for path in dict.fromkeys([*wanted, *loaded, *_libraries(rootfs, [*wanted, *loaded])]):
        source, copy = rootfs / path.relative_to("/"), target / path.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.is_symlink() and not copy.exists():
            shutil.copy2(source, copy, follow_symlinks=False)


def _found(rootfs: Path, name: str) -> Path:
    return next(
        Path(place, name)
        for place in ("/usr/sbin", "/usr/bin")
        if (rootfs / place.lstrip("/") / name).is_symlink() or (rootfs / place.lstrip("/") / name).exists()
    )


def _links(rootfs: Path, path: Path) -> Iterator[Path]:
    """The path and, where it is a symbolic link, all that it leads through, as seen inside `rootfs`."""
    yield path
    here = rootfs / path.relative_to("/")
    if here.is_symlink():
        target = here.readlink()
        inside = target if target.is_absolute() else Path("/", (here.parent / target).relative_to(rootfs))
        yield from _links(rootfs, _plain(inside))


def _plain(path: Path) -> Path:
    """The path without `..`, and below /usr where its folder was moved there."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    if parts[0] in _MERGED:
        parts.insert(0, "usr")
    return Path("/", *parts)


def _libraries(rootfs: Path, programs: Iterable[Path]) -> Iterator[Path]:
    """What ldd says that the programs load, in there."""
    done = subprocess.run(
        ["chroot", rootfs, "ldd", *programs], capture_output=True, text=True, check=False
    )  # it fails where one of them is a script or static, and still answers for the others
    for line in done.stdout.splitlines():
        words = [word for word in line.split() if word.startswith("/") and not word.endswith(":")]
        for word in words:
            yield from _links(rootfs, _plain(Path(word)))


def manifest(template: Path) -> str:
    """The pod network's manifest with its image."""
    return template.read_text(encoding="utf-8").replace("PODNET_IMAGE", PODNET)


def configuration(entrypoint: list[str], layer: str, environment: Mapping[str, str]) -> bytes:
    """The configuration of a node image of one layer, as Docker loads it."""
    return json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "Entrypoint": entrypoint,
                "Env": [f"{name}={value}" for name, value in environment.items()],
                # systemd shuts down on this one; on SIGTERM it starts itself again.
                "StopSignal": "SIGRTMIN+3",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        }
    ).encode()
