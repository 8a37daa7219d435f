"""What a booted lab is: a whole Kubernetes with a whole MetalLB, and three services that answer."""

from __future__ import annotations

import http.client
import json
import ssl

import pytest

from clusters import wait
from clusters.lab import cgroups, life
from clusters.lab.lab import Lab
from tests.lab.tools import SOON, Kubectl

OVERLAPPING = """
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: overlapping, namespace: metallb-system}
spec: {addresses: [172.30.0.215-172.30.0.225]}
"""


def test_status_is_what_the_contract_promises(lab: Lab) -> None:
    found = life.status(lab.name)

    assert found["running"] is True
    assert found["kubernetes_version"].startswith("v1.35.")
    assert found["metallb_version"] == "0.16.2"
    assert found["subnet"] == "172.30.0.0/24"
    assert [(node["name"], node["address"]) for node in found["nodes"]] == [
        ("node1", "172.30.0.11"),
        ("node2", "172.30.0.12"),
        ("node3", "172.30.0.13"),
    ]
    assert set(found["client"]) >= {"netns", "address", "mac"}
    json.dumps(found)


def test_mac_addresses_are_those_of_the_interfaces(lab: Lab) -> None:
    for host in (*lab.nodes, lab.client):
        shown = lab.run(host.name, ["cat", "/sys/class/net/eth0/address"]).stdout.strip()
        linked = json.loads(lab.run(host.name, ["ip", "-json", "link", "show", "eth0"]).stdout)
        assert linked[0]["address"] == host.mac, shown


def test_every_node_is_ready_and_may_announce(kubectl: Kubectl) -> None:
    nodes = kubectl.json("get", "nodes")["items"]

    assert len(nodes) == 3
    assert all(
        "node.kubernetes.io/exclude-from-external-load-balancers" not in n["metadata"]["labels"]
        for n in nodes
    )
    assert not any(node["spec"].get("taints") for node in nodes)
    assert [node["spec"]["podCIDR"] for node in nodes] == ["10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"]


def test_pods_of_a_workload_are_spread_over_the_nodes(kubectl: Kubectl) -> None:
    pods = kubectl.json("get", "pods", "-n", "traefik")["items"]

    assert {pod["spec"]["nodeName"] for pod in pods} == {"node1", "node2", "node3"}


def test_services_answer_the_client_and_the_routed_host(lab: Lab, kubectl: Kubectl) -> None:
    services = kubectl.json("get", "services", "-A")["items"]
    addresses = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["status"]["loadBalancer"]["ingress"][
            0
        ]["ip"]
        for one in services
        if one["spec"]["type"] == "LoadBalancer"
    }

    assert set(addresses) == {"traefik/traefik", "shop/web", "shop/web-local"}
    assert addresses["traefik/traefik"] == "172.30.0.210"
    for address in addresses.values():
        for host in ("client", "remote"):
            answer = lab.run(host, ["curl", "-s", "-m", "5", f"http://{address}/hostname"]).stdout
            assert answer.startswith(("traefik-", "shop-"))


def test_local_traffic_policy_keeps_the_clients_address(lab: Lab, kubectl: Kubectl) -> None:
    service = kubectl.json("get", "service", "-n", "shop", "web-local")
    address = service["status"]["loadBalancer"]["ingress"][0]["ip"]

    seen = lab.run("client", ["curl", "-s", "-m", "5", f"http://{address}/clientip"]).stdout

    assert seen.rpartition(":")[0] == lab.client.address


def test_the_webhook_refuses_an_overlapping_pool(kubectl: Kubectl) -> None:
    refused = kubectl("apply", "-f", "-", given=OVERLAPPING)

    assert refused.returncode != 0
    assert 'CIDR "172.30.0.215/32" in pool "overlapping" overlaps' in refused.stderr


def test_logs_and_exec_reach_pods_on_other_nodes(kubectl: Kubectl) -> None:
    pods = kubectl.json("get", "pods", "-n", "traefik")["items"]
    for name in (pod["metadata"]["name"] for pod in pods):
        assert "Started HTTP server" in kubectl.ok("logs", "-n", "traefik", name)
        version = kubectl.ok("exec", "-n", "traefik", name, "--", "/agnhost", "--version")
        assert "app version" in version


