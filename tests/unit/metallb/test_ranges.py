"""Address ranges: parsed as MetalLB does, and set arithmetic that agrees with listing the addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.metallb import ranges
from clusters.metallb.ranges import AddressRange, RangeError

BASES = (int(IPv4Address("10.0.0.200")), int(IPv6Address("fd00::fff0")))


@st.composite
def small(draw: st.DrawFn) -> AddressRange:
    """A range of at most 70 addresses near one of a few places, so that pairs often meet."""
    base = draw(st.sampled_from(BASES)) + draw(st.integers(0, 120))
    return AddressRange(ip_address(base), ip_address(base + draw(st.integers(0, 70))))


def listed(each: AddressRange) -> set[object]:
    return set(each.addresses())


@given(small())
def test_format_and_parse_round_trip(one: AddressRange) -> None:
    assert ranges.parse(str(one)) == one
    assert ranges.parse(f" {one.first} -\t{one.last} ") == one


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_prefix_is_its_network_whatever_the_host_bits(address: IPv4Address, length: int) -> None:
    one = ranges.parse(f"{address}/{length}")

    network = ip_network((address, length), strict=False)
    assert (one.first, one.last) == (network.network_address, network.broadcast_address)
    assert one.networks() == (network,)


@given(small(), small())
def test_overlap_is_symmetric_and_equals_the_intersection(one: AddressRange, other: AddressRange) -> None:
    shared = one.overlap(other)

    assert shared == other.overlap(one)
    assert (listed(shared) if shared else set()) == listed(one) & listed(other)


@given(st.lists(small(), max_size=6))
def test_overlapping_names_every_pair_once(many: list[AddressRange]) -> None:
    found = list(ranges.overlapping(many))

    expected = sum(
        bool(listed(many[i]) & listed(many[j])) for i in range(len(many)) for j in range(i + 1, len(many))
    )
    assert len(found) == expected
    assert all(shared == one.overlap(other) for one, other, shared in found)


@given(st.lists(small(), max_size=6))
def test_merging_keeps_the_addresses(many: list[AddressRange]) -> None:
    whole = ranges.merged(many)

    union = set().union(*(listed(each) for each in many))
    assert set().union(*(listed(each) for each in whole)) == union
    assert sum(each.size for each in whole) == len(union)


@given(small(), st.booleans())
def test_usable_counts_what_iteration_gives(one: AddressRange, avoid: bool) -> None:  # noqa: FBT001 - hypothesis
    assert one.usable(avoid_buggy=avoid) == len(list(one.addresses(avoid_buggy=avoid)))


@given(st.lists(small(), min_size=1, max_size=4), st.sets(st.integers(0, 200)), st.integers(1, 5))
def test_first_free_equals_listing(many: list[AddressRange], offsets: set[int], count: int) -> None:
    taken = {ip_address(base + offset) for base in BASES for offset in offsets}

    free = ranges.first_free(many, taken=taken, count=count)

    expected = [each for one in many for each in one.addresses() if each not in taken]
    assert list(free) == expected[:count]


def test_a_huge_range_is_never_listed() -> None:
    one = ranges.parse("fd00::/16")
    taken = set(ranges.first_free([one], taken=set(), count=100))

    assert one.size == 2**112
    assert ranges.first_free([one], taken=taken) == (ip_address("fd00::64"),)
    assert one.overlap(ranges.parse("fd00:ffff::-fd01::")) == ranges.parse("fd00:ffff::/32")
    assert one.usable(avoid_buggy=True) == one.size


def test_buggy_addresses_of_a_large_range_are_counted_not_listed() -> None:
    assert ranges.parse("10.0.0.0/8").usable(avoid_buggy=True) == 2**24 - 2 * 2**16


def test_avoided_addresses_are_skipped() -> None:
    one = ranges.parse("10.0.0.254-10.0.1.1")

    assert [str(each) for each in one.addresses(avoid_buggy=True)] == ["10.0.0.254", "10.0.1.1"]


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/255.255.255.0",
        " 10.0.0.0/24",
        "10.0.0.0/24 ",
        "10.0.0.9-10.0.0.1",
        "10.0.0.1-",
        "10.0.0.1-fd00::1",
        "::-0.0.0.0",
        "10.0.0.256-10.0.0.257",
        "010.0.0.1-10.0.0.2",
        "fe80::1%eth0-fe80::2",
        "pool",
        "",
    ],
)
def test_malformed_text_is_one_clear_error(text: str) -> None:
    with pytest.raises(RangeError) as error:
        ranges.parse(text)

    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_ipv4_written_as_ipv6_is_ipv4() -> None:
    assert ranges.parse_address("::ffff:10.0.0.1") == IPv4Address("10.0.0.1")


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("10.0.0.0/24", ("10.0.0.0", "10.0.0.255")),
        ("10.0.0.32/27", ("10.0.0.32", "10.0.0.63")),
        ("10.0.0.0/31", ()),
        ("fd00::/64", ()),
    ],
)
def test_edges_of_a_network(network: str, expected: tuple[str, ...]) -> None:
    assert tuple(str(each) for each in ranges.edges(ip_network(network))) == expected
