"""Clusters that are built otherwise than most and are well: other networks, other controllers, other kube-proxies."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, IP_ADDRESS_POOLS, PODS, SERVICES
from clusters.faults import lab_hosts, rival_controllers
from clusters.objects import Object
from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_components import second_metallb
from tests.faults.catalogue_fault import Healthy
from tests.faults.catalogue_renderings import EDGE, OVERLAY, SPARE, appended, renders, renders_spare
from tests.faults.catalogue_services import POOL
from tests.faults.catalogue_stage import NAMESPACE, SHOP, WHY, Json, Stage
from tests.faults.catalogue_workloads import arguments, log_of, until_measured

#: On the nodes' second network, and how the overlay keeps its announcements to it.
SECOND, CARD = "172.30.1.230-172.30.1.232", "eth1"
CLASS, BRIDGE = "example.org/metallb", "storage0"
#: Of which nodes of the lab have the first alone.
_CARDS = ["eth0", "bond0"]
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
NOISE = budgets.Budget(
    name="noise", within=60.0, every=1.0, reason="A speaker looks at its interfaces every ten seconds."
)


@contextmanager
def cards_of_their_own(stage: Stage) -> Iterator[None]:
    """Addresses live on a network of their own, on each node's second card, which no InternalIP is on."""
    with (
        stage.own_pool(EDGE, SECOND, interfaces=[CARD]),
        stage.addressed("open", annotations={POOL: EDGE}),
    ):
        yield


@contextmanager
def kept_out(stage: Stage) -> Iterator[None]:
    """The same network is one that the vantage may not enter: its gateway drops what goes there without a word."""
    lab = stage.lab
    with (
        lab_hosts.off_network(stage.changes, lab, lab.client.name, nic=1),
        stage.own_pool(EDGE, SECOND, interfaces=[CARD]),
        stage.addressed("open", serves=False, annotations={POOL: EDGE}) as address,
        lab_hosts.routed_to(stage.changes, lab, "lan", address),
    ):
        yield


def renders_second(clone: Clone) -> None:
    """The overlay has the pool of the second network."""
    renders(clone, SECOND, spec=f"  interfaces: [{CARD}]\n")


@contextmanager
def of_a_class(stage: Stage) -> Iterator[None]:
    """MetalLB serves a class; what names none another controller serves, by a host name in its status."""
    option = f"--lb-class={CLASS}"
    with ExitStack() as stack:
        services = [each for each in stage.api.list(SERVICES) if each["spec"]["type"] == "LoadBalancer"]
        stack.enter_context(arguments(stage, DEPLOYMENTS, "controller", option))
        stack.enter_context(arguments(stage, DAEMON_SETS, "speaker", option))
        stage.metallb.rolled_out()
        stage.metallb.speakers_ready()
        for found in services:
            place = found["metadata"]["namespace"]
            stack.enter_context(
                stage.changes.deleted(SERVICES, found["metadata"]["name"], place, foreign=WHY)
            )
            stack.enter_context(stage.changes.created(_classed(found), foreign=WHY))
        for found in services:
            _until_addressed(stage, found)
        stack.enter_context(stage.service("tunnel"))
        stack.enter_context(
            rival_controllers.overwritten(
                stage.changes,
                stage.lab,
                f"{SHOP}/tunnel",
                hostname="lb.example.org",
                manager="hcloud-cloud-controller-manager",
            )
        )
        for address in stage.addresses("traefik", "traefik")[:1]:
            stage.until_reached(address)
        until_measured(stage)
        yield
    stage.metallb.rolled_out()
    stage.metallb.speakers_ready()


def _classed(found: Object) -> Json:
    """The same service, made anew for the class."""
    meta, spec = found["metadata"], dict(found["spec"])
    for field in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
        spec.pop(field, None)
    for port in spec["ports"]:
        port.pop("nodePort", None)
    kept = {key: meta[key] for key in ("name", "namespace", "annotations", "labels") if key in meta}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": kept,
        "spec": spec | {"loadBalancerClass": CLASS},
    }


def _until_addressed(stage: Stage, found: Object) -> None:
    name, place = found["metadata"]["name"], found["metadata"]["namespace"]
    wait.until(
        f"service {place}/{name} gets an address",
        read=lambda: stage.addresses(name, place),
        accept=bool,
        budget=budgets.get(budgets.ASSIGNED),
    )


def _with_argument(clone: Clone, kind: str, name: str, option: str) -> None:
    """The overlay starts a workload of MetalLB's with one more argument."""
    patch = f"- op: add\n  path: /spec/template/spec/containers/0/args/-\n  value: {option}\n"
    file = f"{kind.lower()}-argument.yaml"
    clone.write(f"{OVERLAY}/{file}", patch)
    clone.replace(
        f"{OVERLAY}/kustomization.yaml",
        r"\npatches:\n",
        f"\npatches:\n  - path: {file}\n    target: {{kind: {kind}, name: {name}}}\n",
    )


