"""What goes wrong at a real Traefik is told by its cause, and a Traefik that serves as its profile says is silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from clusters.lab import life
from tests.faults import somebody
from tests.faults.bench import Bench
from tests.faults.catalogue import AT_TRAEFIK, heard, tried
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_stage import Stage, opened
from tests.faults.catalogue_traefik import HEALTHY, ROUTE
from tests.faults.combinations import WITH_TRAEFIK

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A lab with a real Traefik, in which all is silent before the first fault is made."""
    name = f"t{os.getpid()}"
    try:
        with opened(life.up(WITH_TRAEFIK.options(name)), WITH_TRAEFIK) as found:
            found.until_silent()
            yield found
    finally:
        life.down(name)


@pytest.mark.parametrize("fault", AT_TRAEFIK, ids=lambda one: one.name)
def test_a_fault_of_traefik_is_named_and_nothing_else(stage: Stage, fault: Fault) -> None:
    assert tried(stage, fault, ordinary=False).wrong == ""


@pytest.mark.parametrize("variant", HEALTHY, ids=lambda one: one.name)
def test_a_traefik_that_keeps_its_promises_is_silent(stage: Stage, variant: Healthy) -> None:
    assert heard(stage, variant, ordinary=False) == []


@pytest.fixture
def bench(stage: Stage, tmp_path: Path) -> Bench:
    """The same lab, for whole runs."""
    profile = tmp_path / f"{stage.lab.name}.yaml"
    profile.write_text(yaml.safe_dump(dict(stage.settings)))
    return Bench(stage.lab, stage.api, stage.changes, stage.metallb, profile, tmp_path)


def test_traefik_serves_through_failovers_drills_and_an_upgrade(bench: Bench) -> None:
    """What it costs its users is measured by its own probe: HTTPS by the shop's name."""
    seen = bench.run("failover or recovery.reapply or recovery.rebuild-order or upgrade.preserved")

    assert not seen.failed, seen.text
    measured = {
        check["id"]: check["measurements"]["gap of consumer traefik/traefik"]
        for check in seen.results["checks"]
        if "gap of consumer traefik/traefik" in check["measurements"]
    }
    assert set(measured) == {
        "failover.speaker-deleted",
        "failover.speaker-killed",
        "failover.node-lost",
        "failover.node-excluded",
        "failover.controller-restart",
        "recovery.reapply",
        "recovery.rebuild-order",
        "upgrade.preserved",
    }
    assert measured["failover.controller-restart"]["value"] < 0.2
    assert any(
        "to serve at the end: traefik/traefik" in each for each in seen["recovery.rebuild-order"]["evidence"]
    )


@pytest.mark.parametrize("drill", ["recovery.reapply", "recovery.rebuild-order"])
def test_a_drill_ends_only_when_traefik_serves_again(bench: Bench, drill: str) -> None:
    """Addresses and connections are back; what is asked for by its name is not, and that is told."""
    with somebody.route_lost(bench, ROUTE):
        seen = bench.run(drill, "--patience", "0.3")

    assert seen.failed == {drill: {"consumer-answer-wrong"}}, seen.text
    (finding,) = seen[drill]["findings"]
    assert finding["subject"] == "service traefik/traefik"
    assert "answered 404" in finding["summary"]
