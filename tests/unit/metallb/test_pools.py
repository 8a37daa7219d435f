"""Which pool may serve which service, and in which order MetalLB tries pools."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clusters.metallb import pools
from clusters.metallb.pools import Pool, ServiceAllocation, may_serve, ranked, restricted
from clusters.metallb.ranges import AddressRange, parse
from clusters.metallb.selectors import LabelSelector, Requirement
from clusters.metallb.services import FamilyPolicy, Service

NAMESPACES = {"shop": {"colour": "red"}, "edge": {"colour": "blue"}}
RED = LabelSelector((Requirement("colour", "In", ("red",)),))
GREY = LabelSelector((Requirement("colour", "In", ("grey",)),))
TEAM = LabelSelector((Requirement("team", "In", ("shop",)),))
WEB = Service(namespace="shop", name="web")


def pool(name: str = "edge", **changes: Any) -> Pool:
    return replace(Pool(name, (parse("10.0.0.1-10.0.0.9"),)), **changes)


def kept(**fields: Any) -> ServiceAllocation:
    return ServiceAllocation(**fields)


def raw(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "edge"}, "spec": {"addresses": ["10.0.0.0/30"], **spec}}


def test_defaults_of_a_pool() -> None:
    read = pools.parse(raw())

    assert read.auto_assign
    assert not read.avoid_buggy
    assert read.allocation is None
    assert read.versions == {4}


def test_malformed_ranges_are_kept_apart() -> None:
    read = pools.parse(raw(addresses=["10.0.0.0/30", "10.0.0.9"]))

    assert [str(each) for each in read.ranges] == ["10.0.0.0/30"]
    assert "10.0.0.9" in str(read.invalid[0])


def test_an_empty_allocation_restricts_nothing_and_still_ranks_first() -> None:
    read = pools.parse(raw(serviceAllocation={"priority": 5}))

    assert may_serve(read, WEB, NAMESPACES) is None
    assert ranked([pool("plain"), read], WEB, NAMESPACES)[0] == [read]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, None),
        ({"auto_assign": False}, "pool-autoassign-off"),
        ({"allocation": kept(namespaces=frozenset({"shop"}))}, None),
        ({"allocation": kept(namespaces=frozenset({"edge"}))}, "pool-restricted"),
        ({"allocation": kept(namespace_selectors=(RED,))}, None),
        ({"allocation": kept(namespace_selectors=(GREY,))}, "pool-restricted"),
        ({"allocation": kept(namespaces=frozenset({"edge"}), namespace_selectors=(RED,))}, None),
        ({"allocation": kept(service_selectors=(TEAM,))}, "pool-restricted"),
        ({"ranges": (parse("fd00::/126"),)}, "family-unavailable"),
    ],
)
def test_which_pool_may_serve(changes: dict[str, Any], cause: str | None) -> None:
    reason = may_serve(pool(**changes), WEB, NAMESPACES)

    assert (reason.cause if reason else None) == cause


def test_a_namespace_selector_that_selects_none_restricts_only_the_automatic_choice() -> None:
    one = pool(allocation=kept(namespace_selectors=(GREY,)))

    assert restricted(one, WEB, NAMESPACES) is None
    assert may_serve(one, WEB, NAMESPACES) is not None


def test_namespace_and_label_must_both_fit() -> None:
    one = pool(allocation=kept(namespaces=frozenset({"shop"}), service_selectors=(TEAM,)))

    assert may_serve(one, WEB, NAMESPACES) is not None
    assert may_serve(one, replace(WEB, labels={"team": "shop"}), NAMESPACES) is None


def test_order_of_pools() -> None:
    here = frozenset({"shop"})
    first = pool("first", allocation=kept(priority=1, namespaces=here))
    second = pool("second", allocation=kept(priority=2, namespaces=here))
    twin = pool("twin", allocation=kept(priority=2, service_selectors=(LabelSelector(),)))
    last = pool("last", allocation=kept(namespaces=here))
    plain = pool("plain")
    off = pool("off", auto_assign=False)

    groups = ranked([plain, last, off, twin, second, first], WEB, NAMESPACES)

    assert [{each.name for each in group} for group in groups] == [
        {"first"},
        {"second", "twin"},
        {"last"},
        {"plain"},
    ]


DUAL = replace(WEB, cluster_ips=(ip_address("10.96.0.1"), ip_address("fd00::1")))


@pytest.mark.parametrize(
    ("policy", "ranges", "missing"),
    [
        (FamilyPolicy.REQUIRE, ("10.0.0.0/30",), True),
        (FamilyPolicy.REQUIRE, ("10.0.0.0/30", "fd00::/126"), False),
        (FamilyPolicy.PREFER, ("10.0.0.0/30",), False),
        (FamilyPolicy.PREFER, (), True),
    ],
)
def test_families(policy: FamilyPolicy, ranges: tuple[str, ...], *, missing: bool) -> None:
    one = pool(ranges=tuple(parse(each) for each in ranges))

    assert (pools.family_missing(one, replace(DUAL, family_policy=policy)) is not None) is missing


def test_controller_and_speaker_differ_over_avoided_addresses() -> None:
    one = pool(ranges=(parse("10.0.0.0/30"),), avoid_buggy=True)
    zero = ip_address("10.0.0.0")

    assert pools.holding([one], [zero]) is None
    assert pools.containing([one], [zero]) is one


def test_usable_counts_overlapping_ranges_once() -> None:
    one = pool(ranges=(parse("10.0.0.0/30"), parse("10.0.0.2-10.0.0.5")))

    assert one.usable(4) == 6
    assert one.usable(6) == 0


@given(
    some.lists(some.tuples(some.integers(0, 60), some.integers(0, 9), some.sampled_from((4, 6))), max_size=8),
    some.integers(0, 80),
    some.sampled_from((4, 6)),
)
def test_a_pool_holds_what_one_of_its_ranges_holds(
    drawn: list[tuple[int, int, int]], number: int, version: int
) -> None:
    base = {4: int(ip_address("10.0.0.0")), 6: int(ip_address("fd00::"))}
    make = {4: IPv4Address, 6: IPv6Address}
    ranges = tuple(
        AddressRange(make[which](base[which] + first), make[which](base[which] + first + more))
        for first, more, which in drawn
    )
    address = make[version](base[version] + number)

    assert (address in Pool("edge", ranges)) is any(address in one for one in ranges)
