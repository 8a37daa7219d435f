"""Who replies for others, and what the vantage's own kernel keeps back: real kernels on a segment."""

from __future__ import annotations

import pytest

from clusters.vantage import NetnsVantage, VantageError
from tests.wire.segment import VIP, Host, Segment

FREE = "10.77.0.150"


def proxies(host: Host, *addresses: str) -> None:
    """Have a host believe that addresses are behind it, on another network, and reply for them."""
    host.link.link("add", ifname="far0", kind="veth", peer="far1")
    for name in ("far0", "far1"):
        host.link.link("set", index=host.link.link_lookup(ifname=name)[0], state="up")
    far = host.link.link_lookup(ifname="far0")[0]
    host.link.addr("add", index=far, address="10.78.0.1", prefixlen=24)
    host.sysctl("net.ipv4.ip_forward", 1)
    for address in addresses:
        host.link.route("add", dst=f"{address}/32", oif=far)
        host.sysctl("net.ipv4.conf.eth0.proxy_arp", 1)


def asked(client: NetnsVantage, *, patient: bool) -> dict[str, set[str]]:
    found = client.who_answers_all([VIP, FREE], rounds=1, probe=not patient, patient=patient)
    return {address: set(one.macs) for address, one in found.items()}


def test_a_proxy_replies_to_an_asker_with_an_address_alone(lan: Segment, client: NetnsVantage) -> None:
    proxies(lan["b"], VIP, FREE)

    assert asked(client, patient=False) == {VIP: {lan["a"].mac}, FREE: set()}
    assert asked(client, patient=True) == {VIP: {lan["a"].mac, lan["b"].mac}, FREE: {lan["b"].mac}}


def test_where_nobody_replies_for_others_both_questions_have_one_answer(
    lan: Segment, client: NetnsVantage
) -> None:
    assert asked(client, patient=True) == asked(client, patient=False) == {VIP: {lan["a"].mac}, FREE: set()}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("blackhole", "drops it"),
        ("unreachable", "says that it is unreachable"),
        ("prohibit", "prohibits it"),
    ],
)
def test_a_route_of_its_own_that_keeps_packets_back_is_told_as_such(
    lan: Segment, client: NetnsVantage, kind: str, said: str
) -> None:
    lan["client"].link.route("add", dst=f"{VIP}/32", type=kind)

    with pytest.raises(VantageError, match=f"itself keeps what it would send to {VIP}: .* {said}"):
        client.interface_for(VIP)
    assert "10.77.0.0/24" in client.networks()
