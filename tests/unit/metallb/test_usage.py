"""Who holds which address and what is left."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from clusters.metallb import ranges, usage
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import parse
from clusters.metallb.services import Port, Service

EDGE = Pool("edge", (parse("10.0.0.250-10.0.1.5"), parse("fd00::/64")))
KEY = {"metallb.io/allow-shared-ip": "k"}


def holder(name: str, *addresses: str, port: int = 80, **annotations: str) -> Service:
    return Service(
        namespace="shop",
        name=name,
        ingress=tuple(ip_address(each) for each in addresses),
        ports=(Port("TCP", port),),
        annotations=annotations,
    )


@given(st.sets(st.integers(0, 15)), st.booleans())
def test_free_is_size_less_used(offsets: set[int], avoid: bool) -> None:  # noqa: FBT001 - hypothesis
    pool = replace(EDGE, avoid_buggy=avoid)
    addresses = [IPv4Address("10.0.0.248") + offset for offset in sorted(offsets)]
    held = usage.holdings(holder(f"s{number}", str(each)) for number, each in enumerate(addresses))

    found = usage.of_pool(pool, held).families[4]

    inside = [each for each in addresses if pool.gives(each)]
    assert found.used == len(inside)
    assert found.free == pool.usable(4) - len(inside)
    assert usage.of_pool(pool, held).first_free(4, count=99) == tuple(
        each
        for each in EDGE.ranges[0].addresses()
        if each not in addresses and not (avoid and ranges.is_buggy(each))
    )


def test_sharers_count_once_and_families_apart() -> None:
    held = usage.holdings([holder("a", "10.0.0.251", "fd00::1"), holder("b", "10.0.0.251", port=81)])

    found = usage.of_pool(EDGE, held)

    assert found.families[4].used == 1
    assert found.families[6].used == 1
    assert found.families[6].free == 2**64 - 1
    assert found.exhausted == frozenset()
    assert [len(holders) for _, holders in found.held] == [2, 1]


def test_a_full_pool_is_exhausted() -> None:
    tiny = Pool("tiny", (parse("10.0.0.1/32"), parse("fd00::/126")))

    found = usage.of_pool(tiny, usage.holdings([holder("a", "10.0.0.1")]))

    assert found.exhausted == {4}
    assert found.first_free(4) == ()
    assert found.free == 4


def test_services_of_another_class_hold_nothing() -> None:
    foreign = replace(holder("a", "10.0.0.251"), lb_class="example.com/other")

    assert usage.holdings([foreign]) == {}
    assert usage.holdings([foreign], lb_class="example.com/other") != {}


def test_wrongly_shared_addresses_are_named() -> None:
    right = [holder("a", "10.0.0.251", **KEY), holder("b", "10.0.0.251", port=81, **KEY)]
    wrong = [holder("c", "10.0.0.252"), holder("d", "10.0.0.252", port=81)]

    found = list(usage.wrongly_shared(usage.holdings([*right, *wrong])))

    assert [(str(address), one.name, other.name) for address, one, other, _ in found] == [
        ("10.0.0.252", "c", "d")
    ]


def test_what_is_blocked_depends_on_the_sharing_key() -> None:
    held = usage.holdings([holder("a", "10.0.0.251", **KEY), holder("b", "10.0.0.252")])

    assert len(usage.blocked_for(holder("new"), held)) == 2
    assert usage.blocked_for(holder("new", port=81, **KEY), held) == {ip_address("10.0.0.252")}
    assert usage.blocked_for(holder("a"), held) == {ip_address("10.0.0.252")}
