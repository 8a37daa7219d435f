"""Faults on the way from the announcing node to a backend, and what looks like each of them from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clusters import budgets, wait
from clusters.api.resources import ENDPOINT_SLICES, PODS
from clusters.checks import Scope
from clusters.faults import filters, lab_hosts
from clusters.metallb import election
from clusters.metallb.ranges import parse_address
from tests.faults.catalogue_fault import (
    ALL_BY_NETWORK,
    ONE_ADDRESS,
    ONE_SERVICE,
    UNTOUCHED,
    Fault,
    Summary,
)
from tests.faults.catalogue_network import announcer_of
from tests.faults.catalogue_stage import SHOP, WHY, Json, Stage

OPEN = "service shop/open"
ADDRESSES, ASKED = "metallb.io/loadBalancerIPs", "172.30.0.219"
#: A node, with everything that it announces.
ANY_NODE = r"node node\d"


def owner_of(stage: Stage, name: str) -> str:
    """The node that announces a service of the shop, once it does."""
    return wait.until(
        f"a node announces {name}",
        read=lambda: announcer_of(stage, SHOP, name),
        accept=bool,
        budget=budgets.ANNOUNCED,
    )


def endpoints_of(stage: Stage, name: str) -> dict[str, str]:
    """The addresses of a service's endpoints, by their nodes, once there are any that serve."""

    def read() -> dict[str, str]:
        found = stage.api.list(ENDPOINT_SLICES, SHOP, labels=f"kubernetes.io/service-name={name}")
        every = [one for raw in found for one in raw.get("endpoints") or ()]
        return {one["nodeName"]: one["addresses"][0] for one in every if one["conditions"].get("ready")}

    return wait.until(f"{name} has endpoints", read=read, accept=bool, budget=budgets.SERVED)


@contextmanager
def drops(stage: Stage) -> Iterator[None]:
    """Docker's FORWARD policy, or ufw's: what is forwarded from outside is dropped without a word."""
    with filters.forwarding_filtered(stage.changes, stage.lab, announcer_of(stage, "traefik", "traefik")):
        yield


@contextmanager
def not_forwarding(stage: Stage) -> Iterator[None]:
    """Somebody put net.ipv4.ip_forward back to 0, as a hardening script does.

    It is a node that neither the API server nor what it asks runs on: else nothing at all would be reached.
    """
    asked = {pod["spec"].get("nodeName") for pod in stage.api.list(PODS, "kube-system")}
    asked |= {stage.lab.plan.control_plane.name}
    announcing = [
        announcer_of(stage, *each.split("/")) for each in ("traefik/traefik", "shop/web", "shop/web-local")
    ]
    node = next(each for each in announcing if each not in asked)
    with lab_hosts.not_forwarding(stage.changes, stage.lab, node):
        yield


@contextmanager
def refuses(stage: Stage) -> Iterator[None]:
    """The zone of firewalld rejects what is forwarded, and says so; the node sends no redirects instead."""
    node = announcer_of(stage, "traefik", "traefik")
    with (
        lab_hosts.without_redirects(stage.changes, stage.lab, node),
        filters.forwarding_filtered(
            stage.changes, stage.lab, node, verdict="reject with icmpx admin-prohibited"
        ),
    ):
        yield


@contextmanager
def proxy_frozen(stage: Stage) -> Iterator[None]:
    with (
        lab_hosts.frozen(stage.changes, stage.lab, "kube-proxy"),
        stage.addressed("open", serves=False),
    ):
        yield


@contextmanager
def one_proxy_frozen(stage: Stage) -> Iterator[None]:
    """Only the announcing node's kube-proxy, so that the others' word can be compared with its silence."""
    names = [host.name for host in stage.lab.nodes]
    owner = election.order(names, parse_address(ASKED))[0]
    with (
        lab_hosts.frozen(stage.changes, stage.lab, "kube-proxy", owner),
        stage.addressed("open", serves=False, annotations={ADDRESSES: ASKED}),
    ):
        yield


@contextmanager
def tunnel_broken(stage: Stage) -> Iterator[None]:
    """What the announcing node sends to the pods of another node is lost on the way."""
    with stage.addressed("open"):
        owner = owner_of(stage, "open")
        other = next(node for node in sorted(endpoints_of(stage, "open")) if node != owner)
        hosts = {host.name: host for host in stage.lab.nodes}
        lost = filters.arriving_lost(
            stage.changes,
            stage.lab,
            other,
            sender=hosts[owner].address,
            to=str(hosts[other].pod_ranges[0]),
            ports="8000, 8080",  # of all pods that serve here, and of none that the cluster itself needs
        )
        with lost:
            yield


@contextmanager
def half_lost(stage: Stage) -> Iterator[None]:
    """Half of the connections to a service's only pod are lost: no node's share of the endpoints is a half."""
    labels = {"app": "lone"}
    with (
        stage.changes.created(_pod("lone", stage, labels), foreign=WHY),
        stage.addressed("lone", selector=labels),
    ):
        (address,) = endpoints_of(stage, "lone").values()
        some = f"{address} tcp sport & 2 == 2"
        with filters.forwarding_filtered(stage.changes, stage.lab, owner_of(stage, "lone"), to=some):
            yield


