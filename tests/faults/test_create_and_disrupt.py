"""Every create and disrupt check is seen to fail, for a fault made for real, with the cause that it must name.

The slower of these are behind the mark `full`; `make drills` runs them all.
"""

from __future__ import annotations

import pytest

from clusters.api.resources import DEPLOYMENTS, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS, NODES, SERVICES
from clusters.faults import filters, foreign_responder, lab_hosts, rival_controllers
from clusters.metallb import services
from clusters.workloads import builders
from tests.faults import somebody
from tests.faults.bench import Bench

ADVERTISEMENT = "metallb-l2"
POOL = "metallb-pool"


def held(bench: Bench) -> list[str]:
    """The addresses that services hold."""
    return sorted(str(one) for raw in bench.api.list(SERVICES) for one in services.parse(raw).ingress)


def only(addresses: list[str]) -> dict[str, dict[str, list[str]]]:
    """A patch of a pool that leaves it these addresses."""
    return {"spec": {"addresses": [f"{one}-{one}" for one in addresses]}}


@pytest.mark.full
def test_a_stopped_controller_leaves_services_pending(bench: Bench) -> None:
    with bench.changes.scaled(DEPLOYMENTS, "controller", 0, namespace="metallb-system", foreign="the fault"):
        seen = bench.run("allocation.automatic or allocation.requested", allow="create")

    assert seen.failed == {
        "allocation.automatic": {"controller-down"},
        "allocation.requested": {"controller-down"},
    }
    assert seen.code == 1


def test_a_full_pool_is_told_before_anything_is_made(bench: Bench) -> None:
    with bench.changes.patched(
        IP_ADDRESS_POOLS, POOL, only(held(bench)), "metallb-system", foreign="the fault"
    ):
        seen = bench.run("allocation.automatic", allow="create")

    assert seen.code == 6
    assert "The pools have 0 free addresses left for new services" in seen.text


@pytest.mark.full
def test_a_pool_that_others_fill_meanwhile_leaves_services_pending(bench: Bench) -> None:
    two = [*held(bench), "172.30.0.216", "172.30.0.217"]
    rest = [builders.load_balancer(f"crowd{number}", namespace="shop", app="shop") for number in range(2)]
    with (
        bench.changes.patched(IP_ADDRESS_POOLS, POOL, only(two), "metallb-system", foreign="the fault"),
        bench.changes.scope(),
        rival_controllers.crowding(bench.changes, bench.api, *rest),
    ):
        seen = bench.run("allocation.automatic or allocation.requested or allocation.shared", allow="create")

    assert seen.failed == {"allocation.automatic": {"pool-exhausted"}}
    assert seen.outcomes["allocation.requested"] == "inconclusive"
    assert "No pool has a free IPv4 address" in seen["allocation.requested"]["reason"]


@pytest.mark.parametrize(
    ("check", "prefix"),
    [
        ("allocation.conflict", "greedy"),
        pytest.param("allocation.exhausted", "waiting", marks=pytest.mark.full),
        pytest.param("allocation.shared", "unlike", marks=pytest.mark.full),
    ],
)
def test_a_rival_controller_gives_addresses_away(bench: Bench, check: str, prefix: str) -> None:
    with rival_controllers.rival_controller(bench.lab, bench.api, "172.30.0.215", prefix=prefix):
        seen = bench.run(check, allow="create")

    assert seen.failed == {check: {"rival-controller"}}


@pytest.mark.full
@pytest.mark.parametrize("check", ["allocation.released", "announcement.withdrawn"])
def test_a_stranger_takes_an_address_when_it_is_freed(bench: Bench, check: str) -> None:
    prefix = check.partition(".")[2]
    with foreign_responder.answering_after(
        bench.changes, bench.api, bench.lab, event="DELETED", prefix=prefix
    ):
        seen = bench.run(check, allow="create")

    assert seen.failed == {check: {"foreign-responder"}}


def test_a_stranger_answers_beside_the_announcer(bench: Bench) -> None:
    with foreign_responder.answering_after(
        bench.changes, bench.api, bench.lab, event="ADDED", prefix="answered"
    ):
        seen = bench.run("announcement.answered", allow="create")

    assert seen.failed == {"announcement.answered": {"foreign-responder"}}


@pytest.mark.full
def test_a_pool_without_advertisement_stays_silent(bench: Bench) -> None:
    with bench.changes.deleted(L2_ADVERTISEMENTS, ADVERTISEMENT, "metallb-system", foreign="the fault"):
        seen = bench.run("announcement.answered or allocation.automatic", allow="create")

    assert seen.failed == {"announcement.answered": {"pool-not-advertised"}}
    assert seen.outcomes["allocation.automatic"] == "passed"


@pytest.mark.full
def test_a_cut_memberlist_makes_two_announcers(bench: Bench) -> None:
    with filters.memberlist_cut(bench.changes, bench.lab, "node2"):
        bench.claimed_by("traefik", "traefik", 2)
        seen = bench.run("announcement.answered or allocation.automatic", allow="create")
    bench.metallb.delete_speaker("node2")  # it would meet the others again by itself within a minute
    bench.claimed_by("traefik", "traefik", 1)

    assert seen.failed == {"announcement.answered": {"memberlist-partition"}}


