"""A kind node's file system: Debian, kind's own files, Kubernetes' programs. What kind's base and node images do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from clusters import children
from clusters.errors import Refused
from clusters.lab.parts import Parts
from tests.kind import images
from tests.kind.parts import KindParts

#: Changes with what this module leaves in a tree.
RECIPE = 2
RELEASE = "bookworm"
_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "conntrack",
    "iptables",
    "nftables",
    "iproute2",
    "ethtool",
    "util-linux",
    "mount",
    "kmod",
    "libseccomp2",
    "pigz",
    "e2fsprogs",
    "bash",
    "ca-certificates",
    "curl",
    "jq",
    "procps",
    "socat",
    "rsync",
    "arping",
)
#: Units that a container has no use for: what starts by itself at a boot, save what is enabled below.
_UNWANTED = (
    "lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service",
    "lib/systemd/system/multi-user.target.wants/*",
    "etc/systemd/system/*.wants/*",
    "lib/systemd/system/local-fs.target.wants/*",
    "lib/systemd/system/sockets.target.wants/*udev*",
    "lib/systemd/system/sockets.target.wants/*initctl*",
    "lib/systemd/system/basic.target.wants/*",
)
_ENABLED = ("kubelet.service", "containerd.service", "undo-mount-hacks.service")
#: binfmt is the kernel's own, not a namespace's.
_MASKED = ("systemd-binfmt.service",)
_HOOK = "/kind/bin/mount-product-files.sh"
_CONTAINERD = "etc/containerd/config.toml"
#: The two changes to kind's files. Its containers may not lower their OOM score either; and a kubelet of 1.35 or newer
#: runs on cgroup v1, which this machine may have, only where it is told to.
_OOM = ("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
_KUBELET = "etc/default/kubelet"
_CGROUPS = ("KUBELET_EXTRA_ARGS=", "KUBELET_EXTRA_ARGS=--fail-cgroupv1=false ")
_STORAGE = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"""


def debian(folder: Path, tools: Path, log: Path) -> None:
    """Debian's packages in `folder`; `tools` is the tree that debootstrap is in."""
    environment = os.environ | {"DEBOOTSTRAP_DIR": str(tools / "usr" / "share" / "debootstrap")}
    keyring = tools / "usr" / "share" / "keyrings" / "debian-archive-keyring.gpg"
    command = [str(tools / "usr" / "sbin" / "debootstrap"), "--variant=minbase", f"--keyring={keyring}"]
    command += [f"--include={','.join(_PACKAGES)}", RELEASE, str(folder)]
    # The mounts that it makes for the packages' scripts end with it.
    alone = ["unshare", "--mount", "--propagation=private"]
    with log.open("wb") as output:
        code = children.run(
            [*alone, *command],
            cwd=folder.parent,
            environment=environment,
            output=output,
            errors=output,
            beat=_nothing,
        )
    if code != 0:
        last = " ".join(log.read_text(errors="replace").splitlines()[-3:])
        raise Refused(f"debootstrap could not make a file system for kind's nodes: {last}")


def furnish(folder: Path, *, lab: Parts, kind: KindParts) -> None:
    """Make a node of a Debian tree: kind's files, its units, Kubernetes and what runs containers."""
    for pattern in _UNWANTED:
        for path in folder.glob(pattern):
            path.unlink()
    for source in (path for path in kind.base_files.rglob("*") if path.is_file()):
        target = folder / source.relative_to(kind.base_files)
        _install(source, target, program=target.suffix == ".sh" or target.name == "entrypoint")
    with (folder / "etc/systemd/journald.conf").open("a") as journald:
        journald.write("ReadKMsg=no\n")
    _chroot(folder, "systemctl", "enable", *_ENABLED)
    _chroot(folder, "systemctl", "mask", *_MASKED)
    (folder / "etc/kubernetes/manifests").mkdir(parents=True)
    _programs(folder, lab, kind)
    _replace(folder, _KUBELET, *_CGROUPS)
    _containerd(folder, lab)
    manifests = folder / "kind" / "manifests"
    manifests.mkdir()
    (manifests / "default-cni.yaml").write_text(images.manifest(Path(__file__).with_name("podnet.yaml")))
    (manifests / "default-storage.yaml").write_text(_STORAGE)
    (folder / "kind" / "version").write_text(lab.kubernetes_version)
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "var/cache/apt", ignore_errors=True)
    shutil.rmtree(folder / "var/lib/apt/lists", ignore_errors=True)


def _programs(folder: Path, lab: Parts, kind: KindParts) -> None:
    for name in ("kubelet", "kubectl"):
        _install(lab.binary(name), folder / "usr/bin" / name, program=True)
    _install(kind.binary("kubeadm"), folder / "usr/bin/kubeadm", program=True)
    for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
        _install(lab.binary(name, part="containerd"), folder / "usr/local/bin" / name, program=True)
    for plugin in lab.cni_dir.iterdir():
        _install(plugin, folder / "opt/cni/bin" / plugin.name, program=True)
    runc = shutil.which("runc") or "/usr/sbin/runc"
    _install(Path(runc), folder / "usr/local/sbin/runc", program=True)


def _replace(folder: Path, name: str, old: str, new: str) -> None:
    file = folder / name
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise Refused(f"kind's {name} no longer says {old!r}.")
    file.write_text(text.replace(old, new), encoding="utf-8")


def _containerd(folder: Path, lab: Parts) -> None:
    """The configuration of containerd, and the description that it starts every container from."""
    _replace(folder, _CONTAINERD, *_OOM)
    said = subprocess.run(
        [lab.binary("ctr", part="containerd"), "oci", "spec"], capture_output=True, text=True, check=True
    )
    specification: dict[str, Any] = json.loads(said.stdout)
    specification.setdefault("hooks", {}).setdefault("createContainer", []).append({"path": _HOOK})
    specification["process"].pop("rlimits", None)
    (folder / "etc/containerd/cri-base.json").write_text(json.dumps(specification), encoding="utf-8")


def _install(source: Path, target: Path, *, program: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if program else 0o644)


def _chroot(folder: Path, *command: str) -> None:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        ["chroot", str(folder), *command], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)} failed in a node's file system: {done.stderr.strip()}")


def _nothing() -> None:
    """The progress of debootstrap is in its log."""
