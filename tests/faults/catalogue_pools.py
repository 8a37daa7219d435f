"""Faults of pools, and of the addresses in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from clusters import budgets, wait
from clusters.api.resources import (
    IP_ADDRESS_POOLS,
    PODS,
    SERVICES,
    VALIDATING_WEBHOOKS,
)
from clusters.diagnosis.configuration_faults import LEAVING
from tests.faults.catalogue_fault import (
    ALL_BY_CONFIGURATION,
    ONE_POOL,
    ONE_RANGE,
    ONE_SERVICE,
    OWN,
    UNTOUCHED,
    Also,
    Fault,
    drift,
)
from tests.faults.catalogue_services import POOL, REQUESTED
from tests.faults.catalogue_stage import FURTHER_POOLS, NAMESPACE, SHOP, WHY, Stage

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
    before = _reloads(stage)
    with edited(stage, autoAssign=False):
        wait.until(
            "the controller has read the pool anew",
            read=lambda: _reloads(stage),
            accept=lambda now: now > before,
            budget=budgets.get(budgets.CONFIG_LOADED),
        )
        with stage.waiting("waiting"):
            yield


def _reloads(stage: Stage) -> int:
    """How often the present controllers have said that they took another configuration."""
    pods = stage.api.list(PODS, NAMESPACE, labels="component=controller")
    logs = (stage.api.logs(NAMESPACE, pod["metadata"]["name"]) for pod in pods)
    return sum(text.count('"event":"config reloaded"') for text in logs)


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
            budget=budgets.get(budgets.RELEASED),
        )
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
def held_in_deletion(stage: Stage, pool: str) -> Iterator[None]:
    """A pool that is deleted, and that a finalizer of somebody keeps; in the end it goes."""
    keep = {"metadata": {"finalizers": ["example.org/guard"]}}
    with stage.changes.patched(IP_ADDRESS_POOLS, pool, keep, NAMESPACE, foreign=WHY):
        stage.api.delete(IP_ADDRESS_POOLS, pool, NAMESPACE)
        yield


@contextmanager
def never_gone(stage: Stage) -> Iterator[None]:
    """For longer than a deletion takes; its services have their addresses still."""
    with (
        stage.own_pool(EDGE, SPARE),
        stage.addressed("open", annotations=FROM_EDGE),
        held_in_deletion(stage, EDGE),
    ):
        wait.holds(
            "the pool is still there",
            read=lambda: stage.api.get(IP_ADDRESS_POOLS, EDGE, NAMESPACE)["metadata"],
            accept=lambda about: "deletionTimestamp" in about,
            throughout=LEAVING + 1.0,
            every=1.0,
        )
        yield


@contextmanager
def past_the_webhook(stage: Stage, *addresses: str) -> Iterator[None]:
    """A pool that MetalLB's webhook would refuse, made while there is none."""
    with ExitStack() as stack:
        with stage.changes.deleted(VALIDATING_WEBHOOKS, WEBHOOKS, foreign=WHY):
            stack.enter_context(stage.own_pool(EDGE, addresses[0]))
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
def drifted(stage: Stage) -> Iterator[None]:
    with edited(stage, avoidBuggyIPs=True):
        yield


@contextmanager
def switched_off(stage: Stage) -> Iterator[None]:
    """A field that was left out, and whose default is true, is false by hand; no service waits for it."""
    with edited(stage, autoAssign=False):
        yield


@contextmanager
def moved_edge(stage: Stage) -> Iterator[None]:
    """By one address of each family that it has: MetalLB refuses a request that names no more than one of two."""
    wanted = ["172.30.0.219", "fd00:172:30::219"][: len(stage.addresses("traefik", "traefik"))]
    patch = {"metadata": {"annotations": {REQUESTED: ",".join(wanted)}}}
    with stage.changes.patched(SERVICES, "traefik", patch, "traefik", foreign=WHY):
        stage.until_reached("172.30.0.219")
        yield


@contextmanager
def another_single_address(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, "172.30.0.232/32"):
        yield


@contextmanager
def another_range(stage: Stage) -> Iterator[None]:
    with stage.own_pool(EDGE, "172.30.0.230-172.30.0.231"):
        yield


@contextmanager
def in_another_namespace(stage: Stage) -> Iterator[None]:
    """A pool where no MetalLB reads it, made while its webhook is away: it would refuse that."""
    pool = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": EDGE, "namespace": SHOP},
        "spec": {"addresses": [SPARE]},
    }
    with ExitStack() as stack:
        with stage.changes.deleted(VALIDATING_WEBHOOKS, WEBHOOKS, foreign=WHY):
            stack.enter_context(stage.changes.created(pool, foreign=WHY))
        yield


