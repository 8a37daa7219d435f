"""Tries at many ports on a real segment: how each kind of refusal, and silence, is told."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from clusters.vantage import Attempt, NetnsVantage, Target
from tests.wire.segment import PORT, VIP, Segment

CLONE_NEWNET = 0x40000000
#: Networks behind node a, each with its kind of route there, and what one is told who tries to get there.
BEHIND = {
    "prohibit": (
        ("10.88.1.9", "host unreachable", "admin-prohibited"),
        ("fd88:1::9", "prohibited", "admin-prohibited"),
    ),
    "unreachable": (
        ("10.88.2.9", "host unreachable", "host-unreachable"),
        ("fd88:2::9", "network unreachable", "network-unreachable"),
    ),
    "blackhole": (("10.88.3.9", "timeout connecting", ""), ("fd88:3::9", "timeout connecting", "")),
}


def inside(netns: str, work: Callable[[], object]) -> None:
    """Do something in a network namespace, in a thread of its own: a namespace belongs to a thread."""

    def enter() -> None:
        namespace = os.open(f"/run/netns/{netns}", os.O_RDONLY)
        try:
            assert not ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET)
        finally:
            os.close(namespace)
        work()

    thread = Thread(target=enter)
    thread.start()
    thread.join(10)


@pytest.fixture
def routed(lan: Segment) -> Segment:
    """The segment with networks behind node a that nobody gets to."""
    gateway, client = lan["a"], lan["client"]

    def forward() -> None:
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            Path("/proc/sys/net", name).write_text("1", encoding="ascii")

    inside(gateway.netns, forward)
    for kind, (four, six) in BEHIND.items():
        for address, length, router in ((four[0], 32, gateway.address), (six[0], 128, gateway.address6)):
            client.link.route("add", dst=f"{address}/{length}", gateway=router)
            gateway.link.route("add", dst=f"{address}/{length}", type=kind)
    return lan


def told(attempts: tuple[Attempt, ...]) -> set[tuple[bool, str, str, str]]:
    return {(one.ok, one.error, one.icmp, one.sent_by) for one in attempts}


def test_ports_are_tried_in_turns_from_different_source_ports(lan: Segment, client: NetnsVantage) -> None:
    served, closed = (Target(address=VIP, port=port, protocol="tcp") for port in (PORT, PORT + 1))

    found = client.try_all([(served, 5), (closed, 3)], every=0.005, timeout=1.0)

    assert [len(each) for each in found] == [5, 3]
    assert told(found[0]) == {(True, "", "", "")}
    assert told(found[1]) == {(False, "refused", "", "")}  # a reset: nobody listens, and no filter says so


@pytest.mark.parametrize("kind", BEHIND)
def test_refusals_are_told_apart(routed: Segment, client: NetnsVantage, kind: str) -> None:
    plan = [(Target(address=address, port=80, protocol="tcp"), 1) for address, _, _ in BEHIND[kind]]

    found = client.try_all(plan, every=0.005, timeout=0.6)

    gateway = routed["a"]
    for (address, error, icmp), attempts in zip(BEHIND[kind], found, strict=True):
        sender = (gateway.address6 if ":" in address else gateway.address) if icmp else ""
        assert told(attempts) == {(False, error, icmp, sender)}


def test_where_nobody_has_the_address_the_vantage_itself_says_so(lan: Segment, client: NetnsVantage) -> None:
    target = Target(address="10.77.0.200", port=80, protocol="tcp")

    (found,) = client.try_all([(target, 1)], every=0.005, timeout=6.0)

    assert told(found) == {(False, "host unreachable", "host-unreachable", lan["client"].address)}


def test_a_refused_datagram_names_who_refused_it(lan: Segment, client: NetnsVantage) -> None:
    target = Target(address=VIP, port=PORT + 1, protocol="udp")

    (found,) = client.try_all([(target, 1)], every=0.005, timeout=1.0)

    assert told(found) == {(False, "refused", "port-unreachable", VIP)}
