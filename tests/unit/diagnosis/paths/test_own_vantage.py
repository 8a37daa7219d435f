"""What the vantage itself does to its own packets is told of it alone, and so is a router that replies for others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clusters.diagnosis import Diagnosis
from clusters.diagnosis.root_cause import RootCause
from clusters.observation import Snapshot, load
from clusters.observation.field_types import ProbeOutcome, Purpose
from clusters.observation.snapshot import Believed, Heard, Route, TryEnd

FOLDER = Path(__file__).parents[1] / "observations"
LATE, ADDRESS = "shop/late", "172.30.0.202"
#: Of node2, which replies for the address; of node1; of nobody.
OWNER, OTHER, NOBODY = "02:6d:6c:00:00:0c", "02:6d:6c:00:00:0b", "02:00:00:00:99:99"
NETWORK = "172.30.0.0/24"


@pytest.fixture
def seen() -> Snapshot:
    """A service at whose address nothing comes back, and another one of the same network that is served."""
    return load(FOLDER / "kube-proxy-stale.json.gz")


def believing(seen: Snapshot, mac: str, state: str = "permanent", **fields: object) -> Snapshot:
    entry = Believed(address=ADDRESS, mac=mac, state=state)
    return replace(seen, wire=replace(seen.wire, believed=(entry,), **fields))  # type: ignore[arg-type]


def root(seen: Snapshot) -> RootCause:
    return Diagnosis(seen).unreached[LATE].root


@pytest.mark.parametrize(
    ("mac", "state", "said"),
    [
        (NOBODY, "permanent", f"a host with MAC {NOBODY}, and node node2 replies for it"),
        (OTHER, "stale", "node node1, and node node2 replies for it"),
    ],
)
def test_an_entry_of_another_host_than_the_one_that_replies_is_the_vantages(
    seen: Snapshot, mac: str, state: str, said: str
) -> None:
    found = root(believing(seen, mac, state))

    assert found.cause == "vantage-neighbour-wrong"
    assert said in found.summary
    assert ("made by hand" in found.evidence[0]) == (state == "permanent")
    assert f"ip neigh show {ADDRESS}" in [str(each) for each in found.commands()]


def test_the_entry_of_the_host_that_replies_proves_nothing(seen: Snapshot) -> None:
    assert root(believing(seen, OWNER)).cause == root(seen).cause == "address-not-forwarded"


def unheard(seen: Snapshot) -> tuple[Heard, ...]:
    """What a kernel has learnt of the wire where somebody made its entry for the address by hand."""
    return tuple(one for one in seen.wire.heard if one.address != ADDRESS and one.purpose is not Purpose.FREE)


@pytest.mark.parametrize(("mac", "named"), [(NOBODY, True), (OTHER, False)])
def test_without_raw_sockets_a_mac_made_by_hand_that_is_no_nodes_is_proof(
    seen: Snapshot, mac: str, *, named: bool
) -> None:
    found = root(believing(seen, mac, by_kernel=True, heard=unheard(seen)))

    assert (found.cause == "vantage-neighbour-wrong") == named


def kept_back(seen: Snapshot, problem: str, *, networks: tuple[str, ...] = (NETWORK,)) -> Snapshot:
    """The vantage's kernel does not send to the address, so that nobody was asked for it either."""
    routes = tuple(
        Route(address=ADDRESS, problem=problem) if one.address == ADDRESS else one for one in seen.wire.routes
    )
    reached = tuple(
        replace(one, outcome=ProbeOutcome.UNREACHABLE, detail="host unreachable")
        if one.address == ADDRESS
        else one
        for one in seen.wire.reached
    )
    wire = replace(seen.wire, routes=routes, reached=reached, heard=unheard(seen), networks=networks)
    return replace(seen, wire=wire)


def test_a_route_of_the_vantages_own_is_no_wrong_segment(seen: Snapshot) -> None:
    found = root(kept_back(seen, "Vantage x itself keeps what it would send there: a blackhole drops it."))

    assert found.cause == "vantage-not-on-segment"
    assert f"is on {NETWORK}, and by its own routes it does not send to {ADDRESS} there" in found.summary
    assert any("a blackhole drops it" in line for line in found.evidence)
    assert found.remedy.startswith(f"Type `ip route get {ADDRESS}` on the vantage")


