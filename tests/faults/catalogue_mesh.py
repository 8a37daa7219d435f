"""Faults of what the speakers hear of each other, and of the API server."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from clusters import budgets, wait
from clusters.api.resources import LEASES, PODS, SECRETS, SERVICES
from clusters.faults import filters
from clusters.lab.control_plane import API_PORT
from clusters.metallb.log_lines import fields_of
from clusters.observation import announcers
from tests.faults.catalogue_fault import (
    ALL_BY_METALLB,
    ALL_BY_NETWORK,
    UNMEASURED,
    Fault,
)
from tests.faults.catalogue_stage import NAMESPACE, WHY, Stage
from tests.faults.catalogue_workloads import log_of
from tests.lab.tools import SCRAPING

NODE = "node2"
#: A kubelet renews its lease every 10 s; the suite takes note of a lag of more than 25 s.
MISSED = 26.0


@contextmanager
def split(stage: Stage) -> Iterator[None]:
    with parted(stage, NODE, filters.memberlist_cut(stage.changes, stage.lab, NODE)):
        yield


@contextmanager
def parted(stage: Stage, node: str, cut: AbstractContextManager[None]) -> Iterator[None]:
    """A node's speaker is cut off from the others by `cut`, and has claimed an address that another claims as well."""
    with cut:
        wait.until(
            "two speakers claim one address",
            read=lambda: [
                announcers.read(
                    stage.api,
                    raw["metadata"]["namespace"],
                    raw["metadata"]["name"],
                    metallb_namespace=NAMESPACE,
                    metrics=SCRAPING,
                ).metric
                for raw in stage.api.list(SERVICES)
                if raw["spec"]["type"] == "LoadBalancer"
            ],
            accept=lambda claims: any(len(nodes or ()) > 1 for nodes in claims),
            budget=budgets.get(budgets.FAILED_OVER_SLOW_MESH),
        )
        speakers = stage.api.list(PODS, NAMESPACE, labels="component=speaker")
        others = {pod["spec"]["nodeName"] for pod in speakers} - {node}
        wait.until(
            "each side counts all of the other as gone",
            read=lambda: _gone(stage),
            accept=lambda gone: gone >= {(node, each) for each in others} | {(each, node) for each in others},
            budget=budgets.get(budgets.FAILED_OVER_SLOW_MESH),
        )
        yield
    # A speaker looks for peers that it has lost once a minute; a new one looks at once.
    stage.metallb.delete_speaker(node)
    stage.metallb.speaker_ready_on(node)


def _gone(stage: Stage) -> set[tuple[str, str]]:
    """The pairs of a node whose speaker runs and a peer of which it last said that it left."""
    found = set()
    for pod in stage.api.list(PODS, NAMESPACE, labels="component=speaker"):
        for line in stage.api.logs(NAMESPACE, pod["metadata"]["name"]).splitlines():
            said = fields_of(line)
            pair = (pod["spec"]["nodeName"], said.get("node name", ""))
            if said.get("node event") == "NodeLeave":
                found.add(pair)
            elif said.get("node event") == "NodeJoin":
                found.discard(pair)
    return found


@contextmanager
def two_keys(stage: Stage) -> Iterator[None]:
    key = base64.b64encode(base64.b64encode(b"a fault's own key" * 8)[:128]).decode()
    patch = {"data": {"secretkey": key}}
    with stage.changes.patched(SECRETS, "memberlist", patch, NAMESPACE, foreign=WHY):
        stage.metallb.delete_speaker(NODE)
        stage.metallb.speaker_ready_on(NODE)
        wait.until(
            "a speaker says that it cannot read the others",
            read=lambda: log_of(stage, "speaker"),
            accept=lambda text: "could decrypt" in text or "No installed keys" in text,
            budget=budgets.get(budgets.FAILED_OVER_SLOW_MESH),
        )
        yield
    stage.metallb.delete_speaker(NODE)
    stage.metallb.speaker_ready_on(NODE)


@contextmanager
def api_refused(stage: Stage) -> Iterator[None]:
    """The node's own processes, its speaker among them, do not get through to the API server."""
    service = stage.api.get(SERVICES, "kubernetes", "default")["spec"]["clusterIP"]
    with (
        filters.address_refused(stage.changes, stage.lab, NODE, address=service),
        filters.port_refused(stage.changes, stage.lab, NODE, port=API_PORT, out=True),
    ):
        wait.until(
            "the node has not renewed its lease for long enough to be missed",
            read=lambda: _lag(stage),
            accept=lambda lag: lag > MISSED,
            budget=budgets.get(budgets.NODE_NOT_READY),
        )
        yield
    wait.until(
        "the node renews its lease again",
        read=lambda: _lag(stage),
        accept=lambda lag: lag < MISSED,
        budget=budgets.get(budgets.NODE_READY),
    )


def _lag(stage: Stage) -> float:
    """How many seconds before the latest lease the node renewed its own."""
    found = {
        raw["metadata"]["name"]: dt.datetime.fromisoformat(raw["spec"]["renewTime"])
        for raw in stage.api.list(LEASES, "kube-node-lease")
    }
    return (max(found.values()) - found[NODE]).total_seconds()


FAULTS = (
    Fault(
        name="memberlist is cut off on one node",
        cause="memberlist-partition",
        make=split,
        says=ALL_BY_NETWORK,
        shows={"health.speaker-log": f"node {NODE}"},
        full=True,
    ),
    Fault(
        name="one speaker has another memberlist key",
        cause="memberlist-key-mismatch",
        make=two_keys,
        says=ALL_BY_METALLB,
        shows={"health.speaker-log": "cluster"},
        full=True,
    ),
    Fault(
        name="a node is refused by the API server",
        cause="api-unreachable",
        make=api_refused,
        says=ALL_BY_NETWORK,
        shows={"recovery.incident-scope": f"node {NODE}"},
        # Its kubelet asks the API server whether metrics-server may ask: the controller may run there.
        undecided=UNMEASURED,
        full=True,
    ),
)
