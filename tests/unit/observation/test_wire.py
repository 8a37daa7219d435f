"""The wire as a vantage with several networks sees it: each network for itself, and what proves that it sees any."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from clusters.api import Api, Resource
from clusters.observation import wire
from clusters.observation.collecting import collect
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
from tests.unit.observation.test_collecting import FakeApi, speaking

MACS = {"10.0.0.1": "02:00:00:00:00:0a", "10.0.0.2": "02:00:00:00:00:0b"}
SERVED = MACS | {"10.0.0.9": MACS["10.0.0.2"]}


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


class Patient(Place):
    """A place of which the proof that it hears anything ends only when the ports have been tried."""

    def __init__(self, answers: dict[str, str], **more: str) -> None:
        super().__init__(answers, **more)
        self.tried = threading.Event()

    def control(self, neighbours: Sequence[str]) -> Control:
        return Control(ok=self.tried.wait(10), reason="tried meanwhile")

    def try_all(self, plan: Sequence[tuple[Target, int]], **_: float) -> tuple[tuple[Attempt, ...], ...]:
        self.tried.set()
        return super().try_all(plan, **_)


def test_ports_are_tried_while_others_are_still_being_asked() -> None:
    found = seen(Patient(SERVED), "10.0.0.9")

    assert (found.control_ok, found.control) == (True, "tried meanwhile")
    assert [one.outcome for one in found.reached] == ["answered"]
    assert [one.purpose for one in found.heard] == ["node", "node", "assigned"]


def test_a_second_vantage_tries_when_the_first_one_has() -> None:
    order = []

    class Noting(Place):
        def try_all(self, plan: Sequence[tuple[Target, int]], **_: float) -> tuple[tuple[Attempt, ...], ...]:
            order.append(self)
            return super().try_all(plan, **_)

    near, far = Noting(SERVED), Noting(SERVED, lost="10.0.0.9")
    far.name = "netns:far"
    services = Objects(status=Status.OK, items=(SERVICE,))
    known = Snapshot(taken_at="2026-11-30T18:00:00.000+00:00", services=services)
    with wire.Looking(cast("Vantage", near), DEFAULT) as looking:
        looking.begin(lambda: known)
        found = looking.end(known, unseen=WireView(), routed=cast("Vantage", far))

    # The first tries of both, and the second, more numerous ones of the one whose first were lost.
    assert order == [near, far, far]
    assert [one.lost for one in found.wire.reached] == [0]
    assert found.routed.place == "netns:far"
    assert found.routed.reached[0].lost


SERVICE: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "web"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}},
}


def test_the_wire_is_asked_while_the_cluster_is_read_and_after_the_metrics() -> None:
    """The counts of what speakers replied are compared with those of before: a question too early is one too few."""
    asked, events = threading.Event(), []

    class Early(Place):
        def who_answers_all(self, addresses: Iterable[str], **more: Any) -> dict[str, Answers]:
            events.append("asked")
            asked.set()
            return super().who_answers_all(addresses, **more)

    class Slow(FakeApi):
        def pod_http(self, *_: Any, **__: Any) -> str:
            events.append("metrics")
            return "metallb_x 1\n"

        def logs(self, *_: Any, **__: Any) -> str:
            return ""

        def list_raw(self, res: Resource, namespace: str | None = None, **_: Any) -> Iterator[dict[str, Any]]:
            if res.plural == "secrets":
                events.append("all read" if asked.wait(10) else "never asked")
            yield from super().list_raw(res, namespace)

    api = Slow()
    api.objects |= speaking() | {"services": [SERVICE]}

    found = collect(cast("Api", api), vantage=cast("Vantage", Early(SERVED)))

    assert found.wire.ok
    assert events[0] == "metrics"
    assert events.index("asked") < events.index("all read")


def test_of_one_service_no_more_is_asked_than_it_needs() -> None:
    other = {**SERVICE, "metadata": {"namespace": "shop", "name": "other"}}
    held = {"loadBalancer": {"ingress": [{"ip": "10.9.0.9"}]}}
    pools = tuple(
        {"metadata": {"name": name, "namespace": "metallb-system"}, "spec": {"addresses": [addresses]}}
        for name, addresses in (("near", "10.0.0.8-10.0.0.10"), ("far", "10.9.0.8-10.9.0.10"))
    )
    known = Snapshot(
        taken_at="2026-11-30T18:00:00.000+00:00",
        services=Objects(status=Status.OK, items=(SERVICE, {**other, "status": held})),
        ip_address_pools=Objects(status=Status.OK, items=pools),
    )

    def seen_about(about: str) -> tuple[WireView, list[list[str]]]:
        place = Place(SERVED | {"10.9.0.9": MACS["10.0.0.1"]})
        with wire.Looking(cast("Vantage", place), replace(DEFAULT, reached_beside=1), about=about) as looking:
            looking.begin(lambda: known)
            return looking.end(known, unseen=WireView()).wire, place.asked

    for about in ("shop/web", "10.0.0.9"):
        found, _ = seen_about(about)
        assert [(one.service, one.outcome) for one in found.reached] == [("shop/web", "answered")]
        assert found.ports == 2  # so many there are
        assert {one.pool for one in found.heard if one.purpose == "free"} == {"near"}

    found, asked = seen_about("shop/waiting")
    assert (found.status, found.detail) == (Status.NOT_ASKED, "the service holds no address")
    assert asked == []


def test_a_second_holder_that_is_heard_now_and_then_is_no_proxy() -> None:
    """A proxy replies to each question that has a sender's address."""

    class Flapping(Place):
        turns = 0

        def _as_itself(self, addresses: list[str]) -> dict[str, Answers]:
            self.turns += 1
            every, self.proxied = self.proxied, self.proxied if self.turns == 1 else {}
            found = super()._as_itself(addresses)
            self.proxied = every
            return found

    place = Flapping(SERVED | {"10.0.0.9": "02:00:00:00:00:0b"}, gateway="10.0.0.1")
    place.proxied = {"10.0.0.9": "02:00:00:00:77:77"}

    view = seen(place, "10.0.0.9")

    (heard,) = (one for one in view.heard if one.address == "10.0.0.9")
    assert heard.macs == ("02:00:00:00:00:0b", "02:00:00:00:77:77")
    assert not heard.by_proxy


def test_a_switch_that_passes_few_broadcasts_makes_no_silence() -> None:
    class Limited(Place):
        def who_answers_all(
            self, addresses: Iterable[str], *, rate: float = 200.0, **more: Any
        ) -> dict[str, Answers]:
            kept, self.answers = self.answers, self.answers if rate < 10 else {}
            found = super().who_answers_all(addresses, **more)
            self.answers = kept
            return found

    view = seen(Limited(SERVED | {"10.0.0.9": "02:00:00:00:00:0b"}), "10.0.0.9")

    (heard,) = (one for one in view.heard if one.address == "10.0.0.9")
    assert heard.macs == ("02:00:00:00:00:0b",)
