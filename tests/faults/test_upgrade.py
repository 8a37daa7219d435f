"""An upgrade that costs an address is seen, whether the lab performs it or somebody else does."""

from __future__ import annotations

import signal

import pytest

from clusters.api.resources import DAEMON_SETS, DEPLOYMENTS, SERVICES
from clusters.metallb import versions
from clusters.observation import announcers
from tests.faults import repositories, somebody
from tests.faults.bench import Bench
from tests.lab.tools import SCRAPING

OWN = "upgrade.preserved"


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

        elsewhere = {"metadata": {"annotations": {"metallb.io/loadBalancerIPs": "172.30.0.215"}}}
        with bench.changes.patched(SERVICES, "traefik", elsewhere, "traefik", foreign="the fault"):
            moved = bench.run("upgrade.preserved", "--phase", "after", *around, allow="observe")

    assert moved.failed == {OWN: {"address-not-intended"}}
    assert subjects(moved[OWN]) == {"service traefik/traefik"}
    assert "traefik/traefik held 172.30.0.210 and now holds 172.30.0.215" in moved.text