_ONE_ADDRESS = {"name": EDGE, "addresses": ["172.30.0.231/32"], "single_address": True}

FAULTS = (
    Fault(
        name="a deleted pool that a finalizer keeps",
        cause="configuration-leaving",
        make=never_gone,
        says=ONE_POOL,
        shows={"health.config-present": "pool edge"},
        also=OWN,
        full=True,
    ),
    Fault(
        name="a pool without a free address",
        cause="pool-exhausted",
        make=full,
        says=ONE_POOL,
        also=OWN,
        shows={"pending.free-address": "pool edge", "trigger.pending-services": WAITING},
    ),
    Fault(
        name="a pool that gives no address unasked",
        cause="pool-autoassign-off",
        make=not_assigned_unasked,
        says=ONE_POOL,
        shows={"pending.free-address": "pool metallb-pool", "trigger.pending-services": WAITING},
        also=drift("pool metallb-pool"),
    ),
    Fault(
        name="a pool that is kept for another namespace",
        cause="pool-restricted",
        make=kept_for_others,
        says=ONE_POOL,
        also=OWN,
        shows={"pending.free-address": "pool edge", "trigger.pending-services": WAITING},
    ),
    Fault(
        name="no pool at all",
        cause="pool-missing",
        make=all_pools_gone,
        says=ALL_BY_CONFIGURATION,
        shows={"health.config-present": "cluster", "trigger.pending-services": "service .*"},
        also=drift("pool metallb-pool"),
        full=True,
    ),
    Fault(
        name="a pool on another network than the nodes",
        cause="wrong-segment",
        make=off_the_lan,
        says=ONE_RANGE,
        also=OWN,
        undecided=frozenset({"traffic.no-squatter"}),
        shows={"traffic.l2-segment": "pool edge", "trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="a pool with a node's address",
        cause="pool-holds-node-address",
        make=holds_node,
        says=ALL_BY_CONFIGURATION,
        also=OWN,
        shows={"overlay.ranges-valid": "pool edge"},
    ),
    Fault(
        name="a pool with the gateway's address",
        cause="pool-holds-gateway-address",
        make=holds_gateway,
        says=ALL_BY_CONFIGURATION,
        also=OWN,
        shows={"overlay.ranges-valid": "pool edge", "traffic.no-squatter": "pool edge"},
    ),
    Fault(
        name="a pool in a namespace that no MetalLB reads",
        cause="pool-in-other-namespace",
        make=in_another_namespace,
        says=ONE_POOL,
        shows={"health.config-present": "pool shop/edge"},
    ),
    Fault(
        name="two pools with a common address",
        cause="pool-overlap",
        make=overlapping,
        says=ALL_BY_CONFIGURATION,
        also=OWN,
        shows={"overlay.ranges-valid": "pool (edge|metallb-pool)"},
    ),
    Fault(
        name="a range that ends before it begins",
        cause="pool-range-invalid",
        make=malformed,
        says=ALL_BY_CONFIGURATION,
        also=OWN,
        shows={"overlay.ranges-valid": "pool edge"},
    ),
    Fault(
        name="a pool edited behind the overlay's back",
        cause="overlay-drift",
        make=drifted,
        says=UNTOUCHED,
        shows={"overlay.intended-config": "pool metallb-pool"},
    ),
    Fault(
        name="a field of a pool set to false behind the overlay's back",
        cause="overlay-drift",
        make=switched_off,
        says=UNTOUCHED,
        shows={"overlay.intended-config": "pool metallb-pool"},
    ),
    Fault(
        name="the edge has another address than it is known by",
        cause="address-not-intended",
        make=moved_edge,
        says=ONE_SERVICE,
        also=(
            Also(
                check="postincident.changelog", cause="change-undocumented", subject="service traefik/traefik"
            ),
        ),
        shows={"trigger.edge-address": "service traefik/traefik"},
    ),
    Fault(
        name="a pool of one address, and not the one that is meant",
        cause="address-not-intended",
        make=another_single_address,
        says=ONE_POOL,
        also=(*OWN, Also(check="health.config-present", cause="pool-not-intended", subject="pool edge")),
        shows={"maintenance.single-address-pools": "pool edge"},
        profile={FURTHER_POOLS: [_ONE_ADDRESS]},
    ),
    Fault(
        name="a pool with other addresses than the profile means",
        cause="pool-not-intended",
        make=another_range,
        says=ONE_POOL,
        also=OWN,
        shows={"health.config-present": "pool edge"},
        profile={FURTHER_POOLS: [{"name": EDGE, "addresses": ["172.30.0.231-172.30.0.232"]}]},
    ),
)
