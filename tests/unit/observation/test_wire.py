"""The wire as a vantage with several networks sees it: each network for itself, and what proves that it sees any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from clusters.observation import wire
from clusters.observation.limits import DEFAULT
from clusters.observation.snapshot import Objects, Snapshot, Status, WireView
from clusters.vantage import (
    Answers,
    Attempt,
    Control,
    Interface,
    Neighbour,
    Reply,
    Target,
    Vantage,
    VantageError,
    mac,
)  # fmt: skip

MACS = {"10.0.0.1": "02:00:00:00:00:0a", "10.0.0.2": "02:00:00:00:00:0b"}


class Place:
    """A vantage on 10.0.0.0/24 and 10.9.0.0/24; `down` is one of its interfaces, `answers` who has which address."""

    name, capabilities = "netns:client", frozenset({"arp"})

    def __init__(
        self, answers: dict[str, str], *, down: str = "", gateway: str = "10.0.0.254", lost: str = ""
    ) -> None:
        self.answers, self.down, self.gateway, self.lost = answers, down, gateway, lost
        self.table: tuple[Neighbour, ...] = ()
        self.asked: list[list[str]] = []
        self.proxied: dict[str, str] = {}
        self.controlled: list[str] = []

    def interface_for(self, address: str) -> Interface:
        network = address.split(".")[1] if "." in address else ""
        if address == "192.0.2.1":
            return replace(self.interface_for(self.gateway), gateway=self.gateway)
        if network not in {"0", "9"}:
            raise VantageError(f"{address} is not on a network of vantage {self.name}.")
        name = f"eth{network}"
        own = f"10.{network}.0.100"
        return Interface(
            name=name, index=1, mac=mac("02:00:00:00:00:01"), source=own, gateway="", up=name != self.down
        )

    def networks(self) -> tuple[str, ...]:
        return "10.0.0.0/24", "10.9.0.0/24"

    def learned(self, addresses: Iterable[str]) -> dict[str, str]:
        self.asked.append([*addresses])
        return {}

    def neighbours(self) -> tuple[Neighbour, ...]:
        return self.table

    def control(self, neighbours: Sequence[str]) -> Control:
        self.controlled = list(neighbours)
        return Control(ok=True, reason="seen")

    def who_answers_all(
        self, addresses: Iterable[str], *, patient: bool = False, **_: Any
    ) -> dict[str, Answers]:
        addresses = [*addresses]
        if patient:
            return self._as_itself(addresses)
        self.asked.append(addresses)
        return {
            address: Answers(
                address=address,
                rounds=1,
                replies=tuple(
                    Reply(t=0, mac=mac(self.answers[one]), round=0)
                    for one in [address]
                    if one in self.answers
                ),
            )
            for address in addresses
        }

    def _as_itself(self, addresses: list[str]) -> dict[str, Answers]:
        """What is replied to a question with a sender's address, by those who reply for others, too."""
        every = self.answers | self.proxied
        found = {
            address: [mac(each) for each in (self.answers.get(address), every.get(address)) if each]
            for address in addresses
        }
        return {
            address: Answers(
                address=address, rounds=1, replies=tuple(Reply(t=0, mac=one, round=0) for one in macs)
            )
            for address, macs in found.items()
        }

    def try_all(self, plan: Sequence[tuple[Target, int]], **_: float) -> tuple[tuple[Attempt, ...], ...]:
        lost = Attempt(t=0, ok=False, latency=2, error="timeout connecting")
        served = Attempt(t=0, ok=True, latency=0)
        return tuple((lost if to.address == self.lost else served,) * count for to, count in plan)


def seen(place: Place, *addresses: str) -> WireView:
    """What such a vantage sees of two nodes and services with these addresses."""
    services = tuple(
        {
            "metadata": {"namespace": "shop", "name": f"s{number}"},
            "spec": {"ports": [{"port": 80}]},
            "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
        }
        for number, address in enumerate(addresses)
    )
    nodes = tuple(
        {
            "metadata": {"name": f"w{number}"},
            "spec": {},
            "status": {"addresses": [{"type": "InternalIP", "address": f"10.0.0.{number}"}]},
        }
        for number in (1, 2)
    )
    snapshot = Snapshot(
        taken_at="2026-11-30T18:00:00.000+00:00",
        services=Objects(status=Status.OK, items=services),
        nodes=Objects(status=Status.OK, items=nodes),
    )
    return wire.seen(snapshot, cast("Vantage", place), DEFAULT, unseen=WireView()).wire


