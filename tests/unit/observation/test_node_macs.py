"""Whose a hardware address is, from every source, and when nobody can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from clusters.observation import node_macs, scrape
from clusters.observation.field_types import Purpose
from clusters.observation.node_macs import NodeMacs
from clusters.observation.snapshot import (
    AnswerCount,
    AnswerCounts,
    Expectations,
    Heard,
    Objects,
    PodMetrics,
    Route,
    Sample,
    Snapshot,
    Status,
    WireView,
)

A, B, C, OUTSIDE = (f"02:00:00:00:00:0{digit}" for digit in "abcf")
SPEAKER = {"app": "metallb", "component": "speaker"}


def listed(*items: dict[str, Any]) -> Objects:
    return Objects(status=Status.OK, items=items)


def node(number: int) -> dict[str, Any]:
    addresses = [
        {"type": "Hostname", "address": f"w{number}"},
        {"type": "InternalIP", "address": f"10.0.0.{number}"},
        {"type": "ExternalIP", "address": f"10.1.0.{number}"},
    ]
    return {"metadata": {"name": f"w{number}"}, "spec": {}, "status": {"addresses": addresses}}


def speaker(number: int) -> dict[str, Any]:
    about = {"name": f"speaker-{number}", "namespace": "metallb-system", "labels": SPEAKER}
    return {"metadata": about, "spec": {"nodeName": f"w{number}", "containers": []}, "status": {}}


def service(name: str, address: str) -> dict[str, Any]:
    ingress = {"ingress": [{"ip": address}]}
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {},
        "status": {"loadBalancer": ingress},
    }


def status(name: str, node_name: str) -> dict[str, Any]:
    told = {"node": node_name, "serviceNamespace": "shop", "serviceName": name}
    return {"metadata": {"name": f"l2-{name}", "namespace": "metallb-system"}, "status": told}


def seen(
    own: Mapping[str, Sequence[str]],
    assigned: Mapping[str, Sequence[str]],
    *,
    free: Mapping[str, Sequence[str]] | None = None,
    **parts: Any,
) -> Snapshot:
    """An observation of two nodes; addresses of 10.0 are on one network of the vantage, those of 10.9 on another."""
    rows = ((Purpose.NODE, own), (Purpose.ASSIGNED, assigned), (Purpose.FREE, free or {}))
    heard = tuple(
        Heard(address=address, purpose=purpose, macs=tuple(macs))
        for purpose, answers in rows
        for address, macs in answers.items()
    )
    routes = tuple(
        Route(address=one.address, on_link=True, source=".".join(one.address.split(".")[:3]) + ".100")
        for one in heard
    )
    found = Snapshot(
        taken_at="2026-11-30T18:00:00.000+00:00",
        nodes=listed(node(1), node(2)),
        pods=listed(speaker(1), speaker(2)),
        wire=WireView(status=Status.OK, control_ok=True, routes=routes, heard=heard),
    )
    return replace(found, **parts)


OWN = {"10.0.0.1": [A], "10.0.0.2": [B]}


def learn(*arguments: Any, **parts: Any) -> NodeMacs:
    return node_macs.learn(seen(*arguments, **parts))


def test_every_address_of_a_node_teaches() -> None:
    known = learn({"10.0.0.1": [A], "10.1.0.1": [C], "10.0.0.2": [B]}, {"10.0.0.9": [C]})

    assert known.nodes == {A: "w1", B: "w2", C: "w1"}
    assert known.proofs[C] == "it answers for 10.1.0.1, an address of node w1"
    assert known.tellable([C])


def test_where_all_nodes_are_known_anybody_else_is_outside_the_cluster() -> None:
    known = learn(OWN, {"10.0.0.9": [OUTSIDE]})

    assert known.strange == {OUTSIDE}
    assert known.tellable([OUTSIDE])


def test_on_a_network_without_nodes_addresses_nobody_is_known_to_be_outside() -> None:
    looked = seen(OWN, {"10.9.0.9": [C]})

    known = node_macs.learn(looked)

    assert C not in known.nodes
    assert not known.strange
    assert not known.tellable([C])
    assert node_macs.unclear(looked)


def test_the_speaker_that_counted_answers_meanwhile_is_the_one_that_answered() -> None:
    counts = AnswerCounts(
        status=Status.OK,
        pods=("speaker-1", "speaker-2"),
        counts=(
            AnswerCount(pod="speaker-1", address="10.9.0.9", before=4, after=4),
            AnswerCount(pod="speaker-2", address="10.9.0.9", before=1, after=7),
        ),
    )

    known = learn(OWN, {"10.9.0.9": [C]}, answer_counts=counts)

    assert known.nodes[C] == "w2"
    assert known.proofs[C] == "the speaker on w2 counted the answers for 10.9.0.9"


def test_a_count_does_not_make_a_second_host_a_node() -> None:
    counts = AnswerCounts(
        status=Status.OK, counts=(AnswerCount(pod="speaker-1", address="10.0.0.9", before=0, after=3),)
    )

    known = learn(OWN, {"10.0.0.9": [A, OUTSIDE]}, answer_counts=counts)

    assert OUTSIDE not in known.nodes
    assert known.strange == {OUTSIDE}


def test_a_status_tells_only_where_no_node_is_known_on_that_network() -> None:
    parts = {
        "services": listed(service("near", "10.0.0.9"), service("own", "10.9.0.9")),
        "service_l2_statuses": listed(status("near", "w1"), status("own", "w2")),
    }

    known = learn(OWN, {"10.0.0.9": [OUTSIDE], "10.9.0.9": [C]}, **parts)

    assert known.nodes[C] == "w2"
    assert known.proofs[C] == "ServiceL2Status names w2 as the announcer of 10.9.0.9"
    assert known.strange == {OUTSIDE}


def test_a_second_card_answers_for_all_that_its_node_answers_for() -> None:
    known = learn(OWN, {"10.0.0.8": [A, C], "10.0.0.9": [A, C], "10.0.0.7": [B]})

    assert known.nodes[C] == "w1"
    assert not known.strange


@pytest.mark.parametrize(
    ("assigned", "free"),
    [
        ({"10.0.0.9": [A, OUTSIDE]}, {}),
        ({"10.0.0.8": [A, OUTSIDE], "10.0.0.9": [A]}, {}),
        ({"10.0.0.8": [A, OUTSIDE], "10.0.0.9": [B, OUTSIDE]}, {}),
        ({"10.0.0.8": [A, OUTSIDE], "10.0.0.9": [A, OUTSIDE]}, {"10.0.0.20": [OUTSIDE]}),
    ],
)
def test_what_a_second_card_would_not_do_is_a_host_outside(
    assigned: dict[str, list[str]], free: dict[str, list[str]]
) -> None:
    known = learn(OWN, assigned, free=free)

    assert OUTSIDE not in known.nodes
    assert known.strange == {OUTSIDE}


def test_one_that_answers_for_several_nodes_is_nobodys() -> None:
    known = learn({"10.0.0.1": [C], "10.0.0.2": [C]}, {"10.0.0.9": [C]})

    assert not known.nodes
    assert known.shared == {C: ("w1", "w2")}
    assert not known.tellable([C])


def test_the_profile_says_whose_a_card_is() -> None:
    known = learn(OWN, {"10.9.0.9": [C, OUTSIDE]}, expectations=Expectations(macs={"w1": (C,), "w2": (B,)}))

    assert known.nodes[C] == "w1"
    assert known.proofs[C] == "the profile says that it is node w1's"
    assert known.strange == {OUTSIDE}  # each node that announces is listed, so this one is none


def page(pod: str, *counts: tuple[str, float], **changed: Any) -> PodMetrics:
    samples = [Sample(name="metallb_x", labels={}, value=1.0)]
    samples += [
        Sample(name="metallb_layer2_responses_sent", labels={"ip": address}, value=value)
        for address, value in counts
    ]
    return PodMetrics(**{"pod": pod, "status": Status.OK, "samples": tuple(samples)} | changed)


def test_counts_are_compared_for_pods_that_were_read_twice() -> None:
    before = [page("a", ("10.0.0.9", 2)), page("b", ("10.0.0.9", 5))]
    unread = page("b", status=Status.FAILED, detail="no", samples=())
    after = [page("a", ("10.0.0.9", 5), ("10.0.0.8", 3), ("odd", 1)), unread]

    found = scrape.counts_compared(before, after)

    assert (found.status, found.pods) == (Status.OK, ("a",))
    assert found.counts == (
        AnswerCount(pod="a", address="10.0.0.8", before=0, after=3),
        AnswerCount(pod="a", address="10.0.0.9", before=2, after=5),
    )
    assert all(one.moved for one in found.counts)


def test_where_no_counts_are_read_it_is_said_why() -> None:
    refused = page("a", status=Status.NOT_PERMITTED, detail="not allowed", verb="get", samples=())

    found = scrape.counts_compared([refused], [refused])

    assert (found.status, found.detail, found.verb) == (Status.NOT_PERMITTED, "not allowed", "get")
    assert (
        scrape.counts_compared([], [page("a")]).detail
        == "no speaker's metrics were read before the questions"
    )
