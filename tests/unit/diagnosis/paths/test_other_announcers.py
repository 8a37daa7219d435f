"""Addresses that BGP announces, or something else than MetalLB, and addresses that MetalLB does not know of."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.checks import Reading
from clusters.checks.path_links import Link
from clusters.checks.path_links import Path as Way
from clusters.diagnosis import Diagnosis, paths
from clusters.observation import Objects, Snapshot, Status, load
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import PodMetrics, Sample
from tests.answers import all_answered

FOLDER = Path(__file__).parents[1] / "observations"
GATEWAY = "172.30.0.1"


@pytest.fixture
def healthy() -> Snapshot:
    return load(FOLDER / "healthy.json.gz")


def causes(seen: Snapshot) -> dict[str, set[tuple[str, str]]]:
    return {
        check: {(finding.cause, str(finding.subject)) for finding in told.findings}
        for check, told in all_answered(seen).items()
        if told.findings
    }


def routed(seen: Snapshot, outcome: ProbeOutcome = ProbeOutcome.ANSWERED) -> Snapshot:
    """Services' addresses are behind the gateway, where nobody is asked by ARP; the ports end as `outcome` says."""
    assigned = {one.address for one in seen.wire.reached}
    routes = tuple(
        replace(route, on_link=False, gateway=GATEWAY) if route.address in assigned else route
        for route in seen.wire.routes
    )
    heard = tuple(one for one in seen.wire.heard if one.purpose != "assigned")
    reached = tuple(replace(one, outcome=outcome) for one in seen.wire.reached)
    return replace(seen, wire=replace(seen.wire, routes=routes, heard=heard, reached=reached))


def without(seen: Snapshot, *names: str) -> Snapshot:
    nothing = Objects(status=Status.OK)
    return replace(seen, **dict.fromkeys(names, nothing))


SPEAKERS_OFF = ("daemon_sets", "l2_advertisements", "bgp_advertisements", "service_l2_statuses")


def controller_only(seen: Snapshot) -> Snapshot:
    pods = tuple(raw for raw in seen.pods.items if "speaker" not in raw["metadata"]["name"])
    metrics = tuple(page for page in seen.metrics if "speaker" not in page.pod)
    logs = tuple(tail for tail in seen.logs if "speaker" not in tail.pod)
    found = replace(seen, pods=replace(seen.pods, items=pods), metrics=metrics, logs=logs)
    return without(found, *SPEAKERS_OFF)


def test_a_controller_alone_whose_addresses_are_served_is_well(healthy: Snapshot) -> None:
    seen = controller_only(routed(healthy))

    assert causes(seen) == {}
    assert "no advertisement of MetalLB's covers it" in " ".join(
        all_answered(seen)["health.config-present"].notes
    )
    found = {one.path: one for one in paths.of_service(Diagnosis(seen), "shop/web")}[Way.TRAFFIC]
    readings = {one.link: one.reading for one in found.links}
    assert readings[Link.ADVERTISED] == Reading.OK
    assert readings[Link.ANNOUNCER] == readings[Link.ANSWER] == Reading.NOT_APPLICABLE


def test_the_same_where_nothing_is_served_lacks_what_announces_it(healthy: Snapshot) -> None:
    seen = controller_only(routed(healthy, ProbeOutcome.TIMEOUT))

    assert causes(seen)["health.pods-ready"] == {("speaker-down", "daemonset speaker")}


def test_the_profile_can_say_that_it_is_meant(healthy: Snapshot) -> None:
    seen = controller_only(routed(healthy, ProbeOutcome.TIMEOUT))
    expected = replace(seen.expectations, announced_by_others=True)

    assert causes(replace(seen, expectations=expected)) == {}


def test_addresses_that_a_client_still_knows_are_no_proof_of_another_announcer() -> None:
    seen = load(FOLDER / "pool-not-advertised.json.gz")

    assert not Diagnosis(seen).facts.announced_by_others


def by_bgp(seen: Snapshot, *up: float, states: tuple[str, ...] = ()) -> Snapshot:
    """The pools are advertised by BGP alone; speakers say how their sessions are."""
    advertisement = {"metadata": {"name": "all", "namespace": "metallb-system"}, "spec": {}}
    peer = {"metadata": {"name": "router", "namespace": "metallb-system"}, "spec": {}}
    speakers = [page for page in seen.metrics if "speaker" in page.pod]
    metrics = tuple(
        PodMetrics(
            status=Status.OK, pod=page.pod,
            samples=(Sample(name="metallb_bgp_session_up", labels={"peer": f"{GATEWAY}:179"}, value=value),),
        )
        for page, value in zip(speakers, up, strict=False)
    )  # fmt: skip
    sessions = tuple(
        {
            "metadata": {"name": f"s{number}", "namespace": "frr-k8s-system"},
            "status": {"node": f"node{number + 1}", "peer": GATEWAY, "bgpStatus": state},
        }
        for number, state in enumerate(states)
    )
    return replace(
        without(seen, "l2_advertisements", "service_l2_statuses"),
        bgp_advertisements=Objects(status=Status.OK, items=(advertisement,)),
        bgp_peers=Objects(status=Status.OK, items=(peer,)),
        bgp_session_states=Objects(status=Status.OK, items=sessions),
        metrics=metrics,
    )