def test_an_address_in_no_network_of_the_nodes_is_on_the_wrong_segment(seen: Snapshot) -> None:
    found = root(kept_back(seen, "Network is unreachable.", networks=("172.30.0.0/28",)))

    assert found.cause == "wrong-segment"


def test_a_node_that_is_where_the_vantage_is_not_may_be_on_that_network(seen: Snapshot) -> None:
    changed = kept_back(seen, "Network is unreachable.", networks=("172.30.0.0/28",))
    routes = tuple(
        replace(one, on_link=False, gateway="172.30.0.1") if one.address == "172.30.0.13" else one
        for one in changed.wire.routes
    )

    assert root(replace(changed, wire=replace(changed.wire, routes=routes))).cause == "vantage-not-on-segment"


def proxied(seen: Snapshot, *macs: str) -> Snapshot:
    heard = tuple(replace(one, by_proxy=macs) if one.address == ADDRESS else one for one in seen.wire.heard)
    routes = (*seen.wire.routes, Route(address="192.0.2.1", gateway="172.30.0.1"))
    believed = (Believed(address="172.30.0.1", mac=NOBODY, state="reachable"),)
    return replace(seen, wire=replace(seen.wire, heard=heard, routes=routes, believed=believed))


def test_a_router_that_replies_for_others_is_named(seen: Snapshot) -> None:
    found = Diagnosis(proxied(seen, NOBODY)).wrongly_answered[LATE].root

    assert (found.cause, found.subject) == ("proxy-arp", "cluster")
    assert f"router 172.30.0.1 (MAC {NOBODY}) replies for {ADDRESS}" in found.summary


def test_a_node_that_replies_for_others_is_named(seen: Snapshot) -> None:
    found = Diagnosis(proxied(seen, OTHER)).wrongly_answered[LATE].root

    assert (found.cause, found.subject) == ("proxy-arp", "node node1")


def test_a_free_address_that_is_replied_for_has_the_same_cause(seen: Snapshot) -> None:
    free = Heard(address="172.30.0.219", purpose=Purpose.FREE, pool="metallb-pool", by_proxy=(NOBODY,))
    changed = proxied(seen, NOBODY)
    changed = replace(changed, wire=replace(changed.wire, heard=(*changed.wire.heard, free)))

    (found,) = (one for one in Diagnosis(changed).root_causes if one.cause == "proxy-arp")

    assert "172.30.0.202, 172.30.0.219" in found.summary


def test_a_vantage_whose_kernel_asked_nobody_has_sent_nothing(seen: Snapshot) -> None:
    found = root(believing(seen, "", "absent"))

    assert (found.cause, found.subject) == ("vantage-drops-packets", f"service {LATE}")


def test_a_kernel_that_asked_in_vain_has_sent(seen: Snapshot) -> None:
    assert root(believing(seen, "", "failed")).cause == "address-not-forwarded"


def test_where_something_came_back_something_was_sent(seen: Snapshot) -> None:
    refused = TryEnd(outcome=ProbeOutcome.REFUSED, count=20)
    reached = tuple(
        replace(one, outcome=ProbeOutcome.REFUSED, ends=(refused,)) if one.service == LATE else one
        for one in seen.wire.reached
    )

    assert root(believing(seen, "", "absent", reached=reached)).cause == "backend-refuses"


def test_a_node_that_does_not_reply_for_itself_may_be_the_host_that_nobody_knows(seen: Snapshot) -> None:
    """Its kernel replies to nobody (rp_filter), and its speaker does."""
    heard = tuple(
        replace(one, macs=()) if OWNER in one.macs and one.purpose is Purpose.NODE else one
        for one in seen.wire.heard
    )
    changed = replace(seen, wire=replace(seen.wire, heard=heard))

    assert LATE not in Diagnosis(changed).wrongly_answered
    assert "foreign-responder" not in {one.cause for one in Diagnosis(changed).root_causes}
