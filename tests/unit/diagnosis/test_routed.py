"""A second vantage behind a router: what it misses of what the first one reaches, and only that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusters.observation import Objects, load
from clusters.observation.field_types import ProbeOutcome, Purpose
from clusters.observation.snapshot import Heard, Reached, Route, Snapshot, Status, WireView
from tests.answers import Told, answered

OBSERVATIONS = Path(__file__).with_name("observations")


@pytest.fixture(scope="module")
def healthy() -> Snapshot:
    return load(OBSERVATIONS / "healthy.json.gz")


def door(service: str, address: str, outcome: str, *, protocol: str = "TCP") -> Reached:
    detail = "" if outcome == "answered" else f"{outcome} connecting"
    return Reached(
        service=f"shop/{service}",
        address=address,
        port=80,
        protocol=protocol,
        outcome=ProbeOutcome(outcome),
        detail=detail,
    )


def view(place: str, *reached: Reached, gateway: str = "") -> WireView:
    routes = tuple(
        Route(address=one.address, on_link=not gateway, gateway=gateway)
        for one in {each.address: each for each in reached}.values()
    )
    return WireView(status=Status.OK, place=place, routes=routes, reached=reached, control_ok=True)


def judged(healthy: Snapshot, near: WireView, far: WireView) -> Told:
    return answered("traffic.routed", replace(healthy, wire=near, routed=far))


A, B, C = "10.9.0.1", "10.9.0.2", "10.9.0.3"
NEAR = view("host", door("a", A, "answered"), door("b", B, "answered"), door("c", C, "timeout"))


def far(*reached: Reached) -> WireView:
    return view("ssh:branch", *reached, gateway="10.8.0.1")


def test_what_both_reach_is_well(healthy: Snapshot) -> None:
    found = judged(
        healthy, NEAR, far(door("a", A, "answered"), door("b", B, "answered"), door("c", C, "timeout"))
    )

    assert (found.findings, found.missing, found.unsupported) == ((), (), "")
    assert found.notes == ("2 ports that answer at host were tried from ssh:branch",)


def test_what_only_the_second_misses_is_a_finding_of_its_own(healthy: Snapshot) -> None:
    found = judged(
        healthy, NEAR, far(door("a", A, "timeout"), door("b", B, "answered"), door("c", C, "timeout"))
    )

    (finding,) = found.findings
    assert (finding.cause, finding.subject) == ("not-routed", "service shop/a")
    assert finding.summary == (
        "10.9.0.1 is not reached through a router, from ssh:branch; on its segment it answers."
    )
    assert finding.evidence == ("ssh:branch: TCP 10.9.0.1:80: timeout connecting",)
    assert finding.commands[1] == "ip route get 10.9.0.1"


def test_where_nothing_arrives_it_is_one_finding(healthy: Snapshot) -> None:
    found = judged(healthy, NEAR, far(door("a", A, "unreachable"), door("b", B, "refused")))

    assert [(one.cause, one.subject) for one in found.findings] == [("not-routed", "cluster")]
    assert len(found.findings[0].evidence) == 2


def test_what_nobody_answers_for_is_no_matter_of_routers(healthy: Snapshot) -> None:
    heard = (
        Heard(address=A, purpose=Purpose.ASSIGNED),
        Heard(address=B, purpose=Purpose.ASSIGNED, macs=("02:00:00:00:00:01",)),
    )

    found = judged(healthy, replace(NEAR, heard=heard), far(door("a", A, "timeout"), door("b", B, "timeout")))

    assert [(one.cause, one.subject) for one in found.findings] == [("not-routed", "service shop/b")]


def test_silence_over_udp_proves_nothing(healthy: Snapshot) -> None:
    near = view("host", door("a", A, "answered", protocol="UDP"))

    assert judged(healthy, near, far(door("a", A, "silent", protocol="UDP"))).findings == ()


def test_a_second_vantage_on_the_segment_shows_no_way_through_a_router(healthy: Snapshot) -> None:
    found = judged(healthy, NEAR, view("ssh:branch", door("a", A, "timeout"), door("b", B, "answered")))

    assert found.findings == ()
    assert found.missing == ("Vantage ssh:branch is on the segment of 10.9.0.1, 10.9.0.2 itself.",)


def test_without_one_there_is_no_answer(healthy: Snapshot) -> None:
    none = WireView(detail="the profile names no routed_vantage")

    assert judged(healthy, NEAR, none).unsupported == "the profile names no routed_vantage."


def test_one_that_fails_decides_nothing(healthy: Snapshot) -> None:
    failed = WireView(
        status=Status.FAILED, detail="Vantage ssh:branch did not answer in time.", place="ssh:branch"
    )

    assert judged(healthy, NEAR, failed).missing == (
        "It could not read what answers through a router: Vantage ssh:branch did not answer in time.",
    )


def announced(service: str, *nodes: str) -> Objects:
    """MetalLB's events on a service of the shop: it was announced from one node after the other."""
    items = tuple(
        {
            "metadata": {"name": f"{service}.{number}", "namespace": "shop"},
            "involvedObject": {"kind": "Service", "namespace": "shop", "name": service},
            "reason": "nodeAssigned",
            "message": f'announcing from node "{node}" with protocol "layer2"',
            "lastTimestamp": f"2026-11-24T05:0{number}:00Z",
            "type": "Normal",
        }
        for number, node in enumerate(nodes)
    )
    return Objects(status=Status.OK, items=items)


@pytest.mark.parametrize(
    ("nodes", "cause"),
    [(("node1", "node2"), "router-neighbour-stale"), (("node1",), "not-routed"), ((), "not-routed")],
)
def test_an_address_that_moved_while_others_are_served_is_the_routers_neighbour_entry(
    healthy: Snapshot, nodes: tuple[str, ...], cause: str
) -> None:
    seen = replace(healthy, service_events=announced("a", *nodes))

    found = judged(seen, NEAR, far(door("a", A, "timeout"), door("b", B, "answered")))

    (finding,) = found.findings
    assert (finding.cause, finding.subject) == (cause, "service shop/a")
    assert ("from node node1 to node2" in finding.summary) == (cause == "router-neighbour-stale")


def test_where_nothing_is_served_behind_the_router_its_neighbours_are_not_the_matter(
    healthy: Snapshot,
) -> None:
    seen = replace(healthy, service_events=announced("a", "node1", "node2"))

    found = judged(seen, NEAR, far(door("a", A, "timeout"), door("b", B, "timeout")))

    assert {finding.cause for finding in found.findings} == {"not-routed"}
