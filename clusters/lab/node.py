"""A node's own programs: containerd, kubelet and kube-proxy, their configuration and command lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clusters.lab.control_plane import DOMAIN, Authorities, write_kubeconfig
from clusters.lab.hosts import Component, command
from clusters.lab.lab_state import LabPaths
from clusters.lab.parts import Parts
from clusters.lab.plan import Host, Plan

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

# Values that the kubelet sets for the whole machine when it starts. A node sees them as already set, so the
# machine keeps its own. Source: pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables.
PRETENDED_SYSCTLS = {
    "/proc/sys/vm/overcommit_memory": "1",
    "/proc/sys/vm/panic_on_oom": "0",
    "/proc/sys/kernel/panic": "10",
    "/proc/sys/kernel/panic_on_oops": "1",
    "/proc/sys/kernel/keys/root_maxkeys": "1000000",
    "/proc/sys/kernel/keys/root_maxbytes": "25000000",
}

_CONTAINERD = """\
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.runtime"]
  # The machine may not let its processes lower their own score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{cni}"]
    conf_dir = "{etc}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def dns_address(plan: Plan) -> str:
    """The address of the DNS service, the tenth of the range as installers choose it."""
    return str(plan.service_ranges[0][10])


def write_files(plan: Plan, host: Host, authorities: Authorities, parts: Parts) -> None:
    """Everything that the node's programs read, in its `etc`."""
    etc = LabPaths(plan.options.name).host(host.name).etc
    (etc / "cni").mkdir(parents=True)
    (etc / "ca.crt").write_bytes(authorities.cluster.pair.certificate)
    authorities.cluster.issue(f"kubelet-{host.name}", served_as=[host.name, *host.addresses]).write(
        etc, "kubelet"
    )
    users = {
        "kubelet": (f"system:node:{host.name}", ["system:nodes"]),
        "kube-proxy": ("system:kube-proxy", []),
    }
    for component, (user, groups) in users.items():
        path = etc / f"{component}.conf"
        write_kubeconfig(plan, authorities, path=path, user=user, groups=groups)
    containerd = _CONTAINERD.format(
        socket=CONTAINERD_SOCKET, sandbox=parts.image("pause"), cni=parts.cni_dir, etc=etc
    )
    (etc / "containerd.toml").write_text(containerd, encoding="utf-8")
    (etc / "resolv.conf").write_text(f"search {DOMAIN}\n", encoding="ascii")
    for name, settings in (
        ("cni/10-ptp.conflist", _cni(plan, host)),
        ("kubelet.json", _kubelet_settings(plan, etc.parent)),
        ("kube-proxy.json", _proxy_settings(plan, etc.parent)),
    ):
        (etc / name).write_text(json.dumps(settings, indent=1), encoding="utf-8")


def runtime(plan: Plan, host: Host, parts: Parts) -> Component:
    """containerd, which can start before there is an API server."""
    etc = LabPaths(plan.options.name).host(host.name).etc
    argv = (str(parts.binary("containerd")), "--config", str(etc / "containerd.toml"))
    return Component("containerd", argv, ready="containerd successfully booted")


def kubelet(plan: Plan, host: Host, parts: Parts) -> Component:
    """The kubelet, which registers its node as soon as there is an API server."""
    etc = LabPaths(plan.options.name).host(host.name).etc
    argv = command(
        parts.binary("kubelet"),
        config=etc / "kubelet.json",
        kubeconfig=etc / "kubelet.conf",
        hostname_override=host.name,
        node_ip=",".join(host.addresses),
        root_dir="/var/lib/kubelet",
    )
    return Component("kubelet", argv)


def proxy(plan: Plan, host: Host, parts: Parts) -> Component:
    """kube-proxy, whose rights come with the API server's bootstrap of roles."""
    etc = LabPaths(plan.options.name).host(host.name).etc
    argv = command(parts.binary("kube-proxy"), config=etc / "kube-proxy.json", hostname_override=host.name)
    return Component("kube-proxy", argv)


def _cni(plan: Plan, host: Host) -> dict[str, Any]:
    ranges = [[{"subnet": str(network)}] for network in host.pod_ranges]
    routes = [{"dst": "0.0.0.0/0" if network.version == 4 else "::/0"} for network in plan.pod_ranges]
    return {
        "cniVersion": "1.0.0",
        "name": "lab",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet_settings(plan: Plan, host: Path) -> dict[str, Any]:
    etc = host / "etc"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(etc / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(etc / "kubelet.crt"),
        "tlsPrivateKeyFile": str(etc / "kubelet.key"),
        "healthzPort": 0,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        "resolvConf": str(etc / "resolv.conf"),
        "clusterDNS": [dns_address(plan)],
        "clusterDomain": DOMAIN,
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "serializeImagePulls": False,
        **_machine_settings(),
    }


def _machine_settings() -> dict[str, Any]:
    """What makes a kubelet a guest of the machine: it neither reserves, nor evicts, nor tunes."""
    return {
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": "/",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "maxOpenFiles": 65536,
    }


def _proxy_settings(plan: Plan, host: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(host / "etc" / "kube-proxy.conf")},
        "mode": plan.options.proxy,
        "clusterCIDR": ",".join(str(network) for network in plan.pod_ranges),
        # Sizes of the connection table are the machine's, and only its own namespace may set them.
        "conntrack": {"maxPerCore": 0, "min": 0},
    }
