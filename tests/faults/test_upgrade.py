"""An upgrade that costs an address is seen, whether the lab performs it or somebody else does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clusters import wait
from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, SERVICES
from clusters.budgets import Budget
from clusters.faults import filters
from clusters.metallb import versions
from clusters.observation import announcers
from suites.plugin.upgrade_state import GapsFile
from tests.faults import repositories, somebody
from tests.faults.bench import Bench, Outcome, Underway
from tests.lab.tools import SCRAPING, SOON

OWN = "upgrade.preserved"
REFUSED = Budget(
    name="test.refused", within=4, every=1, reason="So long nobody is let in while somebody upgrades."
)


def _another_than(version: str) -> str:
    """A version of the lab's that is not this one."""
    return next(each for each in versions.IN_THE_LAB if each != version)


def subjects(bench_run: dict[str, object]) -> set[str]:
    """What a check's findings are about."""
    findings = bench_run["findings"]
    assert isinstance(findings, list)
    return {finding["subject"] for finding in findings}


def images(bench: Bench) -> dict[str, str]:
    """What MetalLB's workloads are to run."""
    return bench.of_metallb(
        DEPLOYMENTS, DAEMON_SETS, told=lambda raw: raw["spec"]["template"]["spec"]["containers"][0]["image"]
    )


@pytest.mark.full
def test_an_address_that_the_new_overlay_lacks_is_lost_and_named(bench: Bench) -> None:
    other = repositories.with_range(bench, "172.30.0.200-172.30.0.209", committed=False)

    seen = other.run(OWN, "--patience", "2")

    assert seen.failed == {OWN: {"requested-outside-pools"}}
    assert subjects(seen[OWN]) == {"service traefik/traefik"}
    assert seen.code == 1


@pytest.mark.full
def test_an_announcer_that_does_not_come_back_is_named(bench: Bench) -> None:
    found = announcers.read(
        bench.api, "traefik", "traefik", metallb_namespace="metallb-system", metrics=SCRAPING
    )
    (owner,) = found.metric or ()
    with bench.metallb.held_away(owner):
        seen = bench.run(OWN, "--patience", "0.5")

    assert seen.failed == {OWN: {"speaker-unschedulable"}}


@pytest.mark.full
def test_an_upgrade_that_is_killed_is_taken_back_by_a_sweep(bench: Bench) -> None:
    runs, held = images(bench), bench.held()

    assert bench.killed(OWN, when=lambda: images(bench) != runs) == -signal.SIGKILL

    assert bench.swept() == 0
    bench.metallb.speakers_ready()
    bench.metallb.controller_ready()
    assert images(bench) == runs
    bench.until_held(held)
    again = bench.run("overlay.intended-config or overlay.version-skew", allow="observe")
    assert set(again.outcomes.values()) == {"passed"}, again.text


def measured(check: dict[str, Any]) -> dict[str, float]:
    """What consumers missed, by a check."""
    found: dict[str, Any] = check["measurements"]
    return {name: one["value"] for name, one in found.items() if "consumer traefik/traefik" in name}


@contextmanager
def asked_meanwhile(bench: Bench, *options: str) -> Iterator[Underway]:
    """Consumers are asked by `--phase during` through the block, of a state that was kept before it."""
    assert bench.run("upgrade.recorded", "--phase", "before", *options, allow="observe").code == 0
    with bench.running(OWN, "--phase", "during", *options) as during:
        wait.until("consumers are asked", read=_gaps(bench).path.exists, accept=bool, budget=SOON)
        yield during


def _gaps(bench: Bench) -> GapsFile:
    return GapsFile(bench.folder / "kept.json")


def _cut_off_in_an_upgrade(bench: Bench, *options: str) -> tuple[Outcome, Outcome]:
    """What `--phase after` says of an upgrade in which a consumer served nobody for a while, and what `during` does."""
    around = ("--phase-file", str(_gaps(bench).kept), *options)
    newer = _another_than(bench.lab.metallb_version)
    with asked_meanwhile(bench, *around) as during, somebody.upgraded(bench, newer):
        with filters.address_refused(bench.changes, bench.lab, "client", address="172.30.0.210"):
            wait.pause(REFUSED)
        after = bench.run(OWN, "--phase", "after", *around, allow="observe")
        return after, during.ended()


@pytest.mark.full
def test_what_somebody_s_upgrade_costs_consumers_is_measured_through_it(bench: Bench) -> None:
    after, beside = _cut_off_in_an_upgrade(bench)

    assert after.outcomes == beside.outcomes == {OWN: "passed"}, after.text + beside.text
    figures = measured(after[OWN])
    assert REFUSED.within <= figures["gap of consumer traefik/traefik"] < REFUSED.within + 2
    assert figures["gaps of consumer traefik/traefik together"] >= REFUSED.within
    assert figures["requests of consumer traefik/traefik failed"] > 2 * REFUSED.within
    assert figures == measured(beside[OWN])
    assert any("--phase during asked consumers from" in each for each in after[OWN]["evidence"])


@pytest.mark.full
def test_a_consumer_that_an_upgrade_cuts_off_for_too_long_is_named(bench: Bench) -> None:
    """By who compares as by who measured; a shorter budget stands for an upgrade that takes longer."""
    for seen in _cut_off_in_an_upgrade(bench, "--patience", "0.3"):
        assert seen.failed == {OWN: {"over-budget"}}, seen.text
        assert subjects(seen[OWN]) == {"service traefik/traefik"}


@pytest.mark.full
def test_around_somebody_s_upgrade_what_moved_is_named(bench: Bench) -> None:
    phase_file = bench.folder / "kept.json"
    around = ("--phase-file", str(phase_file))

    before = bench.run("upgrade.preserved or upgrade.recorded", "--phase", "before", *around, allow="observe")
    assert before.outcomes == {"upgrade.recorded": "passed"}, before.text

    too_soon = bench.run("upgrade.preserved", "--phase", "after", *around, allow="observe")
    assert too_soon.outcomes == {OWN: "inconclusive"}
    assert "Nothing was upgraded since the state was kept" in too_soon[OWN]["reason"]

    with somebody.upgraded(bench, _another_than(bench.lab.metallb_version)):
        after = bench.run("upgrade.preserved", "--phase", "after", *around, allow="observe")
        assert after.outcomes == {OWN: "passed"}, after.text
        assert measured(after[OWN]) == {}
        assert any("what it cost consumers was not measured" in each for each in after[OWN]["evidence"])

        elsewhere = {"metadata": {"annotations": {"metallb.io/loadBalancerIPs": "172.30.0.215"}}}
        with bench.changes.patched(SERVICES, "traefik", elsewhere, "traefik", foreign="the fault"):
            moved = bench.run("upgrade.preserved", "--phase", "after", *around, allow="observe")

    assert moved.failed == {OWN: {"address-not-intended"}}
    assert subjects(moved[OWN]) == {"service traefik/traefik"}
    assert "traefik/traefik held 172.30.0.210 and now holds 172.30.0.215" in moved.text
