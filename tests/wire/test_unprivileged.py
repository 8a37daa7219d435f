"""A vantage without any privilege: traffic, and what the client's own kernel has learnt."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from clusters.errors import Inconclusive
from clusters.vantage import AgentVantage, MacTable, Target, VantageError, failover
from clusters.vantage.launch import Launch
from tests.wire.ordinary import NOBODY, ordinary_user
from tests.wire.segment import PORT, VIP, Segment


@pytest.fixture
def unprivileged(lan: Segment) -> Iterator[AgentVantage]:
    """The client's host as a user without rights."""
    with ordinary_user(lan["client"].netns, "plain") as vantage:
        yield vantage


def test_it_knows_what_it_cannot_do(unprivileged: AgentVantage, lan: Segment) -> None:
    assert unprivileged.capabilities == {"tcp", "udp", "http", "neighbours"}
    control = unprivileged.control(lan["c"].address)
    assert (control.ok, "raw sockets are not permitted" in control.reason) == (False, True)
    with pytest.raises(
        VantageError, match=r"cannot ask its segment for .* Run as root or with CAP_NET_RAW\."
    ):
        unprivileged.who_answers(VIP)


def test_traffic_and_the_kernels_table_tell_of_a_move(unprivileged: AgentVantage, lan: Segment) -> None:
    turn = threading.Event()
    with unprivileged.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        turn.wait(0.4)
        measurement.mark("fault")
        lan.move(VIP, before="a", after="b")
        turn.wait(0.6)
    timeline = measurement.timeline
    assert [(one.before, one.after) for one in timeline.learned_changes] == [(lan["a"].mac, lan["b"].mac)]
    assert timeline.outages.count == 1
    assert (timeline.requests, timeline.answers) == ((), ())
    with pytest.raises(Inconclusive, match="raw sockets are not permitted"):
        timeline.require_control()


def test_single_attempts_work(unprivileged: AgentVantage) -> None:
    assert unprivileged.try_once(Target(address=VIP, port=PORT)).server == "a"


def test_its_kernel_tells_who_holds_an_address(unprivileged: AgentVantage, lan: Segment) -> None:
    lan["b"].take("10.77.0.101")
    free, far = "10.77.0.200", "192.0.2.1"

    found = unprivileged.learned([VIP, "10.77.0.101", lan["c"].address, lan["c"].address6, free, far])

    assert found == {
        VIP: lan["a"].mac,
        "10.77.0.101": lan["b"].mac,
        lan["c"].address: lan["c"].mac,
        lan["c"].address6: lan["c"].mac,
        free: "",
    }


def test_an_address_that_was_given_up_is_not_believed_in_for_long(
    unprivileged: AgentVantage, lan: Segment
) -> None:
    unprivileged.learned([VIP])
    lan["a"].release(VIP)
    lan.make_stale(VIP)

    assert unprivileged.learned([VIP]) == {VIP: ""}


def test_macs_of_nodes_are_learnt_without_privilege(unprivileged: AgentVantage, lan: Segment) -> None:
    nodes = {name: [lan[name].address] for name in "abc"} | {"gone": ["10.77.0.99"]}
    table = MacTable.learn(unprivileged, nodes)
    assert {name: table.node_of(lan[name].mac) for name in "abc"} == {"a": "a", "b": "b", "c": "c"}
    assert table.silent == ("gone",)


def test_a_failover_is_read_from_traffic_and_the_kernels_table(
    unprivileged: AgentVantage, lan: Segment
) -> None:
    turn = threading.Event()
    nodes = {lan[name].mac: name for name in "abc"}
    with unprivileged.watch(VIP, PORT, neighbours=[lan["c"].address]) as measurement:
        turn.wait(0.6)
        assert failover.baseline(measurement.so_far()) > 10
        measurement.mark("fault")
        lan["a"].release(VIP)
        turn.wait(0.5)
        lan["b"].take(VIP)
        lan["b"].announce(VIP)
        turn.wait(1.5)  # a kernel takes no second change for a second after the first (locktime)
        measurement.mark("restored")
        lan.move(VIP, before="b", after="a")
        turn.wait(1.0)
    seen = failover.read(measurement.timeline, nodes)

    assert (seen.before, seen.owners) == ("a", ("a", "b", "a"))
    assert seen.moved_after is not None
    assert 0.45 < seen.moved_after < 1.2
    assert 0.4 < seen.service_gap < 1.3
    assert seen.back_after is not None
    assert (seen.address_gap, seen.overlap, seen.overlap_after_return, seen.gratuitous_after) == (None,) * 4
    assert "it was not seen whether two machines answered at once" in seen.unseen
    assert 0 < failover.settled_for(measurement.timeline, "a", nodes) < 1.1


def test_with_the_one_right_to_raw_sockets_it_sees_all(lan: Segment) -> None:
    enter = ("nsenter", f"--net=/run/netns/{lan['client'].netns}")
    ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    rights = ("--inh-caps=+net_raw", "--ambient-caps=+net_raw")
    launch = Launch(python=(*enter, "setpriv", *ids, *rights, sys.executable))
    with AgentVantage("plain", "host", launch) as vantage:
        assert vantage.capabilities >= {"arp", "capture"}
        assert vantage.control(lan["c"].address).ok
        lan["b"].take(VIP)
        assert vantage.who_answers(VIP, rounds=3, every=0.05).macs == {lan["a"].mac, lan["b"].mac}
