"""`python -m tests.kind.nodeimage`: a node image for kind, made once without an image registry and then kept.

The archive is one that `docker load` takes. It depends on nothing that a registry has: Debian from its packages,
everything else from pinned Go modules.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from clusters import children, wait
from clusters.budgets import Budget
from clusters.errors import ConformanceError, Refused
from clusters.lab import parts as lab_parts
from clusters.lab.parts import Parts
from clusters.lab.parts.cache import Slot, cache_root, content_key, files_digest
from tests.kind import debian, images, parts, rootfs
from tests.kind.parts import KindParts

#: Changes with what this module makes of a tree.
RECIPE = 1
ARCHIVE = "node.tar"
_ENTRYPOINT = ["/usr/local/bin/entrypoint", "/sbin/init"]
_SERVING = Budget(name="preload_serving", within=60, every=0.1, reason="containerd answers in half a second.")
_SOCKET = "/proc/self/cwd/containerd.sock"
_SETTINGS = """\
version = 3
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]
[grpc]
  address = "{socket}"
"""


@dataclass(frozen=True)
class NodeImage:
    """The archive, and the reference that `docker load` gives to the image."""

    archive: Path
    reference: str


def ensure() -> NodeImage:
    """Make the image where it is not kept yet: about four minutes on two processors. Raises ConformanceError."""
    if os.geteuid() != 0:
        raise Refused("A node image for kind is made with debootstrap, which needs root.")
    lab, kind, tools = lab_parts.ensure(), parts.ensure(), debian.ensure()
    reference = f"kindest/node:{lab.kubernetes_version}"
    own = files_digest(Path(__file__).parent / "modules" / "podnet")
    built = [*kind.keys, *(slot.key for slot in lab.slots.values())]
    manifest = Path(__file__).with_name("podnet.yaml").read_text(encoding="utf-8")
    key = content_key(RECIPE, rootfs.RECIPE, debian.RECIPE, built, own, manifest)
    slot = Slot(cache_root(), "kind-nodes", lab.kubernetes_version, key)
    slot.publish(
        lambda folder: _make(folder, reference, lab=lab, kind=kind, tools=tools), waiting=lambda: None
    )
    return NodeImage(slot.folder / ARCHIVE, reference)


def _make(folder: Path, reference: str, *, lab: Parts, kind: KindParts, tools: Path) -> None:
    tree, archives = folder / "tree", folder / "images"
    archives.mkdir()
    _say("debootstrap")
    rootfs.debian(tree, tools, folder / "debootstrap.log")
    _say("kind's files and Kubernetes")
    rootfs.furnish(tree, lab=lab, kind=kind)
    _say("images")
    made = images.write_all(archives, lab=lab, kind=kind, rootfs=tree)
    _preload(tree, made, lab=lab, work=folder / "work")
    _say("archive")
    _archive(tree, folder / ARCHIVE, reference)
    for path in (tree, archives, folder / "work"):
        shutil.rmtree(path)


def _preload(tree: Path, archives: Iterable[Path], *, lab: Parts, work: Path) -> None:
    """Put the images into the node's containerd; kind imports none when a node boots."""
    work.mkdir()
    settings = _SETTINGS.format(root=tree / "var/lib/containerd", state=work / "state", socket=_SOCKET)
    (work / "containerd.toml").write_text(settings)
    ctr = [str(lab.binary("ctr", part="containerd")), "--address", _SOCKET, "--namespace", "k8s.io"]
    alone = ["unshare", "--mount", "--propagation=private"]
    command = children.tied(
        [*alone, lab.binary("containerd", part="containerd"), "--config", "containerd.toml"]
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*ctr, *arguments], cwd=work, capture_output=True, text=True, check=False)

    with (work / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=work, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait.until(
            "containerd answers",
            read=lambda: run("version").returncode,
            accept=lambda code: code == 0,
            budget=_SERVING,
            give_up=lambda _: "it ended" if process.poll() is not None else None,
        )
        for archive in archives:
            done = run("images", "import", "--no-unpack", str(archive))
            if done.returncode != 0:
                raise Refused(f"{archive.name} cannot be put into a node: {done.stderr.strip()}")
    finally:
        children.stop(process)
    shutil.rmtree(tree / "var/lib/containerd/io.containerd.content.v1.content/ingest", ignore_errors=True)


def _archive(tree: Path, target: Path, reference: str) -> None:
    """The tree as an image of one layer, in the form that `docker save` gives."""
    layer = target.with_suffix(".layer")
    skipped = [f"--exclude=./{name}/*" for name in ("dev", "proc", "sys", "run", "tmp")]
    command = [
        "tar",
        "--create",
        "--file",
        str(layer),
        "--directory",
        str(tree),
        "--numeric-owner",
        *skipped,
        ".",
    ]
    subprocess.run(command, check=True)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    configuration = images.configuration(_ENTRYPOINT, digest, {"container": "docker"})
    config_name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    work = target.parent / "work"
    (work / config_name).write_bytes(configuration)
    (work / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(target, "w") as archive:
        for name in (config_name, "manifest.json"):
            archive.add(work / name, name)
        archive.add(layer, "layer.tar")
    layer.unlink()


def _say(text: str) -> None:
    sys.stderr.write(f"node image: {text} ({time.strftime('%H:%M:%S')})\n")
    sys.stderr.flush()


def main() -> int:
    """Make the image; the exit code."""
    try:
        made = ensure()
    except ConformanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{made.reference}: {made.archive}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