def renders_class(clone: Clone) -> None:
    """The overlay gives controller and speakers their class."""
    _with_argument(clone, "Deployment", "controller", f"--lb-class={CLASS}")
    _with_argument(clone, "DaemonSet", "speaker", f"--lb-class={CLASS}")
    clone.commit("Let MetalLB serve a class")


@contextmanager
def label_ignored(stage: Stage) -> Iterator[None]:
    """Speakers that ignore the label by which nodes are taken out of load balancing, as on a single-node cluster."""
    with (
        stage.changes.labelled_node("node3", {EXCLUDED: ""}),
        arguments(stage, DAEMON_SETS, "speaker", "--ignore-exclude-lb"),
    ):
        stage.metallb.speakers_ready()
        yield
    stage.metallb.speakers_ready()


def renders_label_ignored(clone: Clone) -> None:
    """The overlay starts the speakers so."""
    _with_argument(clone, "DaemonSet", "speaker", "--ignore-exclude-lb")
    clone.commit("Announce from every node, whatever its labels")


@contextmanager
def catch_all(stage: Stage) -> Iterator[None]:
    """An advertisement that selects nothing, and so covers every pool, beside one for a pool."""
    obj = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "L2Advertisement",
        "metadata": {"name": "all", "namespace": NAMESPACE},
    }
    with stage.by_hand(obj):
        yield


def renders_catch_all(clone: Clone) -> None:
    """The overlay has that advertisement."""
    head = "---\napiVersion: metallb.io/v1beta1\nkind: L2Advertisement\n"
    appended(clone, f"{head}metadata:\n  name: all\n  namespace: {NAMESPACE}\n")
    clone.commit("Advertise every pool")


@contextmanager
def noisy(stage: Stage) -> Iterator[None]:
    """Each node has a bridge without an address, of which its speaker tells every ten seconds that it cannot reply."""
    hosts = [host.name for host in stage.lab.nodes]
    with lab_hosts.bridged(stage.changes, stage.lab, BRIDGE, *hosts):
        wait.until(
            "speakers tell of the interface",
            read=lambda: log_of(stage, "speaker").count(f'"interface":"{BRIDGE}"'),
            accept=lambda lines: lines > len(hosts),
            budget=NOISE,
        )
        yield


@contextmanager
def second_of_another_class(stage: Stage) -> Iterator[None]:
    with second_metallb(stage, "--lb-class=example.org/second"):
        yield


def _config_map(name: str, **data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }


def proxy_pod(stage: Stage, node: str, **more: Any) -> Json:
    """A pod as kubeadm's DaemonSet leaves one on a node; in it runs nothing but a sleeper: kube-proxy runs beside."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"kube-proxy-{node}",
            "namespace": "kube-system",
            "labels": {"k8s-app": "kube-proxy"},
        },
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "kube-proxy", "image": stage.profile.image, "args": ["pause"]}],
            **more,
        },
    }


@contextmanager
def by_kubeadm(stage: Stage) -> Iterator[None]:
    """kube-proxy as kubeadm leaves it in the API: its ConfigMap, and a pod on each node."""
    mode = stage.lab.state.options.proxy
    settings = f"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: {mode}\n"
    with ExitStack() as stack:
        stack.enter_context(
            stage.changes.created(_config_map("kube-proxy", **{"config.conf": settings}), foreign=WHY)
        )
        for host in stage.lab.nodes:
            stack.enter_context(stage.changes.created(proxy_pod(stage, host.name), foreign=WHY))
        wait.until(
            "each node has a pod of kube-proxy that runs",
            read=lambda: [
                pod["status"].get("phase")
                for pod in stage.api.list(PODS, "kube-system", labels="k8s-app=kube-proxy")
            ],
            accept=lambda phases: phases.count("Running") == len(stage.lab.nodes),
            budget=budgets.get(budgets.PODS_READY),
        )
        yield


@contextmanager
def by_cilium(stage: Stage) -> Iterator[None]:
    """No kube-proxy, as where Cilium replaces it: its ConfigMap says so."""
    settings = {"kube-proxy-replacement": "true", "enable-l2-announcements": "false"}
    with stage.changes.created(_config_map("cilium-config", **settings), foreign=WHY):
        yield


def renders_empty_lists(clone: Clone) -> None:
    """The overlay says of definitions what the API server leaves out: empty lists, null, and a tool's label."""
    patch = (
        "- op: add\n  path: /spec/names/shortNames\n  value: []\n"
        "- op: add\n  path: /spec/preserveUnknownFields\n  value: false\n"
        "- op: add\n  path: /metadata/creationTimestamp\n  value: null\n"
    )
    clone.write(f"{OVERLAY}/definitions.yaml", patch)
    clone.replace(
        f"{OVERLAY}/kustomization.yaml",
        r"\npatches:\n",
        "\npatches:\n  - path: definitions.yaml\n"
        "    target: {kind: CustomResourceDefinition, name: bgppeers.metallb.io}\n",
    )
    clone.commit("Say what is empty")


