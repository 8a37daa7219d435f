"""Addresses for MetalLB are computed from Docker's network, whatever it is."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import Refused
from clusters.metallb import ranges
from clusters.providers.kind import containers
from tests.unit.providers.kind.conftest import Bench


def seen(*subnets: str, gateways: tuple[str, ...] = (), machines: tuple[str, ...] = ()) -> dict[str, Any]:
    """A network as `docker network inspect` shows it."""
    config = [{"Subnet": subnet} for subnet in subnets] + [{"Gateway": gateway} for gateway in gateways]
    containers = {str(number): {"IPv4Address": text} for number, text in enumerate(machines)}
    return {"Name": "kind", "IPAM": {"Config": config}, "Containers": containers}


def test_the_pool_is_the_upper_end_of_the_network() -> None:
    found = containers.room(seen("172.18.0.0/16", gateways=("172.18.0.1",), machines=("172.18.0.2/16",)))

    assert found.pool == "172.18.255.200-172.18.255.250"
    assert found.spare == "172.18.255.170-172.18.255.189"


@given(
    st.integers(min_value=8, max_value=25),
    st.integers(min_value=0, max_value=2**32 - 1),
)
def test_pool_and_spare_addresses_are_apart_and_inside(prefix: int, base: int) -> None:
    subnet = IPv4Network((base >> (32 - prefix) << (32 - prefix), prefix))

    found = containers.room(seen(str(subnet)))

    pool, spare = (set(ranges.parse(text).addresses()) for text in (found.pool, found.spare))
    assert (len(pool), len(spare)) == (containers.POOL, containers.SPARE)
    assert not pool & spare
    last = int(subnet.broadcast_address)
    assert all(last - 128 < int(address) < last for address in pool | spare)


def test_the_ipv6_range_of_the_network_is_passed_over() -> None:
    assert containers.room(seen("fc00:f853:ccd:e793::/64", "172.19.0.0/16")).subnet == "172.19.0.0/16"


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        (seen("172.18.0.0/26"), "172.18.0.0/26 has only 64 addresses"),
        (seen("172.18.0.0/16", machines=("172.18.255.210/16",)), r"172.18.255.210 is in use"),
        (seen("172.18.0.0/24", gateways=("172.18.0.254",), machines=("172.18.0.170/24",)), "172.18.0.170 is"),
        (seen("fc00::/64"), "has no IPv4 range"),
        ({"Name": "kind"}, "has no IPv4 range"),
    ],
    ids=["small", "taken", "spare-taken", "ipv6-only", "nothing"],
)
def test_a_network_without_room_is_refused(shown: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        containers.room(shown)


def test_nodes_have_the_addresses_and_macs_of_their_containers(bench: Bench) -> None:
    at = {"IPAddress": "172.18.0.3", "MacAddress": "02:42:AC:12:00:03", "GlobalIPv6Address": "fc00::3"}
    bench.says([{"Name": "/local-worker", "NetworkSettings": {"Networks": {"kind": at}}}])

    (node,) = containers.nodes(bench.program("docker"), ["local-worker"])

    assert (node.name, node.addresses) == ("local-worker", ("172.18.0.3", "fc00::3"))
    assert node.macs == ("02:42:ac:12:00:03",)


def test_another_network_is_asked_for_where_kind_uses_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIND_EXPERIMENTAL_DOCKER_NETWORK", "mine")
    bench.says([{"Name": "mine"}])

    containers.network_seen(bench.program("docker"))

    assert bench.called("docker") == [["network", "inspect", "mine"]]
