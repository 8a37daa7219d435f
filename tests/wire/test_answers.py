"""Who answers for an address, on a real segment."""

from __future__ import annotations

import time

import pytest

from clusters.vantage import MacTable, NetnsVantage, NotOnSegment, Target, VantageError, asking
from tests.wire.segment import PORT, VIP, VIP6, Segment


def test_one_owner_answers_every_question(lan: Segment, client: NetnsVantage) -> None:
    answers = client.who_answers(VIP, rounds=5, every=0.05)
    assert (answers.sole, answers.rounds) == (lan["a"].mac, 5)
    assert [one.round for one in answers.replies] == [0, 1, 2, 3, 4]


def test_two_owners_both_answer_every_question(lan: Segment, client: NetnsVantage) -> None:
    lan["b"].take(VIP)
    answers = client.who_answers(VIP, rounds=5, every=0.05)
    assert [answers.in_round(number) for number in range(5)] == [{lan["a"].mac, lan["b"].mac}] * 5


def test_nobody_answers_for_a_free_address(client: NetnsVantage) -> None:
    answers = client.who_answers("10.77.0.200", rounds=3, every=0.05, probe=True)
    assert (answers.macs, answers.rounds) == (set(), 3)


def test_ipv6_owners_answer_solicitations(lan: Segment, client: NetnsVantage) -> None:
    for node in ("a", "b"):
        lan[node].take(VIP6)
    assert client.who_answers(VIP6, rounds=3, every=0.1).macs == {lan["a"].mac, lan["b"].mac}


def test_a_squatter_is_found_among_many_free_addresses(lan: Segment, client: NetnsVantage) -> None:
    lan["b"].take("10.77.0.177")
    began = time.monotonic()
    found = client.who_answers_all([f"10.77.0.{number}" for number in range(150, 200)], rounds=2, rate=200)
    assert {address: set(one.macs) for address, one in found.items() if one.macs} == {
        "10.77.0.177": {lan["b"].mac}
    }
    assert all(one.rounds == 2 for one in found.values())
    assert time.monotonic() - began >= 99 / 200  # paced: 100 frames at 200 a second


def test_both_families_at_once(lan: Segment, client: NetnsVantage) -> None:
    found = client.who_answers_all([lan["a"].address, lan["a"].address6], rounds=1)
    assert {address: one.sole for address, one in found.items()} == {
        lan["a"].address: lan["a"].mac,
        lan["a"].address6: lan["a"].mac,
    }


def test_macs_of_nodes_are_learnt(lan: Segment, client: NetnsVantage) -> None:
    nodes = {name: [lan[name].address] for name in "abc"} | {"gone": ["10.77.0.99"]}
    table = MacTable.learn(client, nodes)
    assert {name: table.node_of(lan[name].mac) for name in "abc"} == {"a": "a", "b": "b", "c": "c"}
    assert table.silent == ("gone",)


def test_the_control_holds_with_a_living_neighbour(lan: Segment, client: NetnsVantage) -> None:
    control = client.control(lan["c"].address)
    assert (control.ok, control.seen, control.answered) == (True, 3, 3)


def test_the_control_fails_without_one(client: NetnsVantage) -> None:
    control = client.control("10.77.0.99")
    assert not control.ok
    assert control.reason == "its 3 questions for 10.77.0.99 were seen leaving, but no answer came back"


def test_the_control_fails_with_the_interface_down(lan: Segment, client: NetnsVantage) -> None:
    lan["client"].down()
    control = client.control(lan["c"].address)
    assert not control.ok
    assert "10.77.0.4 is not on a network of vantage" in control.reason


def test_the_control_fails_when_it_listens_in_the_wrong_place(
    lan: Segment, client: NetnsVantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = asking.capture
    monkeypatch.setattr(
        asking, "capture", lambda agent, _, *rest, **limits: capture(agent, "lo", *rest, **limits)
    )
    control = client.control(lan["c"].address)
    assert not control.ok
    assert control.reason == "none of its own questions for 10.77.0.4 was seen leaving"


def test_silence_means_nothing_where_its_own_questions_are_not_seen(
    client: NetnsVantage, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = asking.capture
    monkeypatch.setattr(
        asking, "capture", lambda agent, _, *rest, **limits: capture(agent, "lo", *rest, **limits)
    )
    with pytest.raises(VantageError, match=r"did not see its questions for 10\.77\.0\.200 leave"):
        client.who_answers("10.77.0.200", rounds=1)


def test_an_address_of_no_network_of_the_vantage_is_named(client: NetnsVantage) -> None:
    with pytest.raises(
        VantageError, match=r"192\.0\.2\.1 is not on a network of vantage netns:.*unreachable"
    ):
        client.who_answers("192.0.2.1")


def test_an_address_behind_a_router_cannot_be_asked(lan: Segment, client: NetnsVantage) -> None:
    lan["client"].link.route("add", dst="198.51.100.0/24", gateway=lan["c"].address)
    assert client.interface_for("198.51.100.7").gateway == lan["c"].address
    with pytest.raises(NotOnSegment, match=r"198\.51\.100\.7 .* the way is through 10\.77\.0\.4"):
        client.who_answers("198.51.100.7")


def test_the_interface_of_an_address(lan: Segment, client: NetnsVantage) -> None:
    for own, address in ((lan["client"].address, VIP), (lan["client"].address6, VIP6)):
        found = client.interface_for(address)
        assert (found.name, found.mac, found.source, found.on_link, found.up) == (
            "eth0",
            lan["client"].mac,
            own,
            True,
            True,
        )


@pytest.mark.parametrize("protocol", ["tcp", "udp", "http"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_traffic_reaches_the_owner(lan: Segment, client: NetnsVantage, protocol: str, family: str) -> None:
    lan["a"].take(VIP6)
    address = VIP if family == "ipv4" else VIP6
    attempts = client.try_often(Target(address=address, port=PORT, protocol=protocol), count=5)
    assert [(one.ok, one.server) for one in attempts] == [(True, "" if protocol == "tcp" else "a")] * 5


def test_the_kernels_table_names_the_owner(lan: Segment, client: NetnsVantage) -> None:
    client.try_once(Target(address=VIP, port=PORT))
    (entry,) = [one for one in client.neighbours() if one.address == VIP]
    assert (entry.mac, entry.interface) == (lan["a"].mac, "eth0")
    assert entry.state in ("reachable", "delay", "stale")


def test_asking_does_not_change_what_the_client_has_learnt(lan: Segment, client: NetnsVantage) -> None:
    client.try_once(Target(address=VIP, port=PORT))
    lan.move(VIP, before="a", after="b", announce=False)
    client.control(lan["c"].address)
    with client.watch(VIP, 9, every=5.0, neighbours=[lan["c"].address]) as measurement:
        assert measurement.client.alive
        client.try_often(Target(address=lan["c"].address, port=PORT), count=10, every=0.05)
    assert measurement.timeline.macs == {lan["b"].mac}
    assert {one.mac for one in measurement.timeline.learned} == {lan["a"].mac}


def test_where_a_phantom_gets_no_answer_the_client_asks_itself(lan: Segment, client: NetnsVantage) -> None:
    lan.bind_port("client")
    with client.watch(VIP, PORT, neighbours=[lan["c"].address6, lan["c"].address]) as measurement:
        client.try_once(Target(address=VIP, port=PORT))
    timeline = measurement.timeline.require_control()
    assert (timeline.macs, timeline.address_outages.count) == ({lan["a"].mac}, 0)
    sources = {frame.data[6:12].hex(":") for frame in measurement.frames if frame.sent}
    assert sources == {lan["client"].mac}