def _reports(stage: Stage, status: Json, *which: str) -> None:
    """Write the status of an object that a fault made, as its kubelet does."""
    lab = stage.lab
    command = [str(lab.kubectl), "--kubeconfig", str(lab.kubeconfig), "patch", *which]
    patch = ["--subresource=status", "--type=merge", "-p", json.dumps({"status": status})]
    subprocess.run([*command, *patch], check=True, capture_output=True, timeout=30)


@contextmanager
def nodes_for_others(stage: Stage) -> Iterator[None]:
    """A virtual node, which stands for a cloud's containers and repels what is not meant for it, and a Windows node.

    Nobody renews them here: they are Ready for as long as the API server's patience lasts, 40 s and more.
    """
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    repels = [{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}]
    kinds: tuple[tuple[str, str, Json, list[Json]], ...] = (
        ("virtual-node", "10.240.0.9", {"type": "virtual-kubelet", "kubernetes.io/os": "linux"}, repels),
        ("windows-node", "10.240.0.10", {"kubernetes.io/os": "windows"}, []),
    )
    with ExitStack() as stack:
        for name, address, labels, taints in kinds:
            about = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": {"taints": taints}}
            stack.enter_context(stage.changes.created(node, foreign=WHY))
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
            status = {
                "addresses": [{"type": "InternalIP", "address": address}],
                "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
            }
            _reports(stage, status, "node", name)
        yield


@contextmanager
def ended_pods(stage: Stage) -> Iterator[None]:
    """What has ended and was not cleared away: a job's pod among a service's, a chart's hook, an evicted controller."""
    kinds: tuple[tuple[str, str, Json], ...] = (
        ("job-1", SHOP, {"app.kubernetes.io/name": SHOP}),
        ("metallb-crds-1", NAMESPACE, {"app.kubernetes.io/name": "metallb"}),
        (
            "controller-evicted",
            NAMESPACE,
            {"app": "metallb", "component": "controller", "example.org/old": ""},
        ),
    )
    with ExitStack() as stack:
        for name, namespace, labels in kinds:
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": {
                    "schedulerName": "nobody",
                    "restartPolicy": "Never",
                    "containers": [{"name": "main", "image": stage.profile.image, "args": ["help"]}],
                },
            }
            stack.enter_context(stage.changes.created(pod, foreign=WHY))
            evicted = {"reason": "Evicted", "message": "The node was low on resource: memory."}
            how = {"phase": "Failed", **evicted} if "evicted" in name else {"phase": "Succeeded"}
            _reports(stage, how, "pod", name, "-n", namespace)
        yield


@contextmanager
def others_for_their_classes(stage: Stage) -> Iterator[None]:
    """kube-vip and Cilium give addresses of the same network to services of their classes."""
    with ExitStack() as stack:
        for name, lb_class, address, manager in (
            ("vip", "kube-vip.io/kube-vip-class", "172.30.0.98", "kube-vip-cloud-provider"),
            ("pooled", "io.cilium/l2-announcer", "172.30.0.97", "cilium-operator-generic"),
        ):
            stack.enter_context(stage.service(name, loadBalancerClass=lb_class))
            stack.enter_context(
                rival_controllers.overwritten(
                    stage.changes, stage.lab, f"{SHOP}/{name}", address=address, manager=manager
                )
            )
        yield