def test_a_network_that_is_cut_off_keeps_nothing_of_another_from_being_told() -> None:
    place = Place({"10.9.0.9": "02:00:00:00:00:0c"}, down="eth0")

    found = seen(place, "10.0.0.9", "10.9.0.9")

    assert found.ok
    assert [(one.address, one.macs) for one in found.heard] == [("10.9.0.9", ("02:00:00:00:00:0c",))]
    problems = {route.address: route.problem for route in found.routes}
    assert problems["10.0.0.9"] == "interface eth0 of the vantage is down"
    assert place.controlled == [
        "10.9.0.9"
    ]  # no node is near, so a service's address has to prove that it sees any


def test_nodes_that_all_answer_by_one_address_make_the_wire_inconclusive() -> None:
    place = Place(dict.fromkeys(("10.0.0.1", "10.0.0.2", "10.0.0.9"), "02:00:00:00:00:0c"))

    found = seen(place, "10.0.0.9")

    assert not found.control_ok
    assert found.control == (
        "nodes w1, w2 all answer by one hardware address, 02:00:00:00:00:0c: something between them and vantage "
        "netns:client answers for them, so that it cannot be told which node an answer comes from"
    )


def test_nodes_near_by_are_what_proves_that_it_sees_any() -> None:
    place = Place(MACS | {"10.0.0.9": MACS["10.0.0.2"]})

    found = seen(place, "10.0.0.9")

    assert (found.control_ok, place.controlled, found.ports) == (True, ["10.0.0.1", "10.0.0.2"], 1)
    assert [one.outcome for one in found.reached] == ["answered"]


def test_whom_the_kernel_believes_in_is_kept_where_a_port_is_in_trouble() -> None:
    place = Place(MACS | {"10.0.0.9": MACS["10.0.0.2"]}, lost="10.0.0.9")
    astray = Neighbour(address="10.0.0.9", mac=mac("02:00:00:00:00:99"), state="permanent", interface="eth0")
    place.table = (
        astray,
        replace(astray, address="10.0.0.1"),  # nothing is lost there
    )

    found = seen(place, "10.0.0.9")

    assert {(one.address, one.mac, one.state) for one in found.believed} == {
        ("10.0.0.9", "02:00:00:00:00:99", "permanent")
    }
    assert found.networks == ("10.0.0.0/24", "10.9.0.0/24")
    # Between the first question and the tries the address may have moved.
    assert place.asked[-1] == ["10.0.0.9"]
    assert [one.macs for one in found.heard if one.address == "10.0.0.9"] == [(MACS["10.0.0.2"],)]


def test_whom_the_kernel_believes_in_does_not_matter_where_all_is_served() -> None:
    assert seen(Place(MACS | {"10.0.0.9": MACS["10.0.0.2"]}), "10.0.0.9").believed == ()


def test_who_replies_only_to_an_asker_with_an_address_replies_for_others() -> None:
    place = Place(MACS | {"10.0.0.9": MACS["10.0.0.2"]})
    router = Neighbour(
        address="10.0.0.254", mac=mac("02:00:00:00:00:fe"), state="reachable", interface="eth0"
    )
    place.proxied, place.table = {"10.0.0.9": "02:00:00:00:00:fe"}, (router,)

    found = seen(place, "10.0.0.9")

    assert [(one.macs, one.by_proxy) for one in found.heard if one.address == "10.0.0.9"] == [
        ((MACS["10.0.0.2"],), ("02:00:00:00:00:fe",))
    ]
    assert [(one.address, one.mac) for one in found.believed] == [("10.0.0.254", "02:00:00:00:00:fe")]