def test_top_shows_what_pods_and_nodes_use(kubectl: Kubectl) -> None:
    shown = wait.until(
        "kubectl top answers for MetalLB's pods",
        read=lambda: kubectl("top", "pod", "-n", "metallb-system", "--no-headers").stdout,
        accept=lambda text: len(text.splitlines()) == 4,
        budget=SOON,
    ).splitlines()
    assert all(line.split()[2].endswith("Mi") for line in shown)
    assert len(kubectl.ok("top", "node", "--no-headers").splitlines()) == 3


def test_nobody_is_served_without_a_certificate(kubectl: Kubectl) -> None:
    config = kubectl.json("config", "view", "--raw")
    host = config["clusters"][0]["cluster"]["server"].removeprefix("https://")
    unverified = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, context=unverified, timeout=5)

    connection.request("GET", "/version")
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    ("user", "question", "answer"),
    [
        ("system:node:node2", ["get", "secrets", "-n", "metallb-system"], "no"),
        ("system:kube-proxy", ["list", "services", "-A"], "yes"),
        ("system:kube-proxy", ["list", "pods", "-A"], "no"),
        ("kube-apiserver-kubelet-client", ["get", "nodes/proxy"], "yes"),
    ],
)
def test_components_have_the_rights_of_their_role_only(
    kubectl: Kubectl, user: str, question: list[str], answer: str
) -> None:
    groups = ["--as-group=system:nodes"] if user.startswith("system:node:") else []
    shown = kubectl("auth", "can-i", *question, f"--as={user}", *groups).stdout
    assert shown.split()[0] == answer


def test_the_audit_log_tells_who_did_what(lab: Lab, kubectl: Kubectl) -> None:
    kubectl.ok("create", "configmap", "-n", "shop", "seen-by-audit")
    kubectl.ok("delete", "configmap", "-n", "shop", "seen-by-audit")

    events = [json.loads(line) for line in lab.audit_log.read_text(encoding="utf-8").splitlines()]
    about = [e for e in events if e.get("objectRef", {}).get("name") == "seen-by-audit"]
    assert {(e["user"]["username"], e["verb"]) for e in about} >= {("kubernetes-admin", "delete")}


def test_a_cpu_limit_is_real(lab: Lab, kubectl: Kubectl) -> None:
    overrides = json.dumps(
        {"spec": {"containers": [{"name": "slow", "image": _agnhost(kubectl), "command": ["/agnhost", "pause"],
                                  "resources": {"limits": {"cpu": "50m"}}}]}}
    )  # fmt: skip
    kubectl.ok("run", "slow", "-n", "shop", f"--image={_agnhost(kubectl)}", f"--overrides={overrides}")
    try:
        kubectl.ok("wait", "-n", "shop", "--for=condition=Ready", "pod/slow", "--timeout=60s")
        pod = kubectl.json("get", "pod", "-n", "shop", "slow")
        assert _quota(lab, pod["spec"]["nodeName"], pod["metadata"]["uid"]) == 0.05
    finally:
        kubectl.ok("delete", "pod", "-n", "shop", "slow", "--grace-period=0", "--force")


def _quota(lab: Lab, node: str, uid: str) -> float:
    """How many processors the kernel gives a pod, from its cgroup."""
    for folder in cgroups.lab_folders(lab.name):
        for group in (folder / node).rglob(f"pod{uid}"):
            if (group / "cpu.cfs_quota_us").exists():
                return int((group / "cpu.cfs_quota_us").read_text()) / int(
                    (group / "cpu.cfs_period_us").read_text()
                )
            if (group / "cpu.max").exists():
                quota, period = (group / "cpu.max").read_text().split()
                return int(quota) / int(period)
    raise AssertionError(f"no cgroup of pod {uid} limits processors")


def _agnhost(kubectl: Kubectl) -> str:
    deployment = kubectl.json("get", "deployment", "-n", "shop", "shop")
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image
