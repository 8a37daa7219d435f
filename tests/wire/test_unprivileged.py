"""A vantage without any privilege: traffic, and what the client's own kernel has learnt."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from clusters.errors import Inconclusive
from clusters.vantage import AgentVantage, Target, VantageError
from clusters.vantage.launch import Launch
from tests.wire.segment import PORT, VIP, Segment

NOBODY = "65534"


@pytest.fixture
def unprivileged(lan: Segment) -> Iterator[AgentVantage]:
    """The client's host as a user without rights; getting there takes root, so it is done before."""
    enter = ("nsenter", f"--net=/run/netns/{lan['client'].netns}")
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    with AgentVantage("plain", "host", Launch(python=(*enter, *drop, sys.executable))) as vantage:
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
