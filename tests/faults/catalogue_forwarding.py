"""Faults on the way from the announcing node to a backend, and what looks like each of them from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clusters import budgets, wait
from clusters.api.resources import ENDPOINT_SLICES
from clusters.checks import Scope
from clusters.faults import filters, lab_hosts
from clusters.metallb import election
from clusters.metallb.ranges import parse_address
from tests.faults.catalogue_fault import ALL_BY_NETWORK, ONE_ADDRESS, Fault, Summary
from tests.faults.catalogue_network import announcer_of
from tests.faults.catalogue_stage import SHOP, WHY, Json, Stage

OPEN = "service shop/open"
ADDRESSES, ASKED = "metallb.io/loadBalancerIPs", "172.30.0.219"
#: A node, with everything that it announces.
ANY_NODE = r"node node\d"


def _owner(stage: Stage, name: str) -> str:
    """The node that announces a service of the shop, once it does."""
    return wait.until(
        f"a node announces {name}",
        read=lambda: announcer_of(stage, SHOP, name),
        accept=bool,
        budget=budgets.get("announced"),
    )


def _endpoints(stage: Stage, name: str) -> dict[str, str]:
    """The addresses of a service's endpoints, by their nodes."""
    found = stage.api.list(ENDPOINT_SLICES, SHOP, labels=f"kubernetes.io/service-name={name}")
    return {one["nodeName"]: one["addresses"][0] for raw in found for one in raw.get("endpoints") or ()}


@contextmanager
def drops(stage: Stage) -> Iterator[None]:
    """Docker's FORWARD policy, or ufw's: what is forwarded from outside is dropped without a word."""
    with filters.forwarding_filtered(stage.changes, stage.lab, announcer_of(stage, "traefik", "traefik")):
        yield


@contextmanager
def refuses(stage: Stage) -> Iterator[None]:
    """The zone of firewalld rejects what is forwarded, and says so."""
    node = announcer_of(stage, "traefik", "traefik")
    with filters.forwarding_filtered(
        stage.changes, stage.lab, node, verdict="reject with icmpx admin-prohibited"
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
        owner = _owner(stage, "open")
        other = next(address for node, address in sorted(_endpoints(stage, "open").items()) if node != owner)
        with filters.forwarding_filtered(stage.changes, stage.lab, owner, to=other):
            yield


@contextmanager
def half_lost(stage: Stage) -> Iterator[None]:
    """Half of the connections to a service's only pod are lost: no node's share of the endpoints is a half."""
    labels = {"app": "lone"}
    with (
        stage.changes.created(_pod("lone", stage, labels), foreign=WHY),
        stage.addressed("lone", selector=labels),
    ):
        (address,) = _endpoints(stage, "lone").values()
        some = f"{address} tcp sport & 2 == 2"
        with filters.forwarding_filtered(stage.changes, stage.lab, _owner(stage, "lone"), to=some):
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
        (address,) = _endpoints(stage, "walled").values()
        for host in stage.lab.nodes:
            stack.enter_context(filters.forwarding_filtered(stage.changes, stage.lab, host.name, to=address))
        yield


def _pod(name: str, stage: Stage, labels: dict[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": SHOP, "labels": labels},
        "spec": {
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


FAULTS = (
    Fault(
        name="the announcing node drops what it is to forward",
        cause="address-not-forwarded",
        make=drops,
        says=Summary(Scope.CLUSTER, "nodes and network alone"),
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="kube-proxy stands still",
        cause="address-not-forwarded",
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
