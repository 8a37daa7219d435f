"""A single look that falls into a handover of an address tells no fault; what stays is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import budgets
from clusters.diagnosis import observed
from clusters.observation import Objects, Snapshot, load

FOLDER = Path(__file__).parent / "observations"


def seen(name: str = "healthy") -> Snapshot:
    return load(FOLDER / f"{name}.json.gz")


def handed_over() -> Snapshot:
    """A healthy cluster in the moment in which the ServiceL2Status of the node before still stands.

    Of a release whose ServiceL2Status follows the address.
    """
    healthy = of_another_release(seen())
    items = deepcopy(healthy.service_l2_statuses.items)
    nodes = sorted({node["metadata"]["name"] for node in healthy.nodes.items})
    for status in items:
        said = status["status"]["node"]
        status["status"]["node"] = next(node for node in nodes if node != said)
    return replace(healthy, service_l2_statuses=replace(healthy.service_l2_statuses, items=items))


def of_another_release(found: Snapshot) -> Snapshot:
    def renamed(objects: Objects) -> Objects:
        return replace(
            objects, items=tuple(json.loads(json.dumps(objects.items).replace("v0.15.2", "v0.16.2")))
        )

    return replace(
        found,
        pods=renamed(found.pods),
        daemon_sets=renamed(found.daemon_sets),
        deployments=renamed(found.deployments),
    )


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    budgets.override({"handed_over": 0.6})
    yield
    budgets.override({})


def test_what_a_second_look_does_not_see_any_more_was_a_moment() -> None:
    looks = iter([handed_over(), seen()])

    assert not observed(lambda: next(looks)).root_causes
    assert next(looks, None) is None


def test_what_stays_is_told_by_the_last_look() -> None:
    looks: list[Snapshot] = []

    def look() -> Snapshot:
        looks.append(handed_over())
        return looks[-1]

    found = observed(look)

    assert len(looks) > 1
    assert found.snapshot is looks[-1]
    assert {root.cause for root in found.root_causes} == {"owner-disagreement"}


@pytest.mark.parametrize("name", ["healthy", "pool-exhausted", "strict-arp-off"])
def test_a_cluster_whose_sources_agree_is_looked_at_once(name: str) -> None:
    looks = iter([seen(name)])

    assert observed(lambda: next(looks)).snapshot.taken_at == seen(name).taken_at
