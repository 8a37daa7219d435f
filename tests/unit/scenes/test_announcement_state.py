"""What is other than it was, at which service, and as which symptom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.diagnosis.symptoms import Symptom
from suites.scenes.announcement_state import AnnouncementState, changes

NODES = frozenset({"node1", "node2"})
BEFORE = AnnouncementState(
    addresses={"shop/web": ("192.0.2.1",), "edge/proxy": ("192.0.2.2", "2001:db8::2"), "shop/new": ()},
    owners={"192.0.2.1": ("node1",), "192.0.2.2": ("node2",), "2001:db8::2": ("node2",)},
)


def holding(**addresses: tuple[str, ...]) -> AnnouncementState:
    named = {name.replace("_", "/"): held for name, held in addresses.items()}
    return replace(BEFORE, addresses={**BEFORE.addresses, **named})


def answering(address: str, *who: str) -> AnnouncementState:
    return replace(BEFORE, owners={**BEFORE.owners, address: who})


def test_nothing_is_said_of_what_stayed() -> None:
    assert changes(BEFORE, BEFORE, nodes=NODES) == []


@pytest.mark.parametrize(
    ("now", "symptom", "text"),
    [
        (holding(shop_web=()), Symptom.PENDING, "shop/web held 192.0.2.1 and now holds nothing"),
        (
            holding(shop_web=("192.0.2.9",)),
            Symptom.ADDRESS_CHANGED,
            "shop/web held 192.0.2.1 and now holds 192.0.2.9",
        ),
        (
            answering("192.0.2.1"),
            Symptom.SILENT,
            "192.0.2.1 of shop/web was answered by node1 and is now by nobody",
        ),
        (
            answering("192.0.2.1", "node2"),
            Symptom.NOT_BACK,
            "192.0.2.1 of shop/web was answered by node1 and is now by node2",
        ),
        (
            answering("192.0.2.1", "node1", "node2"),
            Symptom.TWO_ANNOUNCERS,
            "192.0.2.1 of shop/web was answered by node1 and is now by node1, node2",
        ),
        (
            answering("192.0.2.1", "02:00:00:00:00:99"),
            Symptom.WRONG_ANNOUNCER,
            "192.0.2.1 of shop/web was answered by node1 and is now by 02:00:00:00:00:99",
        ),
    ],
)
def test_each_change_is_told_with_its_symptom(now: AnnouncementState, symptom: Symptom, text: str) -> None:
    (change,) = changes(BEFORE, now, nodes=NODES)

    assert (change.service, change.symptom, str(change)) == ("shop/web", symptom, text)


def test_a_service_that_is_gone_and_one_that_is_new_are_nobody_s_loss() -> None:
    now = AnnouncementState(
        addresses={"edge/proxy": BEFORE.addresses["edge/proxy"], "a/b": ("192.0.2.7",)}, owners=BEFORE.owners
    )

    assert changes(BEFORE, now, nodes=NODES) == []


def test_an_owner_that_was_undecided_before_is_not_compared() -> None:
    before = answering("192.0.2.1", "node1", "node2")

    assert changes(before, BEFORE, nodes=NODES) == []


def test_every_address_of_a_service_is_looked_at() -> None:
    (change,) = changes(BEFORE, answering("2001:db8::2", "node1"), nodes=NODES)

    assert change.address == "2001:db8::2"
