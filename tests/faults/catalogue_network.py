"""Faults of nodes and network, and of what answers on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.api.resources import ENDPOINT_SLICES, NODES, SERVICES
from clusters.checks import Scope
from clusters.faults import filters, foreign_responder, lab_hosts
from clusters.observation import announcers
from tests.faults.catalogue_fault import (
    ALL_BY_METALLB,
    ALL_BY_NETWORK,
    ONE_ADDRESS,
    ONE_RANGE,
    UNMEASURED,
    UNTOUCHED,
    Fault,
    Less,
    Summary,
    drift,
)
from tests.faults.catalogue_stage import NAMESPACE, WHY, Stage
from tests.lab.tools import SCRAPING

TRAEFIK, ADDRESS, FREE = "service traefik/traefik", "172.30.0.210", "172.30.0.215"
NODE, WEBHOOK = "node2", "metallb-webhook-service"


def announcer_of(stage: Stage, namespace: str, name: str) -> str:
    """The node whose speaker says that it announces a service; empty where none says so yet."""
    found = announcers.read(stage.api, namespace, name, metallb_namespace=NAMESPACE, metrics=SCRAPING)
    return min(found.metric or ("",))


def _owner(stage: Stage) -> str:
    return announcer_of(stage, "traefik", "traefik")


def _others(stage: Stage) -> list[str]:
    owner = _owner(stage)
    return [host.name for host in stage.lab.nodes if host.name != owner]


@contextmanager
def on_every_node(stage: Stage) -> Iterator[None]:
    with lab_hosts.holding_address(
        stage.changes, stage.lab, ADDRESS, *(host.name for host in stage.lab.nodes)
    ):
        yield


@contextmanager
def squatted_free(stage: Stage) -> Iterator[None]:
    with foreign_responder.answering(stage.changes, stage.lab, FREE):
        yield


@contextmanager
def squatted_assigned(stage: Stage) -> Iterator[None]:
    with foreign_responder.answering(stage.changes, stage.lab, ADDRESS):
        yield


@contextmanager
def silenced(stage: Stage) -> Iterator[None]:
    with filters.answers_lost(stage.changes, stage.lab, ADDRESS):
        yield


@contextmanager
def taken_over(stage: Stage) -> Iterator[None]:
    """Another node's kernel answers, and the announcer's own answers are lost."""
    owner = next(host for host in stage.lab.nodes if host.name == _owner(stage))
    mac = owner.interfaces[0].mac
    other = _others(stage)[0]
    with (
        lab_hosts.holding_address(stage.changes, stage.lab, ADDRESS, other),
        filters.answers_lost(stage.changes, stage.lab, ADDRESS, mac=mac),
    ):
        yield


@contextmanager
def doubled(stage: Stage) -> Iterator[None]:
    """A second node answers, and its speaker cannot be asked whether it announces."""
    other = next(name for name in _others(stage) if name != "node1")
    with (
        lab_hosts.holding_address(stage.changes, stage.lab, ADDRESS, other),
        filters.port_refused(stage.changes, stage.lab, other, port=7472),
    ):
        yield


@contextmanager
def webhook_refused(stage: Stage) -> Iterator[None]:
    """The API server does not get through to the service by which it asks the webhook."""
    address = stage.api.get(SERVICES, WEBHOOK, NAMESPACE)["spec"]["clusterIP"]
    with filters.address_refused(
        stage.changes, stage.lab, stage.lab.plan.control_plane.name, address=address
    ):
        yield


@contextmanager
def webhook_gone(stage: Stage) -> Iterator[None]:
    with stage.changes.deleted(SERVICES, WEBHOOK, NAMESPACE, foreign=WHY):
        wait.until(
            "nobody is behind the webhook's service",
            read=lambda: stage.api.list(
                ENDPOINT_SLICES, NAMESPACE, labels=f"kubernetes.io/service-name={WEBHOOK}"
            ),
            accept=lambda found: not found,
            budget=budgets.get(budgets.RELEASED),
        )
        yield


@contextmanager
def network_unavailable(stage: Stage) -> Iterator[None]:
    condition = {
        "type": "NetworkUnavailable",
        "status": "True",
        "reason": "NoRouteCreated",
        "message": "no route was made",
    }
    patch = {"status": {"conditions": [condition]}}
    with stage.changes.patched(NODES, NODE, patch, kind="strategic", subresource="status", foreign=WHY):
        yield


@contextmanager
def not_ready(stage: Stage) -> Iterator[None]:
    """The kubelet stands still, and the cluster has noticed."""
    with lab_hosts.frozen(stage.changes, stage.lab, "kubelet", NODE):
        until_ready(stage, NODE, "Unknown", budgets.get(budgets.NODE_NOT_READY))
        yield
    until_ready(stage, NODE, "True", budgets.get(budgets.NODE_READY))


def until_ready(stage: Stage, node: str, status: str, budget: budgets.Budget) -> None:
    """Wait until the condition Ready of a node is "True", "False" or "Unknown"."""

    def condition() -> str:
        found = stage.api.get(NODES, node)["status"]["conditions"]
        return next(str(one["status"]) for one in found if one["type"] == "Ready")

    wait.until(f"{node} has Ready={status}", read=condition, accept=lambda now: now == status, budget=budget)


@contextmanager
def far_away(stage: Stage) -> Iterator[None]:
    with lab_hosts.without_default_route(stage.changes, stage.lab, "remote"):
        yield


#: Of several nodes that answer a kernel knows one, and nobody can tell that the announcing one answers too.
_DISAGREES = Less(
    why=(
        "A kernel believes whom it hears first. Where that is another node than the one that announces, it cannot tell "
        "whether the latter answers too; where it is the latter, nothing is to be seen."
    ),
    cause="owner-disagreement",
    shows={"traffic.owner-agreed": TRAEFIK},
    says=ONE_ADDRESS,
)
_WIRE = frozenset({"traffic.single-announcer", "traffic.owner-agreed", "traffic.no-squatter"})

FAULTS = (
    Fault(
        name="an address on a loopback of every node",
        cause="strict-arp-off",
        make=on_every_node,
        says=ALL_BY_NETWORK,
        shows={"traffic.single-announcer": f"cluster|{TRAEFIK}"},
        less=_DISAGREES,
    ),
    Fault(
        name="a stranger answers for a free address",
        cause="foreign-responder",
        make=squatted_free,
        says=ONE_RANGE,
        shows={"traffic.no-squatter": "pool metallb-pool"},
    ),
    Fault(
        name="a stranger answers for an assigned address",
        cause="foreign-responder",
        make=squatted_assigned,
        says=ONE_ADDRESS,
        shows={"traffic.single-announcer": TRAEFIK},
        less=Less(
            why="A kernel believes whom it hears first: the stranger is seen where that is the stranger.",
            shows={"traffic.single-announcer": TRAEFIK},
            says=ONE_ADDRESS,
        ),
    ),
    Fault(
        name="the announcer's answers are lost",
        cause="nobody-answers",
        neutral=(
            "The speaker says that it announces, and nobody outside hears it: whether it never replied or its replies "
            "were lost shows only to a capture on the node."
        ),
        make=silenced,
        says=ONE_ADDRESS,
        shows={"traffic.single-announcer": TRAEFIK},
    ),
    Fault(
        name="another node answers than the one that announces",
        cause="owner-disagreement",
        make=taken_over,
        says=ONE_ADDRESS,
        shows={"traffic.owner-agreed": TRAEFIK},
    ),
    Fault(
        name="a second node answers, and its speaker cannot be asked",
        cause="duplicate-announcer",
        make=doubled,
        says=ONE_ADDRESS,
        shows={"traffic.single-announcer": TRAEFIK},
        less=_DISAGREES,
    ),
    Fault(
        name="nothing comes back through the router",
        cause="not-routed",
        make=far_away,
        profile={"routed_vantage": "remote"},
        says=UNTOUCHED,
        shows={"traffic.routed": f"cluster|{TRAEFIK}|service shop/.*"},
    ),
    Fault(
        name="the API server does not reach the webhook",
        cause="webhook-unreachable",
        make=webhook_refused,
        says=ALL_BY_METALLB,
        shows={"health.config-accepted": "deployment controller"},
    ),
    Fault(
        name="the webhook's service is gone",
        cause="webhook-unreachable",
        make=webhook_gone,
        says=ALL_BY_METALLB,
        also=drift(f"Service {NAMESPACE}/{WEBHOOK}", f"service {NAMESPACE}/{WEBHOOK}"),
        shows={"health.config-accepted": "deployment controller"},
    ),
    Fault(
        name="a node whose network is said to be unavailable",
        cause="node-network-unavailable",
        make=network_unavailable,
        says=ALL_BY_NETWORK,
        shows={"recovery.incident-scope": f"node {NODE}"},
    ),
    Fault(
        name="a kubelet that stands still",
        cause="node-not-ready",
        make=not_ready,
        says=ALL_BY_NETWORK,
        shows={"recovery.incident-scope": f"node {NODE}"},
        # Nobody hands out the logs of that node's pods, and the controller may be one of them.
        undecided=UNMEASURED | {"health.speaker-log", "health.controller-log"},
        full=True,
    ),
    Fault(
        name="a vantage without a way to the addresses",
        cause="vantage-not-on-segment",
        make=far_away,
        says=Summary(Scope.NONE, "the vantage alone"),
        shows={
            "traffic.l2-segment": "service .*",
            "recovery.address-routable": "service .*|pool metallb-pool",
        },
        undecided=_WIRE,
        profile={"vantage": "remote"},
    ),
)
