"""MACs, and the sets that answers make."""

from __future__ import annotations

import pytest

from clusters.vantage.vantage_data import Answers, Interface, Reply, mac

A, B = mac("02:00:00:00:00:0a"), mac("02:00:00:00:00:0b")


@pytest.mark.parametrize("text", ["02:AB:cd:00:00:01", "02-ab-cd-00-00-01", "02ab.cd00.0001", "02abcd000001"])
def test_macs_have_one_notation(text: str) -> None:
    assert mac(text) == "02:ab:cd:00:00:01"


def test_what_is_no_mac_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.1' is no MAC address"):
        mac("10.0.0.1")


def test_one_owner() -> None:
    one = Answers(
        address="10.0.0.1", rounds=2, replies=(Reply(t=0, mac=A, round=0), Reply(t=1, mac=A, round=1))
    )
    assert (one.macs, one.sole) == ({A}, A)


def test_two_owners() -> None:
    both = Answers(
        address="10.0.0.1", rounds=2, replies=(Reply(t=0, mac=A, round=0), Reply(t=1, mac=B, round=1))
    )
    assert (both.macs, both.sole) == ({A, B}, None)
    assert (both.in_round(0), both.in_round(1), both.in_round(2)) == ({A}, {B}, set())


def test_nobody() -> None:
    none = Answers(address="10.0.0.1", rounds=2, replies=())
    assert (none.macs, none.sole) == (set(), None)


def test_an_address_behind_a_gateway_is_not_on_the_segment() -> None:
    route = Interface(name="eth0", index=2, mac=A, source="10.0.0.9", gateway="10.0.0.254", up=True)
    assert not route.on_link
