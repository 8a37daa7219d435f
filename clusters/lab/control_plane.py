"""etcd, API server, controller manager and scheduler: certificates, files and command lines.

Flags are documented at https://kubernetes.io/docs/reference/command-line-tools-reference/.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from clusters.lab import pki, relay
from clusters.lab.host_init import HANDED_SOCKET
from clusters.lab.hosts import Component, Flag, command
from clusters.lab.lab_state import HostPaths, LabPaths
from clusters.lab.parts import Parts
from clusters.lab.plan import Plan

API_PORT = 6443
API_SOCKET = "api"
_ETCD = "https://127.0.0.1:2379"
DOMAIN = "cluster.local"
ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"

# Who asked for what, most of it without bodies. Renewals of the components' leases and health probes would be
# most of the lines.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "None",
            "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}],
            "namespaces": ["kube-node-lease", "kube-system"],
        },
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
        # What the suite itself writes, with its labels: these accounts are those of deploy/rbac.
        {
            "level": "Request",
            "userGroups": ["system:serviceaccounts:metallb-conformance"],
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        },
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class Authorities:
    """Who signs what: clients and servers of the cluster, the API server's front proxy, etcd."""

    cluster: pki.Authority
    front_proxy: pki.Authority
    etcd: pki.Authority


def make_authorities() -> Authorities:
    """New authorities, for one lab."""
    return Authorities(pki.Authority("kubernetes"), pki.Authority("front-proxy"), pki.Authority("etcd"))


def server_url(plan: Plan) -> str:
    """The API server's address on the LAN."""
    address = plan.control_plane.address
    return f"https://[{address}]:{API_PORT}" if ":" in address else f"https://{address}:{API_PORT}"


def write_admin_kubeconfig(plan: Plan, authorities: Authorities, *, port: int) -> None:
    """The administrator's kubeconfig, which goes through the relay on the machine's loopback."""
    paths = LabPaths(plan.options.name)
    pair = authorities.cluster.issue("kubernetes-admin", ["system:masters"])
    text = pki.kubeconfig(
        server=f"https://127.0.0.1:{port}",
        authority=authorities.cluster,
        pair=pair,
        user="kubernetes-admin",
        cluster=plan.options.name,
    )
    pki.write_private(paths.kubeconfig, text)


def write_kubeconfig(
    plan: Plan, authorities: Authorities, *, path: Path, user: str, groups: Sequence[str] = ()
) -> None:
    """A component's kubeconfig, with a certificate for `user` in `groups`."""
    content = pki.kubeconfig(
        server=server_url(plan),
        authority=authorities.cluster,
        pair=authorities.cluster.issue(user, groups),
        user=user,
        cluster=plan.options.name,
    )
    pki.write_private(path, content)


def _api_server_names(plan: Plan) -> list[str]:
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}"]
    node = plan.control_plane
    services = [str(network[1]) for network in plan.service_ranges]
    return [*names, "localhost", "127.0.0.1", "::1", node.name, *node.addresses, *services]


