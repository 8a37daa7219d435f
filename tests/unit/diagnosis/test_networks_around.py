"""Gateways and edges of networks that a pool holds: by the profile, the vantage or the nodes, or told as unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.diagnosis import Diagnosis
from clusters.observation import Snapshot, load
from clusters.observation.snapshot import Route
from clusters.profile import Profile, Provider
from clusters.profile.models import NetworkAround
from tests.answers import answered
from tests.unit.diagnosis.test_unusual_clusters import edited

FOLDER = Path(__file__).parent / "observations"
FAR = "198.51.100.0/24"


@pytest.fixture
def healthy() -> Snapshot:
    """A recording whose one pool is the first sixteen addresses of a network."""

    def pool(raw: dict[str, Any]) -> None:
        raw["spec"]["addresses"] = ["198.51.100.0-198.51.100.15"]

    found = load(FOLDER / "healthy.json.gz")
    return replace(found, ip_address_pools=edited(found.ip_address_pools, pool))


def told(seen: Snapshot) -> set[tuple[str, str]]:
    return {
        (root.cause, root.summary.partition(" contains ")[2])
        for root in Diagnosis(seen).root_causes
        if root.cause in {"pool-holds-gateway-address", "pool-range-invalid"}
    }


def notes(seen: Snapshot) -> str:
    return " ".join(
        one for one in answered("health.config-present", seen).notes if "nobody looked for" in one
    )


def test_where_nobody_tells_it_is_told_that_nobody_does(healthy: Snapshot) -> None:
    assert told(healthy) == set()
    assert "for the gateway and the addresses of the network and for broadcasts (IPv4): neither" in notes(
        healthy
    )


def test_the_profile_tells_both(healthy: Snapshot) -> None:
    around = replace(healthy.expectations, networks=(FAR,), gateways=("198.51.100.1",))
    seen = replace(healthy, expectations=around)

    assert told(seen) == {
        ("pool-holds-gateway-address", "the gateway 198.51.100.1."),
        ("pool-range-invalid", f"198.51.100.0, the network address of {FAR}."),
    }
    assert not notes(seen)


def test_the_vantage_tells_the_gateway(healthy: Snapshot) -> None:
    way = Route(address="203.0.113.1", gateway="198.51.100.2", source="198.51.100.99")
    seen = replace(healthy, wire=replace(healthy.wire, routes=(*healthy.wire.routes, way)))

    assert told(seen) == {("pool-holds-gateway-address", "the gateway 198.51.100.2.")}
    assert "for the addresses of the network and for broadcasts (IPv4): neither" in notes(seen)


@pytest.mark.parametrize(("prefix", "found"), [("24", True), ("32", False), ("x", False)])
def test_nodes_tell_their_network_where_a_plugin_writes_it_down(
    healthy: Snapshot, prefix: str, *, found: bool
) -> None:
    def node(raw: dict[str, Any]) -> None:
        raw["metadata"]["annotations"] = {"projectcalico.org/IPv4Address": f"198.51.100.77/{prefix}"}

    seen = replace(healthy, nodes=edited(healthy.nodes, node))

    assert told(seen) == (
        {("pool-range-invalid", f"198.51.100.0, the network address of {FAR}.")} if found else set()
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cidr": "192.168.1.7/24"}, "is no network"),
        ({"cidr": "192.168.1.0/24", "gateway": "home"}, "is not an IP address"),
    ],
)
def test_what_is_no_network_or_gateway_is_refused(fields: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Profile(name="x", provider=Provider.LAB, networks=(NetworkAround(**fields),))
