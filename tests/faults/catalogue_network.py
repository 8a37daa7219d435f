"""Faults of nodes, network and memberlist."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, ownership, wait
from clusters.api.resources import NODES, SECRETS, SERVICES
from clusters.faults import components, filters, kernels, strangers
from tests.faults.catalogue_components import _log_of
from tests.faults.catalogue_fault import Fault
from tests.faults.catalogue_stage import NAMESPACE, WHY, Stage

TRAEFIK, ADDRESS, FREE = "service traefik/traefik", "172.30.0.210", "172.30.0.215"
NODE = "node2"


def _owner(stage: Stage) -> str:
    nodes = ownership.read(stage.api, "traefik", "traefik", metallb_namespace=NAMESPACE).metric
    return min(nodes or ())


def _others(stage: Stage) -> list[str]:
    owner = _owner(stage)
    return [host.name for host in stage.lab.nodes if host.name != owner]


@contextmanager
def on_every_node(stage: Stage) -> Iterator[None]:
    with kernels.holding(stage.changes, stage.lab, ADDRESS, *(host.name for host in stage.lab.nodes)):
        yield


@contextmanager
def squatted_free(stage: Stage) -> Iterator[None]:
    with strangers.squatting(stage.changes, stage.lab, FREE):
        yield


@contextmanager
def squatted_assigned(stage: Stage) -> Iterator[None]:
    with strangers.squatting(stage.changes, stage.lab, ADDRESS):
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
        kernels.holding(stage.changes, stage.lab, ADDRESS, other),
        filters.answers_lost(stage.changes, stage.lab, ADDRESS, mac=mac),
    ):
        yield


@contextmanager
def doubled(stage: Stage) -> Iterator[None]:
    """A second node answers, and its speaker cannot be asked whether it announces."""
    other = next(name for name in _others(stage) if name != "node1")
    with (
        kernels.holding(stage.changes, stage.lab, ADDRESS, other),
        filters.port_refused(stage.changes, stage.lab, other, port=7472),
    ):
        yield


@contextmanager
def proxy_frozen(stage: Stage) -> Iterator[None]:
    with (
        components.frozen(stage.changes, stage.lab, "kube-proxy"),
        stage.addressed("open", serves=False),
    ):
        yield


@contextmanager
def split(stage: Stage) -> Iterator[None]:
    with filters.memberlist_cut(stage.changes, stage.lab, NODE):
        wait.until(
            "two speakers claim one address",
            read=lambda: [
                ownership.read(
                    stage.api,
                    raw["metadata"]["namespace"],
                    raw["metadata"]["name"],
                    metallb_namespace=NAMESPACE,
                ).metric
                for raw in stage.api.list(SERVICES)
                if raw["spec"]["type"] == "LoadBalancer"
            ],
            accept=lambda claims: any(len(nodes or ()) > 1 for nodes in claims),
            budget=budgets.get("failed_over_slow_mesh"),
        )
        yield
    # A speaker looks for peers that it has lost once a minute; a new one looks at once.
    stage.metallb.delete_speaker(NODE)
    stage.metallb.speaker_ready_on(NODE)


@contextmanager
def two_keys(stage: Stage) -> Iterator[None]:
    key = base64.b64encode(base64.b64encode(b"a fault's own key" * 8)[:128]).decode()
    patch = {"data": {"secretkey": key}}
    with stage.changes.patched(SECRETS, "memberlist", patch, NAMESPACE, foreign=WHY):
        stage.metallb.delete_speaker(NODE)
        stage.metallb.speaker_ready_on(NODE)
        wait.until(
            "a speaker says that it cannot read the others",
            read=lambda: _log_of(stage, "speaker"),
            accept=lambda text: "could decrypt" in text or "No installed keys" in text,
            budget=budgets.get("failed_over_slow_mesh"),
        )
        yield
    stage.metallb.delete_speaker(NODE)
    stage.metallb.speaker_ready_on(NODE)


@contextmanager
def api_refused(stage: Stage) -> Iterator[None]:
    service = stage.api.get(SERVICES, "kubernetes", "default")["spec"]["clusterIP"]
    pod = stage.metallb.speaker_on(NODE)["metadata"]["name"]
    with filters.address_refused(stage.changes, stage.lab, NODE, address=service):
        wait.until(
            "the speaker says that it is refused",
            read=lambda: stage.api.logs(NAMESPACE, pod, tail=50).count("connection refused"),
            accept=lambda count: count > 2,
            budget=budgets.get("pods_ready"),
        )
        yield


@contextmanager
def webhook_refused(stage: Stage) -> Iterator[None]:
    """The API server's node does not get through to the webhook's port."""
    with filters.port_refused(
        stage.changes, stage.lab, stage.lab.plan.control_plane.name, port=9443, out=True
    ):
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
    with components.frozen(stage.changes, stage.lab, "kubelet", NODE):
        _until_ready(stage, "Unknown", budgets.get("node_not_ready"))
        yield
    _until_ready(stage, "True", budgets.get("node_ready"))


def _until_ready(stage: Stage, status: str, budget: budgets.Budget) -> None:
    def condition() -> str:
        found = stage.api.get(NODES, NODE)["status"]["conditions"]
        return next(str(one["status"]) for one in found if one["type"] == "Ready")

    wait.until(f"{NODE} has Ready={status}", read=condition, accept=lambda now: now == status, budget=budget)


@contextmanager
def far_away(stage: Stage) -> Iterator[None]:
    with kernels.no_way_out(stage.changes, stage.lab, "remote"):
        yield


_WIRE = frozenset(
    {"traffic.single-announcer", "traffic.owner-agreed", "traffic.no-squatter", "traffic.l2-segment"}
)

FAULTS = (
    Fault(
        name="an address on a loopback of every node",
        cause="strict-arp-off",
        make=on_every_node,
        shows={"traffic.single-announcer": f"cluster|{TRAEFIK}"},
    ),
    Fault(
        name="a stranger answers for a free address",
        cause="foreign-responder",
        make=squatted_free,
        shows={"traffic.no-squatter": "pool metallb-pool"},
    ),
    Fault(
        name="a stranger answers for an assigned address",
        cause="foreign-responder",
        make=squatted_assigned,
        shows={"traffic.single-announcer": TRAEFIK},
    ),
    Fault(
        name="the announcer's answers are lost",
        cause="nobody-answers",
        make=silenced,
        shows={"traffic.single-announcer": TRAEFIK},
    ),
    Fault(
        name="another node answers than the one that announces",
        cause="owner-disagreement",
        make=taken_over,
        shows={"traffic.owner-agreed": TRAEFIK},
    ),
    Fault(
        name="a second node answers, and its speaker cannot be asked",
        cause="duplicate-announcer",
        make=doubled,
        shows={"traffic.single-announcer": TRAEFIK},
    ),
    Fault(
        name="kube-proxy stands still",
        cause="kube-proxy-stale",
        make=proxy_frozen,
        shows={"trigger.unreachable-address": "service shop/open"},
    ),
    Fault(
        name="memberlist is cut off on one node",
        cause="memberlist-partition",
        make=split,
        shows={"health.speaker-log": f"node {NODE}"},
        full=True,
    ),
    Fault(
        name="one speaker has another memberlist key",
        cause="memberlist-key-mismatch",
        make=two_keys,
        shows={"health.speaker-log": "cluster"},
        full=True,
    ),
    Fault(
        name="one speaker is refused by the API server",
        cause="api-unreachable",
        make=api_refused,
        shows={"health.speaker-log": f"node {NODE}"},
        full=True,
    ),
    Fault(
        name="the API server does not reach the webhook",
        cause="webhook-unreachable",
        make=webhook_refused,
        shows={"health.config-accepted": "deployment controller"},
    ),
    Fault(
        name="a node whose network is said to be unavailable",
        cause="node-network-unavailable",
        make=network_unavailable,
        shows={"recovery.incident-scope": f"node {NODE}"},
    ),
    Fault(
        name="a kubelet that stands still",
        cause="node-not-ready",
        make=not_ready,
        shows={"recovery.incident-scope": f"node {NODE}"},
        full=True,
    ),
    Fault(
        name="a vantage without a way to the addresses",
        cause="vantage-not-on-segment",
        make=far_away,
        shows={"recovery.address-routable": "pool metallb-pool|service .*"},
        undecided=_WIRE,
        profile={"vantage": "remote"},
    ),
)