def test_gratuitous_arp_that_is_dropped_is_missed(bench: Bench) -> None:
    with filters.gratuitous_arp_lost(bench.changes, bench.lab, "172.30.0.200-172.30.0.220"):
        seen = bench.run("announcement.gratuitous or announcement.answered", allow="create")

    assert seen.failed == {"announcement.gratuitous": {"gratuitous-arp-missing"}}


@pytest.mark.full
def test_a_stopped_kube_proxy_leaves_an_address_unserved(bench: Bench) -> None:
    with lab_hosts.frozen(bench.changes, bench.lab, "kube-proxy"):
        seen = bench.run("announcement.answered", allow="create")

    assert seen.failed == {"announcement.answered": {"address-not-forwarded"}}


@pytest.mark.full
def test_a_stopped_kube_proxy_keeps_pods_from_a_service(bench: Bench) -> None:
    inside = bench.profile_with(vantage="pod")
    select = "announcement.inside or announcement.answered or traffic.single-announcer"

    healthy = inside.run(select, allow="create")
    with lab_hosts.frozen(bench.changes, bench.lab, "kube-proxy"):
        broken = inside.run("announcement.inside", allow="create")
    elsewhere = bench.run("announcement.inside or allocation.requested", allow="create")

    assert healthy.outcomes == {
        "announcement.inside": "passed",
        "announcement.answered": "inconclusive",
        "traffic.single-announcer": "inconclusive",
    }
    assert healthy.results["run"]["vantage"] == "pod"
    for check in ("announcement.answered", "traffic.single-announcer"):
        assert "vantage is a pod, and inside the cluster kube-proxy answers" in healthy[check]["reason"]
    assert broken.failed == {"announcement.inside": {"address-not-forwarded"}}
    (finding,) = broken["announcement.inside"]["findings"]
    assert "cluster-ip from node" in finding["summary"]
    assert "Whether it is reached from outside is not said by this." in finding["summary"]
    left_out = {one["id"]: one["reason"] for one in elsewhere.results["not_tested"]}
    assert left_out["announcement.inside"].startswith("needs a probe pod")


@pytest.mark.full
def test_local_policy_without_a_speaker_at_the_endpoint_is_silent(bench: Bench) -> None:
    only = {"spec": {"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "node1"}}]}}
    with (
        bench.changes.patched(NODES, "node1", {"spec": {"unschedulable": True}}, foreign="the fault"),
        bench.changes.patched(L2_ADVERTISEMENTS, ADVERTISEMENT, only, "metallb-system", foreign="the fault"),
    ):
        seen = bench.run("announcement.local-policy or announcement.answered", allow="create")

    assert seen.failed == {"announcement.local-policy": {"local-policy-no-endpoint-on-announcer"}}


@pytest.mark.full
def test_without_a_second_speaker_nobody_takes_over(bench: Bench) -> None:
    """That cannot be tried then, and why the other speakers are missing is for a check that looks."""
    with bench.metallb.only_on("node2"):
        seen = bench.run("failover and not controller or traffic.speakers-placed")

    assert seen.failed == {"traffic.speakers-placed": {"speaker-unschedulable"}}
    tried = {check: said for check, said in seen.outcomes.items() if check.startswith("failover.")}
    assert tried == dict.fromkeys(
        (
            "failover.speaker-deleted",
            "failover.speaker-killed",
            "failover.node-lost",
            "failover.node-excluded",
        ),
        "not_supported",
    )
    assert "no node but node2 has a speaker" in seen["failover.node-lost"]["reason"]


@pytest.mark.full
def test_a_controller_that_cannot_come_back_is_named(bench: Bench) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-more-pods", "namespace": "metallb-system"},
        "spec": {"hard": {"pods": "0"}},
    }
    with bench.changes.created(quota, foreign="the fault"):
        seen = bench.run("failover.controller-restart", "--patience", "0.3")

    assert seen.failed == {"failover.controller-restart": {"controller-down"}}
    # The cluster is left without its controller, and that is worse than a check that failed.
    assert seen.code == 7
    assert "not as well as before it was disturbed" in seen.text


@pytest.mark.full
def test_a_consumer_that_serves_nobody_during_a_failover_is_named(bench: Bench) -> None:
    with somebody.consumer_refused(bench, "172.30.0.210", seconds=4):
        seen = bench.run("failover.speaker-deleted")

    assert seen.failed == {"failover.speaker-deleted": {"over-budget"}}
    (finding,) = seen["failover.speaker-deleted"]["findings"]
    assert finding["subject"] == "service traefik/traefik"
    figures = seen["failover.speaker-deleted"]["measurements"]
    assert 3.5 < figures["gap of consumer traefik/traefik"]["value"] < 5.5
    assert figures["gap of the service"]["value"] < 1


@pytest.mark.full
def test_backends_that_never_start_decide_nothing(bench: Bench) -> None:
    other = bench.profile_with(image="registry.invalid/none:1", budgets={"pods_ready": 8.0})

    seen = other.run("announcement.answered or allocation.automatic", allow="create")

    assert not seen.failed
    assert set(seen.outcomes.values()) == {"inconclusive"}
    assert seen.code == 8