@pytest.mark.parametrize("outcome", [ProbeOutcome.TIMEOUT, ProbeOutcome.UNREACHABLE])
def test_a_pool_that_bgp_announces_lacks_no_l2advertisement(healthy: Snapshot, outcome: ProbeOutcome) -> None:
    named = {cause for found in causes(by_bgp(routed(healthy, outcome))).values() for cause, _ in found}

    assert "pool-not-advertised" not in named


def test_no_session_at_all_is_why_addresses_are_not_reached(healthy: Snapshot) -> None:
    found = causes(by_bgp(routed(healthy, ProbeOutcome.TIMEOUT), 0, 0, 0))

    assert found["traffic.bgp-session"] == {("bgp-session-down", f"peer {GATEWAY}:179")}
    assert {cause for cause, _ in found["trigger.unreachable-address"]} == {"bgp-session-down"}


def test_a_node_without_any_session_is_told_by_its_name(healthy: Snapshot) -> None:
    states = ("Established", "Established", "Active")

    found = causes(by_bgp(routed(healthy), states=states))

    assert found["traffic.bgp-session"] == {("bgp-session-down", "node node3")}
    assert "trigger.unreachable-address" not in found


def renamed_gauges(seen: Snapshot, *peers: tuple[str, float], address: str = GATEWAY) -> Snapshot:
    """Each speaker says of these peers that their gauge has this value; the BGPPeer has this address."""
    samples = tuple(
        Sample(name="metallb_bgp_session_up", labels={"peer": peer}, value=up) for peer, up in peers
    )
    peer = {"metadata": {"name": "router", "namespace": "metallb-system"}, "spec": {"peerAddress": address}}
    return replace(
        seen,
        bgp_peers=Objects(status=Status.OK, items=(peer,)),
        metrics=tuple(replace(page, samples=samples) for page in seen.metrics),
    )


@pytest.mark.parametrize(
    ("peers", "address", "named"),
    [
        # What a speaker of 0.15 shows of one session: the bare address's gauge stays at 0 whatever the session does.
        (((GATEWAY, 0), (f"{GATEWAY}:179", 1)), GATEWAY, None),
        (((GATEWAY, 0), (f"{GATEWAY}:179", 0)), GATEWAY, f"peer {GATEWAY}:179"),
        (((GATEWAY, 0),), GATEWAY, f"peer {GATEWAY}"),
        # A BGPPeer that was deleted leaves the bare one behind for as long as the speaker runs.
        ((("192.0.2.7", 0), (f"{GATEWAY}:179", 1)), GATEWAY, None),
        ((("192.0.2.7", 0),), "", "peer 192.0.2.7"),
        ((("fd00::1", 0), ("fd00::1:179", 1)), "FD00:0::1", None),
        ((("fd00::1", 0), ("fd00::1:179", 0)), "FD00:0::1", "peer fd00::1:179"),
        ((("eth1", 0),), "", "peer eth1"),
    ],
)
def test_a_gauge_that_no_session_moves_says_nothing(
    healthy: Snapshot, peers: tuple[tuple[str, float], ...], address: str, named: str | None
) -> None:
    found = causes(renamed_gauges(by_bgp(routed(healthy), 0, 0, 0), *peers, address=address))

    assert found.get("traffic.bgp-session", set()) == ({("bgp-session-down", named)} if named else set())


@pytest.mark.parametrize(
    ("up", "outcome", "cause"),
    [
        ((1, 1, 1), ProbeOutcome.UNREACHABLE, "bgp-route-missing"),
        ((1, 1, 1), ProbeOutcome.TIMEOUT, "address-not-forwarded"),
        ((), ProbeOutcome.TIMEOUT, "address-not-forwarded"),
    ],
)
def test_a_session_that_is_up_leaves_the_route(
    healthy: Snapshot, up: tuple[float, ...], outcome: ProbeOutcome, cause: str
) -> None:
    seen = by_bgp(routed(healthy, outcome), *up)

    assert {each for each, _ in causes(seen)["trigger.unreachable-address"]} == {cause}
    if cause == "address-not-forwarded":
        root = Diagnosis(seen).unreached["shop/web"].root
        first = "bgp-route-missing" if up else "bgp-session-down"
        assert root.candidates[0].cause == first


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(ProbeOutcome.TIMEOUT, True), (ProbeOutcome.UNREACHABLE, True), (ProbeOutcome.ANSWERED, False)],
)
def test_a_pool_by_bgp_alone_with_no_router_is_not_advertised(
    healthy: Snapshot, outcome: ProbeOutcome, *, told: bool
) -> None:
    seen = without(by_bgp(routed(healthy, outcome)), "bgp_peers")

    found = causes(seen)
    assert (("pool-not-advertised", "pool metallb-pool") in found.get("health.config-present", set())) is told
    unreached = {cause for cause, _ in found.get("trigger.unreachable-address", set())}
    assert unreached == ({"pool-not-advertised"} if told else set())


