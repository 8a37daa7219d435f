"""Faults of pools and advertisements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api.resources import (
    EVENTS,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    PODS,
    SERVICES,
    VALIDATING_WEBHOOKS,
)
from tests.faults.catalogue_fault import OWN, Also, Fault, drift
from tests.faults.catalogue_services import POOL, REQUESTED
from tests.faults.catalogue_stage import NAMESPACE, SHOP, WHY, Stage

MAIN, EDGE = "metallb-pool", "edge"
SPARE = "172.30.0.230-172.30.0.232"
WAITING, OPEN = "service shop/waiting", "service shop/open"
FROM_EDGE = {POOL: EDGE}
WEBHOOKS = "metallb-webhook-configuration"


@contextmanager
def edited(stage: Stage, **spec: Any) -> Iterator[None]:
    """The lab's own pool with other fields."""
    with stage.changes.patched(IP_ADDRESS_POOLS, MAIN, {"spec": spec}, NAMESPACE, foreign=WHY):
        yield


@contextmanager
def full(stage: Stage) -> Iterator[None]:
    with (
        stage.pool(EDGE, "172.30.0.230-172.30.0.231", autoAssign=True, serviceAllocation={"priority": 90}),
        stage.advertised(EDGE),
        stage.addressed("first", annotations=FROM_EDGE),
        stage.addressed("second", annotations=FROM_EDGE),
        stage.waiting("waiting", annotations=FROM_EDGE),
    ):
        yield


@contextmanager
def not_assigned_unasked(stage: Stage) -> Iterator[None]:
    with edited(stage, autoAssign=False), stage.waiting("waiting"):
        yield


@contextmanager
def kept_for_others(stage: Stage) -> Iterator[None]:
    with (
        stage.pool(EDGE, SPARE, serviceAllocation={"namespaces": ["kube-public"]}),
        stage.advertised(EDGE),
        stage.waiting("waiting", annotations=FROM_EDGE),
    ):
        yield


@contextmanager
def all_pools_gone(stage: Stage) -> Iterator[None]:
    with stage.changes.deleted(IP_ADDRESS_POOLS, MAIN, NAMESPACE, foreign=WHY):
        wait.until(
            "the service loses its address",
            read=lambda: stage.addresses("traefik", "traefik"),
            accept=lambda found: not found,
            budget=budgets.get("released"),
        )
        yield


@contextmanager
def not_advertised(stage: Stage) -> Iterator[None]:
    with stage.pool(EDGE, SPARE), stage.addressed("open", serves=False, annotations=FROM_EDGE):
        yield


@contextmanager
def advertisement_deleted(stage: Stage) -> Iterator[None]:
    with stage.changes.deleted(L2_ADVERTISEMENTS, "metallb-l2", NAMESPACE, foreign=WHY):
        yield


@contextmanager
def unknown_pool(stage: Stage) -> Iterator[None]:
    with stage.advertised("strays", ipAddressPools=["nowhere"]):
        yield


@contextmanager
def selects_no_node(stage: Stage) -> Iterator[None]:
    nobody = [{"matchLabels": {"example.org/zone": "none"}}]
    with (
        stage.own_pool(EDGE, SPARE, nodeSelectors=nobody),
        stage.addressed("open", serves=False, annotations=FROM_EDGE),
    ):
        yield


@contextmanager
def no_such_interface(stage: Stage) -> Iterator[None]:
    with (
        stage.own_pool(EDGE, SPARE, interfaces=["eth9"]),
        stage.addressed("open", serves=False, annotations=FROM_EDGE),
    ):
        wait.until(
            "a speaker says that it cannot announce",
            read=lambda: [one["reason"] for one in stage.api.list(EVENTS, SHOP)
                          if one["involvedObject"].get("name") == "open"],
            accept=lambda found: "announceFailed" in found,
            budget=budgets.get("event_seen"),
        )  # fmt: skip
        yield


@contextmanager
def no_endpoint_where_announced(stage: Stage) -> Iterator[None]:
    pods = stage.api.list(PODS, SHOP, labels=f"app.kubernetes.io/name={SHOP}")
    empty = {host.name for host in stage.lab.nodes} - {pod["spec"]["nodeName"] for pod in pods}
    only = [{"matchLabels": {"kubernetes.io/hostname": name}} for name in sorted(empty)]
    with (
        stage.own_pool(EDGE, SPARE, nodeSelectors=only),
        stage.addressed("open", serves=False, annotations=FROM_EDGE, externalTrafficPolicy="Local"),
    ):
        yield


@contextmanager
def off_the_lan(stage: Stage) -> Iterator[None]:
    with (
        stage.own_pool(EDGE, "10.77.0.10-10.77.0.12"),
        stage.addressed("open", serves=False, annotations=FROM_EDGE),
    ):
        yield


@contextmanager
def holds_node(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, "172.30.0.13-172.30.0.14"):
        yield


@contextmanager
def holds_gateway(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, "172.30.0.1-172.30.0.2"):
        yield


@contextmanager
def past_the_webhook(stage: Stage, *addresses: str) -> Iterator[None]:
    """A pool that MetalLB's webhook would refuse, made while there is none."""
    with ExitStack() as stack:
        with stage.changes.deleted(VALIDATING_WEBHOOKS, WEBHOOKS, foreign=WHY):
            stack.enter_context(stage.pool(EDGE, addresses[0]))
        yield


@contextmanager
def overlapping(stage: Stage) -> Iterator[None]:
    with past_the_webhook(stage, "172.30.0.215-172.30.0.225"):
        yield


@contextmanager
def malformed(stage: Stage) -> Iterator[None]:
    with past_the_webhook(stage, "172.30.0.239-172.30.0.230"):
        yield


