"""Which consumers are asked through a disturbance, by what, and what is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from clusters import budgets
from clusters.api import Api
from clusters.profile import Profile, Provider
from clusters.profile.models import Consumer, Probe
from clusters.vantage.base import Vantage
from clusters.vantage.targets import Exchange, Exchanged
from suites.plugin.record import OverBudget, Record
from suites.plugin.upgrade_state import ConsumerGaps
from suites.scenes import asked_consumers
from suites.scenes.asked_consumers import MOST_ASKED, Consumers, record_missed

WELL = Exchanged(error="", stage="waiting for the answer", status=200, body="welcome")


class Answering:
    """A vantage at which each port answers in its own way, all others well."""

    def __init__(self, **by_port: Exchanged) -> None:
        self.by_port = {int(port.removeprefix("p")): found for port, found in by_port.items()}

    def exchange_all(self, requests: list[Exchange], *, timeout: float) -> tuple[Exchanged, ...]:
        return tuple(self.by_port.get(each.port, WELL) for each in requests)


class Listing:
    """An API server with a service for each name, at its own address."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def list(self, *_: object) -> list[dict[str, Any]]:
        return [
            {
                "metadata": {"namespace": "shop", "name": name},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 443}, {"port": 53}]},
                "status": {"loadBalancer": {"ingress": [{"ip": f"192.0.2.{number}"}]}},
            }
            for number, name in enumerate(self.names, start=1)
        ]


def consumers(vantage: Answering, names: tuple[str, ...], *probes: Probe) -> Consumers:
    named = tuple(Consumer(service=f"shop/{name}", address="192.0.2.1", probe=probes) for name in names)
    profile = Profile(name="x", provider=Provider.EXISTING, context="x", consumers=named)
    return Consumers(cast("Api", Listing(*names)), profile, cast("Vantage", vantage))


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path, "check")


def test_each_is_asked_by_the_probe_that_says_most_of_what_its_users_get(record: Record) -> None:
    probes = [
        Probe(protocol="tcp", port=80),
        Probe(protocol="https", port=443, host="shop.example", status=(204,), body="welcome"),
        Probe(protocol="http", port=80),
    ]

    (asked,) = consumers(
        Answering(p443=Exchanged(error="", stage="", status=204, body="welcome")), ("web",), *probes
    ).to_ask(record)

    assert (asked.service, asked.name, asked.expected, asked.holds) == (
        "shop/web",
        "https 192.0.2.1:443",
        (204,),
        "welcome",
    )
    assert asked.every == budgets.seconds(budgets.CONSUMER_EVERY)


def test_one_that_does_not_serve_to_begin_with_is_noted_and_not_asked(record: Record) -> None:
    down = Answering(p80=Exchanged(error="", stage="", status=502, body=""))
    found = consumers(down, ("web",), Probe(protocol="http", port=80))

    assert found.to_ask(record) == ()
    assert found.keeping() == frozenset()
    (note,) = record.evidence
    assert "consumer shop/web is not measured" in note
    assert "answered 502" in note


def test_more_than_are_asked_are_told(record: Record) -> None:
    names = tuple(f"web{number}" for number in range(MOST_ASKED + 2))

    asked = consumers(Answering(), names, Probe(protocol="http", port=80)).to_ask(record)

    assert len(asked) == MOST_ASKED
    assert record.evidence == [f"{MOST_ASKED} of {MOST_ASKED + 2} addresses of consumers were measured"]


def test_what_served_before_has_to_serve_again_and_what_holds_no_address_is_told() -> None:
    web = Probe(protocol="http", port=80)
    before = consumers(Answering(), ("web",), web).keeping()

    assert before == {"shop/web"}
    assert consumers(Answering(), ("web",), web).unkept(before) == []
    (lost,) = consumers(Answering(p80=Exchanged(error="timeout", stage="connecting")), ("web",), web).unkept(
        before
    )
    assert lost == "consumer shop/web: http://192.0.2.1:80/ gave no answer: timeout, connecting"
    assert consumers(Answering(), (), web).unkept(before) == ["consumer shop/web holds no address to ask"]


def test_a_gap_over_the_limit_is_that_of_its_consumer(record: Record) -> None:
    record.measure("gap of the service", 0.1, budget=2.0)
    record.measure("gap of consumer shop/web", 4.0, budget=2.0)

    with pytest.raises(OverBudget) as late:
        record.require_budgets()

    assert asked_consumers.consumer_of(late.value.figures) == "shop/web"
    assert asked_consumers.consumer_of(frozenset({"gap of the service"})) == ""


def test_of_two_addresses_the_worse_one_is_the_figure_and_the_notes_tell_them_apart(record: Record) -> None:
    for by, longest, failed in (("tcp 192.0.2.1:80", 0.0, 0), ("tcp 2001:db8::1:80", 3.0, 15)):
        found = ConsumerGaps(
            service="shop/web", longest=longest, total=longest, cut=0, failed=failed, sent=100, by=by
        )
        record_missed(found, record, budget=budgets.TRAFFIC_GAP_UPGRADE)

    kept = {name: (one.value, one.unit, one.budget) for name, one in record.measurements.items()}
    assert kept == {
        "gap of consumer shop/web": (3.0, "s", budgets.get(budgets.TRAFFIC_GAP_UPGRADE).within),
        "gaps of consumer shop/web together": (3.0, "s", None),
        "requests of consumer shop/web failed": (15.0, "requests", None),
        "requests of consumer shop/web cut": (0.0, "requests", None),
    }
    assert record.evidence == [
        "consumer shop/web by tcp 192.0.2.1:80: 0 of 100 requests failed, 0 of them cut; no gap seen",
        "consumer shop/web by tcp 2001:db8::1:80: 15 of 100 requests failed, 0 of them cut; longest gap 3.0 s of 3.0 s",
    ]