def test_without_a_peer_there_is_nothing_to_look_at(healthy: Snapshot) -> None:
    assert all_answered(without(healthy, "bgp_peers"))["traffic.bgp-session"].unsupported


def test_sessions_of_which_nothing_tells_are_no_pass(healthy: Snapshot) -> None:
    answer = all_answered(by_bgp(healthy))["traffic.bgp-session"]

    assert not answer.findings
    assert "No source tells of a BGP session" in answer.missing[0]


def external(seen: Snapshot, address: str, *, kind: str = "ClusterIP") -> Snapshot:
    raw: dict[str, Any] = {
        "metadata": {"name": "own", "namespace": "shop"},
        "spec": {"type": kind, "externalIPs": [address], "ports": []},
    }
    return replace(seen, external_ip_services=Objects(status=Status.OK, items=(raw,)))


@pytest.mark.parametrize(
    ("address", "taken"), [("172.30.0.215", True), ("172.30.0.99", False), ("bad", False)]
)
def test_an_external_address_of_a_pool_is_told(healthy: Snapshot, address: str, *, taken: bool) -> None:
    found = causes(external(healthy, address))

    assert found == (
        {"pending.annotations": {("external-address-in-pool", "service shop/own")}} if taken else {}
    )


def test_an_external_address_that_another_service_holds_is_told_with_it(healthy: Snapshot) -> None:
    (finding,) = all_answered(external(healthy, "172.30.0.200"))["pending.annotations"].findings

    assert any("172.30.0.200 is held by service shop/web" in line for line in finding.evidence)


def test_the_external_address_that_metallb_gave_to_the_service_is_its_own(healthy: Snapshot) -> None:
    items = tuple(copy.deepcopy(raw) for raw in healthy.services.items)
    for raw in items:
        raw["spec"]["externalIPs"] = [one["ip"] for one in raw["status"]["loadBalancer"]["ingress"]]

    assert causes(replace(healthy, services=replace(healthy.services, items=items))) == {}


def elsewhere(seen: Snapshot, *pods: str) -> Snapshot:
    pool = {"metadata": {"name": "edge", "namespace": "metallb"}, "spec": {"addresses": ["10.0.0.1/32"]}}
    listed = tuple({"metadata": {"name": name, "namespace": "metallb"}, "spec": {}} for name in pods)
    return replace(
        seen,
        pools_elsewhere=Objects(status=Status.OK, items=(pool,)),
        metallb_pods_elsewhere=Objects(status=Status.OK, items=listed),
    )


def test_a_pool_in_a_namespace_that_no_metallb_reads_is_told(healthy: Snapshot) -> None:
    found = causes(elsewhere(healthy))

    assert found == {"health.config-present": {("pool-in-other-namespace", "pool metallb/edge")}}


def test_the_pool_of_another_metallb_is_its_own_matter(healthy: Snapshot) -> None:
    assert causes(elsewhere(healthy, "controller-1")) == {}


def second(seen: Snapshot, *arguments: str, phase: str = "Running") -> Snapshot:
    pod = {
        "metadata": {"name": "controller-1", "namespace": "metallb"},
        "spec": {"containers": [{"name": "controller", "args": ["--port=7472", *arguments]}]},
        "status": {"phase": phase},
    }
    return replace(seen, metallb_pods_elsewhere=Objects(status=Status.OK, items=(pod,)))


def test_a_second_metallb_that_serves_the_same_services_is_told(healthy: Snapshot) -> None:
    found = causes(second(healthy))

    assert found["health.pods-ready"] == {("controller-doubled", "namespace metallb")}


@pytest.mark.parametrize(("arguments", "phase"), [(("--lb-class=other",), "Running"), ((), "Pending")])
def test_a_second_metallb_of_another_class_or_that_does_not_run_is_no_fault(
    healthy: Snapshot, arguments: tuple[str, ...], phase: str
) -> None:
    assert causes(second(healthy, *arguments, phase=phase)) == {}


def test_where_pods_elsewhere_were_not_read_nothing_is_said_of_pools_there(healthy: Snapshot) -> None:
    refused = Objects(status=Status.NOT_PERMITTED, verb="list", resource="pods", detail="no")

    assert causes(replace(elsewhere(healthy), metallb_pods_elsewhere=refused)) == {}


def test_of_a_controller_alone_nothing_is_left_open(healthy: Snapshot) -> None:
    seen = controller_only(routed(healthy))

    left = {check: told.missing for check, told in all_answered(seen).items() if told.missing}

    assert left == {}
