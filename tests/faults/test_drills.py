"""Every drill is seen to fail, for a fault made for real, with the cause that it must name, and harms nobody then."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, SERVICES
from clusters.faults import foreign_responder
from tests.faults import repositories, somebody
from tests.faults.bench import Bench

ALL = "recovery.reapply or recovery.rebuild-order or maintenance.after-change or rollback.drill"
DRILLS = {"recovery.reapply", "recovery.rebuild-order", "maintenance.after-change", "rollback.drill"}
SYSTEM = "metallb-system"


def configured(bench: Bench) -> dict[str, str]:
    """The identity of MetalLB's own objects: who deletes and makes them again changes it."""
    kinds = (IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, DEPLOYMENTS, DAEMON_SETS)
    return bench.of_metallb(*kinds, told=lambda raw: raw["metadata"]["uid"])


def configuration(bench: Bench) -> dict[str, object]:
    """What MetalLB's pools and advertisements say."""
    return bench.of_metallb(IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, told=lambda raw: raw["spec"])


@pytest.fixture(autouse=True)
def nobody_loses_an_address(bench: Bench) -> Iterator[None]:
    """Whatever a drill says, afterwards every service holds what it held, as it held it."""
    before = bench.held()
    yield
    assert bench.held() == before


@pytest.mark.full
def test_drills_pass_on_a_healthy_cluster_and_measure(bench: Bench) -> None:
    seen = bench.run(ALL)

    assert seen.outcomes == dict.fromkeys(DRILLS, "passed"), seen.text
    assert seen.code == 0
    figures = {name: seen[name]["measurements"] for name in DRILLS}
    assert figures["recovery.reapply"]["everything back after"]["value"] > 0
    assert {name for name in figures["recovery.rebuild-order"] if "consumer " not in name} == {
        "node networking built in",
        "controller and speakers built in",
        "pools and advertisements built in",
        "consumers built in",
    }
    for drill in DRILLS:
        assert "gap of consumer traefik/traefik" in figures[drill]
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
    with somebody.nodes_close(bench):
        seen = bench.run("recovery.reapply", "--patience", "0.4")

    assert seen.failed == {"recovery.reapply": {"controller-down", "speaker-unschedulable"}}
    assert seen.code == 7
    assert bench.swept() == 0


@pytest.mark.full
def test_a_range_that_somebody_grabs_meanwhile_is_named(bench: Bench) -> None:
    with somebody.range_grabbed(bench, "172.30.0.219"):
        seen = bench.run("rollback.drill", "--patience", "0.3")

    assert seen.failed == {"rollback.drill": {"pool-overlap"}}
    assert seen.code == 7
    assert bench.swept() == 0


@pytest.mark.full
def test_an_address_that_a_stranger_takes_meanwhile_is_named(bench: Bench) -> None:
    with foreign_responder.answering_on_loss(bench.changes, bench.api, bench.lab, prefix="announced"):
        seen = bench.run("maintenance.after-change", "--patience", "0.4")

    assert seen.failed == {"maintenance.after-change": {"foreign-responder"}}
    assert seen.code == 7


@pytest.mark.full
@pytest.mark.parametrize("check", sorted(DRILLS))
def test_a_drill_that_is_killed_is_undone_by_a_sweep(bench: Bench, check: str) -> None:
    before, ranges = bench.held(), configuration(bench)

    def begun() -> bool:
        return gone(bench, "controller") if check.startswith("recovery.") else configuration(bench) != ranges

    assert bench.killed(check, when=begun) == -signal.SIGKILL

    assert bench.swept() == 0
    bench.metallb.speakers_ready()
    bench.metallb.controller_ready()
    assert configuration(bench) == ranges
    bench.until_held(before)


def gone(bench: Bench, deployment: str) -> bool:
    """Whether a deployment is gone."""
    return all(one["metadata"]["name"] != deployment for one in bench.api.list(DEPLOYMENTS, SYSTEM))
