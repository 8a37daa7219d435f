"""Faults of what the speakers hear of each other, and of the API server."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, ownership, wait
from clusters.api.resources import SECRETS, SERVICES
from clusters.faults import filters
from tests.faults.catalogue_fault import (
    ALL_BY_METALLB,
    ALL_BY_NETWORK,
    Fault,
)
from tests.faults.catalogue_stage import NAMESPACE, WHY, Stage
from tests.faults.catalogue_workloads import log_of

NODE = "node2"


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
            read=lambda: log_of(stage, "speaker"),
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
        name="one speaker is refused by the API server",
        cause="api-unreachable",
        make=api_refused,
        says=ALL_BY_NETWORK,
        shows={"health.speaker-log": f"node {NODE}"},
        full=True,
    ),
)
