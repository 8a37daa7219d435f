"""Faults of advertisements, and of a configuration that is refused as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from clusters import budgets, wait
from clusters.api.resources import (
    EVENTS,
    L2_ADVERTISEMENTS,
    PODS,
    VALIDATING_WEBHOOKS,
)
from clusters.faults import lab_hosts
from clusters.metallb import election
from clusters.metallb.ranges import parse_address
from tests.faults.catalogue_fault import (
    ALL_BY_CONFIGURATION,
    ONE_POOL,
    ONE_SERVICE,
    OWN,
    Fault,
    drift,
)
from tests.faults.catalogue_pools import EDGE, FROM_EDGE, MAIN, OPEN, SPARE, WEBHOOKS
from tests.faults.catalogue_services import REQUESTED
from tests.faults.catalogue_stage import NAMESPACE, SHOP, WHY, Stage

#: On the nodes' second network, where they have one.
_SECOND = "172.30.1.230"
_SEEN = budgets.Budget(
    name="renamed",
    within=12.0,
    every=12.0,
    reason="A speaker looks at names every ten seconds, and tells of none.",
)


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
def selects_no_pool(stage: Stage) -> Iterator[None]:
    """An advertisement for pools with a label that none of them has: somebody forgot to write it on the pool."""
    ring = [{"matchLabels": {"example.org/ring": "edge"}}]
    with (
        stage.pool(EDGE, SPARE),
        stage.advertised("ring", ipAddressPools=None, ipAddressPoolSelectors=ring),
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
            budget=budgets.get(budgets.EVENT_SEEN),
        )  # fmt: skip
        yield


@contextmanager
def named_otherwise(stage: Stage) -> Iterator[None]:
    """The second card is called otherwise on one node, and that node is elected."""
    names = [host.name for host in stage.lab.nodes]
    node, other = election.order(names, parse_address(_SECOND))[0], "lan1"
    card = stage.lab.host(node).interfaces[1].name
    with ExitStack() as stack:
        stack.enter_context(lab_hosts.renamed(stage.changes, stage.lab, node, name=card, other=other))
        wait.pause(_SEEN)
        stack.enter_context(stage.own_pool(EDGE, f"{_SECOND}-172.30.1.232", interfaces=[card]))
        asked = {**FROM_EDGE, REQUESTED: _SECOND}
        stack.enter_context(stage.addressed("open", serves=False, annotations=asked))
        wait.until(
            "the speaker says that it cannot announce",
            read=lambda: [
                one["reason"]
                for one in stage.api.list(EVENTS, SHOP)
                if one["involvedObject"].get("name") == "open"
            ],
            accept=lambda found: "announceFailed" in found,
            budget=budgets.get(budgets.EVENT_SEEN),
        )
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
def refused_as_a_whole(stage: Stage) -> Iterator[None]:
    """A selector that MetalLB cannot read; the API server lets it pass, and the webhook is away."""
    twice = [{"matchLabels": {"kubernetes.io/os": "linux"}}] * 2
    with ExitStack() as stack:
        with stage.changes.deleted(VALIDATING_WEBHOOKS, WEBHOOKS, foreign=WHY):
            stack.enter_context(stage.advertised("twice", ipAddressPools=[MAIN], nodeSelectors=twice))
        yield


FAULTS = (
    Fault(
        name="a pool that no advertisement covers",
        cause="pool-not-advertised",
        make=not_advertised,
        says=ONE_POOL,
        also=OWN,
        shows={"health.config-present": "pool edge", "traffic.single-announcer": OPEN},
    ),
    Fault(
        name="the advertisement is deleted",
        cause="pool-not-advertised",
        make=advertisement_deleted,
        says=ONE_POOL,
        shows={"health.config-present": "pool metallb-pool", "traffic.single-announcer": "service .*"},
        also=drift("L2Advertisement metallb-system/metallb-l2"),
    ),
    Fault(
        name="an advertisement of a pool that does not exist",
        cause="advertisement-unknown-pool",
        make=unknown_pool,
        says=ONE_POOL,
        also=drift("L2Advertisement metallb-system/strays"),
        shows={"health.config-present": "advertisement strays"},
    ),
    Fault(
        name="an advertisement whose selector fits no node",
        cause="advertisement-selects-nothing",
        make=selects_no_node,
        says=ONE_POOL,
        also=OWN,
        shows={"traffic.speakers-placed": "advertisement edge", "traffic.single-announcer": OPEN},
    ),
    Fault(
        name="an advertisement whose selector fits no pool",
        cause="advertisement-selects-nothing",
        make=selects_no_pool,
        says=ONE_POOL,
        also=(*OWN, *drift("L2Advertisement metallb-system/ring")),
        shows={"traffic.speakers-placed": "advertisement ring", "traffic.single-announcer": OPEN},
        full=True,
    ),
    Fault(
        name="an advertisement on an interface that no node has",
        cause="advertisement-interface-missing",
        make=no_such_interface,
        says=ONE_POOL,
        also=OWN,
        shows={"traffic.speakers-placed": "advertisement edge", "traffic.single-announcer": OPEN},
    ),
    Fault(
        name="an interface that is called otherwise on the elected node",
        cause="advertisement-interface-missing",
        make=named_otherwise,
        says=ONE_POOL,
        also=OWN,
        shows={
            "traffic.speakers-placed": r"advertisement edge|node node\d",
            "traffic.single-announcer": OPEN,
        },
        where={"nics": 2},
        reports=("siutsin/otaru#2749",),
    ),
    Fault(
        name="local traffic policy, and no endpoint on the announcing node",
        cause="local-policy-no-endpoint-on-announcer",
        make=no_endpoint_where_announced,
        says=ONE_SERVICE,
        also=OWN,
        shows={"traffic.backends-healthy": OPEN},
    ),
    Fault(
        name="a configuration that MetalLB refuses as a whole",
        cause="config-rejected",
        make=refused_as_a_whole,
        says=ALL_BY_CONFIGURATION,
        also=drift("L2Advertisement metallb-system/twice"),
        shows={"health.config-accepted": "cluster|advertisement twice"},
    ),
)