@contextmanager
def others_in_numbers(stage: Stage) -> Iterator[None]:
    """Many services of a class that nobody serves at the moment, one of them held in its deletion, and other types."""
    plain = {"allocateLoadBalancerNodePorts": None}
    leaves = {"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}}
    with ExitStack() as stack:
        for number in range(60):
            stack.enter_context(stage.service(f"idle-{number}", loadBalancerClass="tailscale"))
        stack.enter_context(stage.changes.patched(SERVICES, "idle-0", leaves, SHOP, foreign=WHY))
        stage.api.delete(SERVICES, "idle-0", SHOP)
        stack.enter_context(stage.service("headless", type="ClusterIP", clusterIP="None", **plain))
        external = {"type": "ExternalName", "externalName": "example.org", "selector": None, "ports": None}
        stack.enter_context(stage.service("external", **external, **plain))
        yield


@contextmanager
def an_advertisement_a_node(stage: Stage) -> Iterator[None]:
    """Each of two nodes has an advertisement of its own for the pool, one of them for cards that it partly has."""
    with (
        stage.pool(EDGE, SPARE),
        stage.advertised(EDGE, nodeSelectors=[_on("node1")]),
        stage.advertised("second", ipAddressPools=[EDGE], nodeSelectors=[_on("node2")], interfaces=_CARDS),
        stage.addressed("one", annotations={POOL: EDGE}),
        stage.addressed("two", annotations={POOL: EDGE}),
    ):
        yield


def renders_an_advertisement_a_node(clone: Clone) -> None:
    """The overlay has the pool and both advertisements."""
    selector = "  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: %s}}]\n"
    second = (
        f"---\napiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata:\n  name: second\n"
        f"  namespace: {NAMESPACE}\nspec:\n  ipAddressPools: [{EDGE}]\n  interfaces: [{', '.join(_CARDS)}]\n"
    )
    renders(clone, SPARE, spec=selector % "node1", more=second + selector % "node2")


def _on(node: str) -> Json:
    return {"matchLabels": {"kubernetes.io/hostname": node}}


@contextmanager
def every_kind_of_port(stage: Stage) -> Iterator[None]:
    """Services that remember their clients, that keep to the node, and one port number for both protocols."""
    both = [
        {"name": "dns-tcp", "port": 80, "targetPort": 8080},
        {"name": "dns-udp", "port": 80, "targetPort": 8081, "protocol": "UDP"},
    ]
    kept = {"sessionAffinity": "ClientIP"}
    with (
        stage.addressed("sticky", internalTrafficPolicy="Local", publishNotReadyAddresses=True, **kept),
        stage.addressed("local", externalTrafficPolicy="Local", **kept),
        stage.addressed("both", ports=both),
    ):
        yield


@contextmanager
def with_a_finalizer(stage: Stage) -> Iterator[None]:
    """A pool on which its owner has put a finalizer, and that nobody deletes."""
    keep = {"metadata": {"finalizers": ["example.org/guard"]}}
    with (
        stage.own_pool(EDGE, SPARE),
        stage.changes.patched(IP_ADDRESS_POOLS, EDGE, keep, NAMESPACE, foreign=WHY),
    ):
        yield


@contextmanager
def nothing(_: Stage) -> Iterator[None]:
    yield


HEALTHY = (
    Healthy(
        name="addresses on a network, and a card of each node, of their own",
        make=cards_of_their_own,
        edit=renders_second,
        where={"nics": 2},
        reports=("canonical/k8s-operator#808", "kube-vip#507"),
        full=True,
    ),
    Healthy(
        name="a pool of a network that the vantage may not enter",
        make=kept_out,
        edit=renders_second,
        where={"nics": 2},
        undecided=frozenset(
            {
                "trigger.unreachable-address",
                "traffic.no-squatter",
                "traffic.l2-segment",
                "recovery.address-routable",
            }
        ),
        reports=("metallb#319",),
        full=True,
    ),
    Healthy(
        name="MetalLB for a class, and another controller that gives host names",
        make=of_a_class,
        edit=renders_class,
        reports=("hcloud-cloud-controller-manager#62", "hcloud-cloud-controller-manager#74"),
        full=True,
    ),
    Healthy(
        name="speakers that ignore the label for load balancing",
        make=label_ignored,
        edit=renders_label_ignored,
        full=True,
    ),
    Healthy(
        name="an advertisement of every pool beside that of one",
        make=catch_all,
        edit=renders_catch_all,
    ),
    Healthy(
        name="an interface on each node on which its speaker cannot reply",
        make=noisy,
        reports=("metallb#1507", "metallb#248", "metallb#1680"),
        full=True,
    ),
    Healthy(
        name="a second MetalLB, for a class of its own",
        make=second_of_another_class,
        full=True,
    ),
    Healthy(name="a virtual node and a Windows node beside", make=nodes_for_others, full=True),
    Healthy(name="pods that have ended and were left", make=ended_pods, full=True),
    Healthy(name="kube-vip and Cilium for classes of their own", make=others_for_their_classes),
    Healthy(name="many services that wait for another load balancer", make=others_in_numbers, full=True),
    Healthy(
        name="an advertisement for each node",
        make=an_advertisement_a_node,
        edit=renders_an_advertisement_a_node,
        full=True,
    ),
    Healthy(
        name="services with affinity, local traffic, and a port of both protocols", make=every_kind_of_port
    ),
    Healthy(name="a pool with a finalizer of its owner", make=with_a_finalizer, edit=renders_spare),
    Healthy(name="kube-proxy as kubeadm runs it", make=by_kubeadm, full=True),
    Healthy(name="no kube-proxy, and Cilium instead", make=by_cilium),
    Healthy(
        name="definitions with fields that the API server leaves out",
        make=nothing,
        edit=renders_empty_lists,
        reports=("ricsanfre/pi-cluster#93",),
    ),
)