@contextmanager
def refused_as_a_whole(stage: Stage) -> Iterator[None]:
    """A selector that MetalLB cannot read; the API server lets it pass, and the webhook is away."""
    twice = [{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}]
    with ExitStack() as stack:
        with stage.changes.deleted(VALIDATING_WEBHOOKS, WEBHOOKS, foreign=WHY):
            stack.enter_context(stage.advertised("twice", ipAddressPools=[MAIN], nodeSelectors=twice))
        yield


@contextmanager
def drifted(stage: Stage) -> Iterator[None]:
    with edited(stage, avoidBuggyIPs=True):
        yield


@contextmanager
def moved_edge(stage: Stage) -> Iterator[None]:
    patch = {"metadata": {"annotations": {REQUESTED: "172.30.0.219"}}}
    with stage.changes.patched(SERVICES, "traefik", patch, "traefik", foreign=WHY):
        stage.until_reached("172.30.0.219")
        yield


FAULTS = (
    Fault(
        name="a pool without a free address",
        cause="pool-exhausted",
        make=full,
        also=OWN,
        shows={"pending.free-address": "pool edge", "trigger.pending-services": WAITING},
    ),
    Fault(
        name="a pool that gives no address unasked",
        cause="pool-autoassign-off",
        make=not_assigned_unasked,
        shows={"pending.free-address": "pool metallb-pool", "trigger.pending-services": WAITING},
        also=drift("pool metallb-pool"),
    ),
    Fault(
        name="a pool that is kept for another namespace",
        cause="pool-restricted",
        make=kept_for_others,
        also=OWN,
        shows={"pending.free-address": "pool edge", "trigger.pending-services": WAITING},
    ),
    Fault(
        name="no pool at all",
        cause="pool-missing",
        make=all_pools_gone,
        shows={"health.config-present": "cluster", "trigger.pending-services": "service .*"},
        also=drift("pool metallb-pool"),
        full=True,
    ),
    Fault(
        name="a pool that no advertisement covers",
        cause="pool-not-advertised",
        make=not_advertised,
        also=OWN,
        shows={"health.config-present": "pool edge", "traffic.single-announcer": OPEN},
    ),
    Fault(
        name="the advertisement is deleted",
        cause="pool-not-advertised",
        make=advertisement_deleted,
        shows={"health.config-present": "pool metallb-pool", "traffic.single-announcer": "service .*"},
        also=drift("L2Advertisement metallb-system/metallb-l2"),
    ),
    Fault(
        name="an advertisement of a pool that does not exist",
        cause="advertisement-unknown-pool",
        make=unknown_pool,
        also=drift("L2Advertisement metallb-system/strays"),
        shows={"health.config-present": "advertisement strays"},
    ),
    Fault(
        name="an advertisement whose selector fits no node",
        cause="advertisement-selects-nothing",
        make=selects_no_node,
        also=OWN,
        shows={"traffic.speakers-placed": "advertisement edge", "traffic.single-announcer": OPEN},
    ),
    Fault(
        name="an advertisement on an interface that no node has",
        cause="advertisement-interface-missing",
        make=no_such_interface,
        also=OWN,
        shows={"traffic.speakers-placed": "advertisement edge", "traffic.single-announcer": OPEN},
    ),
    Fault(
        name="local traffic policy, and no endpoint on the announcing node",
        cause="local-policy-no-endpoint-on-announcer",
        make=no_endpoint_where_announced,
        also=OWN,
        shows={"traffic.backends-healthy": OPEN},
    ),
    Fault(
        name="a pool on another network than the nodes",
        cause="wrong-segment",
        make=off_the_lan,
        also=OWN,
        undecided=frozenset({"traffic.no-squatter"}),
        shows={"traffic.l2-segment": "pool edge", "trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="a pool with a node's address",
        cause="pool-holds-node-address",
        make=holds_node,
        also=OWN,
        shows={"overlay.ranges-valid": "pool edge"},
    ),
    Fault(
        name="a pool with the gateway's address",
        cause="pool-holds-gateway-address",
        make=holds_gateway,
        also=(
            *OWN,
            # The gateway answers for its address, which is free by the pool.
            Also(check="traffic.no-squatter", cause="foreign-responder", subject="pool edge"),
            Also(check="recovery.incident-scope", cause="foreign-responder", subject="pool edge"),
        ),
        shows={"overlay.ranges-valid": "pool edge"},
    ),
    Fault(
        name="two pools with a common address",
        cause="pool-overlap",
        make=overlapping,
        also=OWN,
        shows={"overlay.ranges-valid": "pool (edge|metallb-pool)"},
    ),
    Fault(
        name="a range that ends before it begins",
        cause="pool-range-invalid",
        make=malformed,
        also=OWN,
        shows={"overlay.ranges-valid": "pool edge"},
    ),
    Fault(
        name="a configuration that MetalLB refuses as a whole",
        cause="config-rejected",
        make=refused_as_a_whole,
        also=drift("L2Advertisement metallb-system/twice"),
        shows={"health.config-accepted": "cluster|advertisement twice"},
    ),
    Fault(
        name="a pool edited behind the overlay's back",
        cause="overlay-drift",
        make=drifted,
        shows={"overlay.intended-config": "pool metallb-pool"},
    ),
    Fault(
        name="the edge has another address than it is known by",
        cause="address-not-intended",
        make=moved_edge,
        also=(
            Also(
                check="postincident.changelog", cause="change-undocumented", subject="service traefik/traefik"
            ),
        ),
        shows={"trigger.edge-address": "service traefik/traefik"},
    ),
)
