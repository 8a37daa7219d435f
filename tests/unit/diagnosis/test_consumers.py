"""Consumers by the profile: every address of theirs, whoever gives it to them, and those that the profile forgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.diagnosis import Diagnosis
from clusters.observation import Snapshot, load
from clusters.observation.snapshot import Consumer, Expectations
from tests.answers import answered
from tests.unit.diagnosis.test_unusual_clusters import edited

FOLDER = Path(__file__).parent / "observations"
EDGE, CHECK = "traefik/traefik", "trigger.edge-address"


@pytest.fixture
def healthy() -> Snapshot:
    return load(FOLDER / "healthy.json.gz")


def expecting(seen: Snapshot, *addresses: str) -> Snapshot:
    consumer = Consumer(namespace="traefik", name="traefik", addresses=addresses)
    return replace(seen, expectations=replace(seen.expectations, consumers=(consumer,)))


def with_edge(seen: Snapshot, *addresses: str, **spec: Any) -> Snapshot:
    """The edge with these addresses in its status, and these fields in its spec."""

    def change(each: dict[str, Any]) -> None:
        if each["metadata"]["name"] == "traefik":
            each["spec"].update(spec)
            # Else it is a service that asks MetalLB for something, and another cause says what.
            each["metadata"]["annotations"] = {}
            each["status"] = {"loadBalancer": {"ingress": [{"ip": one} for one in addresses]}}

    return replace(seen, services=edited(seen.services, change))


def held(seen: Snapshot) -> str:
    return str(Diagnosis(seen).facts.services[EDGE].ingress[0])


def test_one_address_of_several_that_is_gone_is_told(healthy: Snapshot) -> None:
    has = held(healthy)

    (found,) = answered(CHECK, expecting(healthy, has, "2001:db8::10")).findings

    assert (found.cause, found.subject) == ("address-not-intended", f"service {EDGE}")
    assert found.summary == f"Service {EDGE} has the address {has}; its users expect 2001:db8::10."


def test_all_addresses_of_both_families_that_are_held_are_well_however_they_are_written(
    healthy: Snapshot,
) -> None:
    has = held(healthy)

    both = with_edge(healthy, has, "2001:db8::10")

    assert not answered(CHECK, expecting(both, has, "2001:DB8:0::10")).findings


def test_a_consumer_of_another_class_whose_address_is_gone_fails(healthy: Snapshot) -> None:
    has = held(healthy)

    (found,) = answered(
        CHECK, expecting(with_edge(healthy, loadBalancerClass="example.com/other"), has)
    ).findings

    assert found.cause == "address-not-intended"
    assert found.summary == (
        f"Service {EDGE} holds no address; its users expect {has}. It is not MetalLB's: Service {EDGE} asks for class "
        "'example.com/other', and MetalLB serves services without a class only."
    )


def test_a_consumer_of_another_class_that_holds_its_address_is_well(healthy: Snapshot) -> None:
    has = held(healthy)
    other = with_edge(healthy, has, loadBalancerClass="example.com/other")

    assert not answered(CHECK, expecting(other, has)).findings


def test_a_consumer_that_no_profile_names_is_proposed_with_its_lines(healthy: Snapshot) -> None:
    has = held(healthy)
    nobody = replace(healthy, expectations=replace(healthy.expectations, consumers=()))
    somebody = Consumer(namespace="shop", name="web")
    another = replace(healthy, expectations=replace(healthy.expectations, consumers=(somebody,)))

    line = f"add under consumers: {{service: {EDGE}, address: {has}}}"
    assert line in answered(CHECK, nobody).unsupported
    assert any(line in note for note in answered(CHECK, another).notes)
    assert not any("add under consumers" in note for note in answered(CHECK, expecting(healthy, has)).notes)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"app.kubernetes.io/name": "traefik"}, "Traefik"),
        ({"app.kubernetes.io/name": "ingress-nginx"}, "ingress-nginx"),
        ({"app.kubernetes.io/name": "kubernetes-ingress"}, "HAProxy"),
        ({"app": "istio-ingressgateway", "istio": "ingressgateway"}, "Istio"),
        ({"gateway.envoyproxy.io/owning-gateway-name": "edge", "app": "any"}, "Envoy Gateway"),
        ({"app": "shop"}, ""),
    ],
)
def test_ingress_controllers_are_known_by_labels_or_selector(
    healthy: Snapshot, labels: dict[str, str], kind: str
) -> None:
    for in_labels in (True, False):

        def change(each: dict[str, Any], *, in_labels: bool = in_labels) -> None:
            each["metadata"]["name"] = each["metadata"]["name"].replace("traefik", "edge")
            each["metadata"]["labels"] = labels if in_labels else {}
            each["spec"]["selector"] = {} if in_labels else labels

        seen = replace(healthy, expectations=Expectations(), services=edited(healthy.services, change))
        told = answered(CHECK, seen).unsupported
        assert (f"looks like {kind}," in told) if kind else ("looks like" not in told)