def write_files(plan: Plan, authorities: Authorities) -> None:
    """Certificates, kubeconfigs and the audit policy, in the control plane's `etc`."""
    etc = _host(plan).etc
    for name, authority in (("ca", authorities.cluster), ("front-proxy-ca", authorities.front_proxy)):
        authority.pair.write(etc, name)
    authorities.etcd.pair.write(etc, "etcd-ca")
    authorities.etcd.issue("etcd", served_as=["localhost", "127.0.0.1"]).write(etc, "etcd")
    authorities.etcd.issue("kube-apiserver-etcd-client").write(etc, "etcd-client")
    authorities.cluster.issue("kube-apiserver", served_as=_api_server_names(plan)).write(etc, "apiserver")
    authorities.cluster.issue(KUBELET_CLIENT).write(etc, "kubelet-client")
    authorities.front_proxy.issue("front-proxy-client").write(etc, "front-proxy-client")
    private, public = pki.signing_key()
    pki.write_private(etc / "sa.key", private)
    (etc / "sa.pub").write_bytes(public)
    (etc / "audit-policy.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY), encoding="utf-8")
    for component in ("controller-manager", "scheduler"):
        path = etc / f"{component}.conf"
        write_kubeconfig(plan, authorities, path=path, user=f"system:kube-{component}")


def api_components(plan: Plan, parts: Parts) -> list[Component]:
    """etcd, the API server, and the relay that carries connections from the machine's loopback."""
    inside = "::1" if plan.options.families == "ipv6" else "127.0.0.1"
    relayed = [sys.executable, "-I", "-S", relay.__file__, str(HANDED_SOCKET), inside, str(API_PORT)]
    return [
        Component("etcd", _etcd(plan, parts)),
        Component("kube-apiserver", _api_server(plan, parts)),
        Component("relay", tuple(relayed), socket=API_SOCKET),
    ]


def controllers(plan: Plan, parts: Parts) -> list[Component]:
    """The controller manager and the scheduler. Neither elects a leader: there is one of each."""
    etc = _host(plan).etc
    manager = command(
        parts.binary("kube-controller-manager"),
        **_client(etc / "controller-manager.conf"),
        cluster_cidr=",".join(str(network) for network in plan.pod_ranges),
        allocate_node_cidrs=False,
        cluster_signing_cert_file=etc / "ca.crt",
        cluster_signing_key_file=etc / "ca.key",
        root_ca_file=etc / "ca.crt",
        service_account_private_key_file=etc / "sa.key",
        use_service_account_credentials=True,
        service_cluster_ip_range=",".join(str(network) for network in plan.service_ranges),
        kube_api_qps=300,
        kube_api_burst=600,
    )
    scheduler = command(
        parts.binary("kube-scheduler"),
        **_client(etc / "scheduler.conf"),
        kube_api_qps=300,
        kube_api_burst=600,
    )
    return [Component("kube-controller-manager", manager), Component("kube-scheduler", scheduler)]


def _client(kubeconfig: Path) -> dict[str, Flag]:
    return {
        "kubeconfig": kubeconfig,
        "authentication_kubeconfig": kubeconfig,
        "authorization_kubeconfig": kubeconfig,
        "leader_elect": False,
        "bind_address": "127.0.0.1",
    }


def _host(plan: Plan) -> HostPaths:
    return LabPaths(plan.options.name).host(plan.control_plane.name)


def _etcd(plan: Plan, parts: Parts) -> tuple[str, ...]:
    etc = _host(plan).etc
    peers = "http://127.0.0.1:2380"
    return command(
        parts.binary("etcd"),
        name="lab",
        data_dir="/var/lib/etcd",
        listen_client_urls=_ETCD,
        advertise_client_urls=_ETCD,
        listen_peer_urls=peers,
        initial_advertise_peer_urls=peers,
        initial_cluster=f"lab={peers}",
        cert_file=etc / "etcd.crt",
        key_file=etc / "etcd.key",
        trusted_ca_file=etc / "etcd-ca.crt",
        client_cert_auth=True,
        # What is written outlives etcd, but not a crash of the machine, and nor does a lab.
        unsafe_no_fsync=True,
    )


def _api_server(plan: Plan, parts: Parts) -> tuple[str, ...]:
    etc = _host(plan).etc
    listening: dict[str, Flag] = {
        "bind_address": "::" if plan.options.ipv6 else "0.0.0.0",  # noqa: S104 - the lab's own network only
        "advertise_address": plan.control_plane.address,
        "secure_port": API_PORT,
        "service_cluster_ip_range": ",".join(str(network) for network in plan.service_ranges),
        "allow_privileged": True,
    }
    return command(parts.binary("kube-apiserver"), **listening, **_security(etc), **_stores(etc))


def _security(etc: Path) -> dict[str, Flag]:
    return {
        "anonymous_auth": False,
        "authorization_mode": "Node,RBAC",
        "enable_admission_plugins": "NodeRestriction",
        "client_ca_file": etc / "ca.crt",
        "tls_cert_file": etc / "apiserver.crt",
        "tls_private_key_file": etc / "apiserver.key",
        "kubelet_certificate_authority": etc / "ca.crt",
        "kubelet_client_certificate": etc / "kubelet-client.crt",
        "kubelet_client_key": etc / "kubelet-client.key",
        "kubelet_preferred_address_types": "InternalIP",
        "requestheader_client_ca_file": etc / "front-proxy-ca.crt",
        "requestheader_allowed_names": "front-proxy-client",
        "requestheader_extra_headers_prefix": "X-Remote-Extra-",
        "requestheader_group_headers": "X-Remote-Group",
        "requestheader_username_headers": "X-Remote-User",
        "proxy_client_cert_file": etc / "front-proxy-client.crt",
        "proxy_client_key_file": etc / "front-proxy-client.key",
        "service_account_issuer": ISSUER,
        "service_account_key_file": etc / "sa.pub",
        "service_account_signing_key_file": etc / "sa.key",
    }


def _stores(etc: Path) -> dict[str, Flag]:
    return {
        "etcd_servers": _ETCD,
        "etcd_cafile": etc / "etcd-ca.crt",
        "etcd_certfile": etc / "etcd-client.crt",
        "etcd_keyfile": etc / "etcd-client.key",
        "audit_policy_file": etc / "audit-policy.yaml",
        "audit_log_path": "/var/log/audit.log",
        "audit_log_maxsize": 100,
        "audit_log_maxbackup": 2,
    }
