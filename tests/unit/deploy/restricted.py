"""The Pod Security Standard "restricted" as a list of what a pod breaks, of Kubernetes 1.34.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def breaches(pod: Json) -> list[str]:
    """What a pod's spec breaks; empty where it keeps the standard."""
    return [*_of_pod(pod), *(each for container in containers(pod) for each in _of_container(pod, container))]


def containers(pod: Json) -> list[Json]:
    """All containers of a pod."""
    return [
        each
        for kind in ("containers", "initContainers", "ephemeralContainers")
        for each in pod.get(kind) or ()
    ]


def _of_pod(pod: Json) -> Iterator[str]:
    yield from (name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    for volume in pod.get("volumes") or ():
        yield from (f"volume {volume['name']}: {kind}" for kind in volume.keys() - {"name"} - _VOLUMES)
    context = pod.get("securityContext") or {}
    yield from (
        f"sysctl {one['name']}" for one in context.get("sysctls") or () if one["name"] not in _SYSCTLS
    )
    yield from _of_both("pod", context)


def _of_both(where: str, context: Json) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield f"{where}: runAsUser 0"
    if context.get("runAsNonRoot") is False:
        yield f"{where}: runAsNonRoot false"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in {
        "RuntimeDefault",
        "Localhost",
    }:
        yield f"{where}: seccompProfile"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in {
        "RuntimeDefault",
        "Localhost",
    }:
        yield f"{where}: appArmorProfile"
    options = context.get("seLinuxOptions") or {}
    if options.get("type", "") not in _SELINUX or options.get("user") or options.get("role"):
        yield f"{where}: seLinuxOptions"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{where}: hostProcess"


def _of_container(pod: Json, container: Json) -> Iterator[str]:
    name, context, whole = (
        container["name"],
        container.get("securityContext") or {},
        pod.get("securityContext") or {},
    )
    yield from _of_both(name, context)
    yield from (f"{name}: {each}" for each in _of_rights(context, whole))
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield f"{name}: hostPort"
    probes = [container.get(each) or {} for each in ("livenessProbe", "readinessProbe", "startupProbe")]
    if any((probe.get(action) or {}).get("host") for probe in probes for action in ("httpGet", "tcpSocket")):
        yield f"{name}: a probe names a host"


def _of_rights(context: Json, whole: Json) -> Iterator[str]:
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield "not all capabilities are dropped"
    if set(capabilities.get("add") or ()) - {"NET_BIND_SERVICE"}:
        yield "adds capabilities"
    if context.get("privileged"):
        yield "privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"
    if not context.get("runAsNonRoot", whole.get("runAsNonRoot")):
        yield "may run as root"
    if not (context.get("seccompProfile") or whole.get("seccompProfile")):
        yield "no seccompProfile"