@contextmanager
def policy(stage: Stage) -> Iterator[None]:
    """Nobody may reach one service's pods from outside; the lab enforces no policy, so nodes drop what it denies."""
    labels = {"app": "walled"}
    with (
        stage.changes.created(_pod("walled", stage, labels), foreign=WHY),
        stage.addressed("walled", selector=labels),
        stage.changes.created(_policy("default-deny", labels), foreign=WHY),
        ExitStack() as stack,
    ):
        (address,) = endpoints_of(stage, "walled").values()
        for host in stage.lab.nodes:
            stack.enter_context(filters.forwarding_filtered(stage.changes, stage.lab, host.name, to=address))
        yield


def _pod(name: str, stage: Stage, labels: dict[str, str], node: str = "") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SHOP, "labels": labels},
        "spec": {
            **({"nodeName": node} if node else {}),
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "echo", "image": stage.profile.image, "args": ["netexec", "--http-port=8080"]}
            ],
        },
    }


def _policy(name: str, labels: dict[str, str], *ingress: Json) -> Json:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": SHOP},
        "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"], "ingress": [*ingress]},
    }


@contextmanager
def taken_by_hand(stage: Stage) -> Iterator[None]:
    """A service inside the cluster takes an address of the pool for itself."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "own", "namespace": SHOP},
        "spec": {
            "externalIPs": ["172.30.0.215"],
            "selector": {"app.kubernetes.io/name": SHOP},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    }
    with stage.changes.created(service, foreign=WHY):
        yield


@contextmanager
def router_keeps_the_former(stage: Stage) -> Iterator[None]:
    """The only pod behind a service with policy Local moves, the announcer with it, and the router does not notice."""
    labels, (first, second) = {"app": "roving"}, stage.lab.nodes[1:3]
    service = stage.addressed(
        "roving",
        serves=False,
        selector=labels,
        externalTrafficPolicy="Local",
        annotations={ADDRESSES: ASKED},
    )
    with service as address:
        with stage.changes.created(_pod("before", stage, labels, first.name), foreign=WHY):
            stage.until_reached(address)
            _until_announced_by(stage, "roving", first.name)
        with (
            stage.changes.created(_pod("after", stage, labels, second.name), foreign=WHY),
            lab_hosts.remembers(stage.changes, stage.lab, "lan", address, mac=first.mac),
        ):
            _until_announced_by(stage, "roving", second.name)
            stage.until_reached(address)
            yield


def _until_announced_by(stage: Stage, name: str, node: str) -> None:
    wait.until(
        f"{node} announces {name}",
        read=lambda: announcer_of(stage, SHOP, name),
        accept=lambda found: found == node,
        budget=budgets.ANNOUNCED,
    )


FAULTS = (
    Fault(
        name="a router that keeps the MAC of the node that announced before",
        cause="router-neighbour-stale",
        make=router_keeps_the_former,
        profile={"routed_vantage": "remote"},
        says=UNTOUCHED,
        shows={"traffic.routed": "service shop/roving"},
    ),
    Fault(
        name="a service that takes an address of a pool for itself",
        cause="external-address-in-pool",
        make=taken_by_hand,
        says=ONE_SERVICE,
        shows={"pending.annotations": "service shop/own"},
    ),
    Fault(
        name="the announcing node drops what it is to forward",
        cause="address-not-forwarded",
        neutral=(
            "A filter that drops without a word, forwarding that is switched off and rules that are missing are one "
            "silence from outside; only the node can tell them apart."
        ),
        make=drops,
        says=Summary(Scope.CLUSTER, "nodes and network alone"),
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="the announcing node's kernel does not forward",
        cause="address-not-forwarded",
        neutral="From outside it is the same silence as that of a filter; `sysctl net.ipv4.ip_forward` there decides.",
        make=not_forwarding,
        says=Summary(Scope.CLUSTER, "nodes and network alone"),
        shows={"trigger.unreachable-address": ANY_NODE},
        where={"families": "ipv4"},
        reports=("kubernetes#39658",),
    ),
    Fault(
        name="kube-proxy stands still",
        cause="address-not-forwarded",
        neutral="No node has rules for it, so that none serves it that another could be compared with.",
        make=proxy_frozen,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="kube-proxy of the announcing node stands still",
        cause="kube-proxy-stale",
        make=one_proxy_frozen,
        says=ALL_BY_NETWORK,
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="the announcing node refuses to forward, and says so",
        cause="node-does-not-forward",
        make=refuses,
        says=ALL_BY_NETWORK,
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="the way to the pods of another node is broken",
        cause="backend-path-broken",
        make=tunnel_broken,
        says=Summary(Scope.CLUSTER, "nodes and network alone"),
        shows={"trigger.unreachable-address": rf"{ANY_NODE}|service shop/.*"},
    ),
    Fault(
        name="half of the connections to the only pod are lost",
        cause="backend-not-reached",
        neutral="The share that is lost is that of no node's endpoints, so nothing outside says where it is lost.",
        make=half_lost,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": "service shop/lone"},
    ),
    Fault(
        name="a policy that admits nobody from outside",
        cause="policy-denies",
        make=policy,
        says=Summary(Scope.SERVICE, "consumers' workloads alone"),
        shows={"traffic.backends-healthy": "service shop/walled"},
    ),
)
