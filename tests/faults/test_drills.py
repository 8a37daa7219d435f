"""Every drill is seen to fail, for a fault made for real, with the cause that it must name, and harms nobody then."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, SERVICES
from clusters.faults import strangers
from clusters.metallb import services
from tests.faults import meanwhile, repositories
from tests.faults.bench import ROOT, Bench

ALL = "recovery.reapply or recovery.rebuild-order or maintenance.after-change or rollback.drill"
DRILLS = {"recovery.reapply", "recovery.rebuild-order", "maintenance.after-change", "rollback.drill"}
SYSTEM = "metallb-system"


def held(bench: Bench) -> dict[str, list[str]]:
    """What every LoadBalancer service that is not a run's own holds, and whether it is pinned."""
    return {
        one.key: [*map(str, one.ingress), *sorted(one.annotations)]
        for one in map(services.parse, bench.api.list(SERVICES))
        if one.type == "LoadBalancer" and not one.namespace.startswith("mlc-")
    }


def configured(bench: Bench) -> dict[str, str]:
    """The identity of MetalLB's own objects: who deletes and makes them again changes it."""
    found = {}
    for res in (IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, DEPLOYMENTS, DAEMON_SETS):
        for raw in bench.api.list(res, SYSTEM):
            found[f"{raw['kind']} {raw['metadata']['name']}"] = raw["metadata"]["uid"]
    return found


@pytest.fixture(autouse=True)
def nobody_loses_an_address(bench: Bench) -> Iterator[None]:
    """Whatever a drill says, afterwards every service holds what it held, as it held it."""
    before = held(bench)
    yield
    assert held(bench) == before


@pytest.mark.full
def test_drills_pass_on_a_healthy_cluster_and_measure(bench: Bench) -> None:
    seen = bench.run(ALL)

    assert seen.outcomes == dict.fromkeys(DRILLS, "passed"), seen.text
    assert seen.code == 0
    figures = {name: seen[name]["measurements"] for name in DRILLS}
    assert figures["recovery.reapply"]["everything back after"]["value"] > 0
    assert set(figures["recovery.rebuild-order"]) == {
        "node networking built in",
        "controller and speakers built in",
        "pools and advertisements built in",
        "consumers built in",
    }
    told = "\n".join(seen["recovery.rebuild-order"]["evidence"])
    assert "Too early for pools and advertisements" in told
    assert "was sent all the same and refused: Internal error occurred: failed calling webhook" in told
    assert "Too early for consumers" in told


def test_an_overlay_that_renders_another_pool_is_refused_before_anything_is_lost(bench: Bench) -> None:
    before = configured(bench)
    other = repositories.with_range(bench, "172.30.0.212-172.30.0.220", committed=True)

    seen = other.run("rollback.drill")

    assert seen.failed == {"rollback.drill": {"overlay-drift"}}
    assert configured(bench) == before


@pytest.mark.full
def test_a_webhook_without_endpoints_is_named_before_anything_is_lost(bench: Bench) -> None:
    before = configured(bench)
    nobody = {"spec": {"selector": {"nobody": "home"}}}
    with bench.changes.patched(SERVICES, "metallb-webhook-service", nobody, SYSTEM, foreign="the fault"):
        seen = bench.run("recovery.rebuild-order")

    assert seen.failed == {"recovery.rebuild-order": {"webhook-unreachable"}}
    assert configured(bench) == before


@pytest.mark.full
def test_a_controller_that_cannot_come_back_is_named(bench: Bench) -> None:
    with meanwhile.nodes_close(bench):
        seen = bench.run("recovery.reapply", "--patience", "0.4")

    assert seen.failed == {"recovery.reapply": {"controller-down", "speaker-unschedulable"}}
    assert seen.code == 7
    assert sweep(bench) == 0


@pytest.mark.full
def test_a_range_that_somebody_grabs_meanwhile_is_named(bench: Bench) -> None:
    with meanwhile.range_grabbed(bench, "172.30.0.219"):
        seen = bench.run("rollback.drill", "--patience", "0.3")

    assert seen.failed == {"rollback.drill": {"pool-overlap"}}
    assert seen.code == 7
    assert sweep(bench) == 0


@pytest.mark.full
def test_an_address_that_a_stranger_takes_meanwhile_is_named(bench: Bench) -> None:
    with strangers.squatting_on_loss(bench.changes, bench.api, bench.lab, prefix="announced"):
        seen = bench.run("maintenance.after-change", "--patience", "0.4")

    assert seen.failed == {"maintenance.after-change": {"foreign-responder"}}
    assert seen.code == 7


@pytest.mark.full
@pytest.mark.parametrize("check", ["recovery.reapply", "recovery.rebuild-order"])
def test_a_drill_that_is_killed_is_undone_by_a_sweep(bench: Bench, check: str) -> None:
    assert bench.killed(check, when=lambda: gone(bench, "controller")) == -signal.SIGKILL

    assert sweep(bench) == 0
    bench.metallb.speakers_ready()
    bench.metallb.controller_ready()


def sweep(bench: Bench) -> int:
    """What `python -m clusters.sweep` returns."""
    command = [sys.executable, "-m", "clusters.sweep", "--cluster", str(bench.profile)]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=300).returncode


def gone(bench: Bench, deployment: str) -> bool:
    """Whether a deployment is gone."""
    return all(one["metadata"]["name"] != deployment for one in bench.api.list(DEPLOYMENTS, SYSTEM))
