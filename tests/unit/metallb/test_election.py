"""The election: its order, what keeps a node out, and that only the owner's leaving moves an address."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from clusters.metallb import advertisements as ads
from clusters.metallb import election
from clusters.metallb import nodes as node_rules
from clusters.metallb.advertisements import Advertisement, Preference
from clusters.metallb.election import Scene, Speakers, predict_announcer
from clusters.metallb.nodes import EXCLUDE_LABEL, Endpoint, Node
from clusters.metallb.pools import Pool
from clusters.metallb.ranges import parse
from clusters.metallb.selectors import LabelSelector, Requirement
from clusters.metallb.services import Service
from tests.unit.metallb import strategies

NAMES = ("node1", "node2", "node3", "node4")
ADDRESS = ip_address("10.0.0.1")
NODE_NAMES = st.sets(st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), min_size=1, max_size=8)
READY = tuple(Endpoint(("10.244.0.1",), name, servable=True) for name in NAMES)


def on(name: str) -> LabelSelector:
    return LabelSelector((Requirement("kubernetes.io/hostname", "In", (name,)),))


NO_NODE = Advertisement("lan", node_selectors=(on("x"),))
NO_SERVICE = Advertisement("lan", service_selectors=(on("x"),))


def node(name: str, **changes: Any) -> Node:
    return replace(Node(name, labels={"kubernetes.io/hostname": name}), **changes)


def scene(**changes: Any) -> Scene:
    plain = Scene(
        pools=(Pool("edge", (parse("10.0.0.0/24"), parse("fd00::/64"))),),
        advertisements=(Advertisement("lan"),),
        nodes=tuple(node(name) for name in NAMES),
        speakers=Speakers(frozenset(NAMES)),
        version=Version("0.16.2"),
    )
    return replace(plain, **changes)


def service(**changes: Any) -> Service:
    return replace(Service(namespace="shop", name="web", ingress=(ADDRESS,)), **changes)


def excluding(*names: str) -> tuple[Node, ...]:
    return tuple(
        replace(each, labels={**each.labels, EXCLUDE_LABEL: ""}) if each.name in names else each
        for each in scene().nodes
    )


@given(NODE_NAMES, st.ip_addresses())
def test_order_equals_the_naive_reference(names: set[str], address: Any) -> None:
    reference = sorted(names, key=lambda name: hashlib.sha256(f"{name}#{address}".encode()).hexdigest())

    assert list(election.order(names, address)) == reference


@given(NODE_NAMES, st.lists(st.ip_addresses(), min_size=1, max_size=8))
def test_one_ballot_elects_for_many_addresses_as_each_election_alone(
    names: set[str], addresses: list[Any]
) -> None:
    ballot = election.Ballot(names)

    for address in addresses * 2:
        assert ballot.first(address) == election.order(names, address)[0]


@given(NODE_NAMES, st.ip_addresses(), st.data())
def test_removing_a_loser_never_moves_the_address(names: set[str], address: Any, data: st.DataObject) -> None:
    owner, *losers = election.order(names, address)
    gone = data.draw(st.sets(st.sampled_from(losers))) if losers else set()

    assert election.order(names - gone, address)[0] == owner


@given(NODE_NAMES, st.ip_addresses(), st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3)))
def test_preference_comes_before_the_digest(names: set[str], address: Any, scores: dict[str, int]) -> None:
    order = election.order(names | scores.keys(), address, scores)

    assert [scores.get(name, 0) for name in order] == sorted(
        (scores.get(name, 0) for name in order), reverse=True
    )
    rest = [name for name in order if name not in scores]
    assert rest == list(election.order(rest, address))


def test_known_digest() -> None:
    """Worked out by hand with sha256sum: printf 'node1#10.0.0.1' | sha256sum."""
    expected = "414b4c5392caa413d81d44f63a055c8b42cd8cfd6c339c8525f16eebc27e271b"

    assert election.digest("node1", ADDRESS).hex() == expected


def test_everybody_takes_part() -> None:
    found = predict_announcer(service(), READY, scene())

    assert found.candidates == election.order(NAMES, ADDRESS)
    assert found.owner == found.candidates[0]
    assert found.excluded == {}
    assert found.reason is None


def test_the_first_address_decides_for_both_families() -> None:
    second = ip_address("fd00::1")

    found = predict_announcer(service(ingress=(second, ADDRESS)), READY, scene())

    assert found.candidates == election.order(NAMES, second)


@pytest.mark.parametrize(
    ("changes", "name", "cause"),
    [
        ({"nodes": excluding("node2")}, "node2", "node-excluded"),
        ({"speakers": Speakers(frozenset({"node1", "node3", "node4"}))}, "node2", "speaker-missing-on-node"),
        (
            {"nodes": (*scene().nodes[:1], node("node2", network_unavailable=True), *scene().nodes[2:])},
            "node2",
            "node-network-unavailable",
        ),
        ({"advertisements": (Advertisement("lan", node_selectors=tuple(map(on, NAMES[2:]))),)}, "node2", ""),
    ],
)
def test_a_node_is_kept_out_with_its_reason(changes: dict[str, Any], name: str, cause: str) -> None:
    found = predict_announcer(service(), READY, scene(**changes))

    assert found.owner is not None
    assert name not in found.candidates
    assert found.excluded[name].cause == cause


def test_unready_and_cordoned_nodes_stay_in() -> None:
    idle = tuple(replace(each, ready=False, unschedulable=True) for each in scene().nodes)

    assert predict_announcer(service(), READY, scene(nodes=idle)).candidates == election.order(NAMES, ADDRESS)


def test_cordoned_nodes_were_out_in_one_version_only() -> None:
    idle = (replace(scene().nodes[0], unschedulable=True), *scene().nodes[1:])

    then = predict_announcer(service(), READY, scene(nodes=idle, version=Version("0.14.9")))

    assert "node1" not in then.candidates


def test_the_exclude_label_can_be_ignored() -> None:
    speakers = Speakers(frozenset(NAMES), ignore_exclude_label=True)

    found = predict_announcer(service(), READY, scene(nodes=excluding(*NAMES), speakers=speakers))

    assert len(found.candidates) == 4


def test_local_policy_needs_a_ready_endpoint_on_the_node() -> None:
    there = (
        Endpoint(("10.244.0.1",), "node3", servable=True),
        Endpoint(("10.244.0.2",), "node1", servable=False),
    )

    found = predict_announcer(service(local_policy=True), there, scene())

    assert found.candidates == ("node3",)
    assert found.excluded["node1"].cause == "local-policy-no-endpoint-on-announcer"


def test_local_policy_with_endpoints_without_a_node() -> None:
    nowhere = (Endpoint(("10.9.9.9",), None, servable=True),)

    found = predict_announcer(service(local_policy=True), nowhere, scene())

    assert found.reason is not None
    assert found.reason.cause == "local-policy-no-endpoint-on-announcer"


def test_without_memberlist_every_node_counts() -> None:
    found = predict_announcer(service(), READY, scene(speakers=Speakers(memberlist=False)))

    assert len(found.candidates) == 4


@pytest.mark.parametrize(
    ("of_service", "of_scene", "endpoints", "cause"),
    [
        ({}, {}, (), "no-endpoints"),
        ({}, {}, (Endpoint((), "node1", servable=False),), "endpoints-unready"),
        ({}, {"advertisements": ()}, READY, "pool-not-advertised"),
        ({}, {"advertisements": (Advertisement("lan", pools=("other",)),)}, READY, "pool-not-advertised"),
        ({}, {"advertisements": (NO_NODE,)}, READY, "advertisement-selects-nothing"),
        ({}, {"advertisements": (NO_SERVICE,)}, READY, "advertisement-selects-nothing"),
        ({}, {"nodes": excluding(*NAMES)}, READY, "node-excluded"),
        ({}, {"speakers": Speakers()}, READY, "speaker-missing-on-node"),
        ({"ingress": (ip_address("10.9.9.9"),)}, {}, READY, "requested-outside-pools"),
        ({"ingress": ()}, {}, READY, ""),
    ],
)
def test_nobody_announces_for_a_reason(
    of_service: dict[str, Any], of_scene: dict[str, Any], endpoints: tuple[Endpoint, ...], cause: str
) -> None:
    found = predict_announcer(service(**of_service), endpoints, scene(**of_scene))

    assert found.owner is None
    assert found.candidates == ()
    assert found.reason is not None
    assert found.reason.cause == cause


SELECTED = Advertisement("shop", service_selectors=(LabelSelector((Requirement("team", "In", ("shop",)),)),))
SHARED = {"metallb.io/allow-shared-ip": "k"}


@pytest.mark.parametrize(("version", "announced"), [("0.15.2", True), ("0.16.1", True), ("0.16.2", False)])
def test_shared_addresses_with_service_selectors(version: str, *, announced: bool) -> None:
    shared = service(labels={"team": "shop"}, annotations=SHARED)

    found = predict_announcer(shared, READY, scene(advertisements=(SELECTED,), version=Version(version)))

    assert (found.owner is not None) is announced


def test_a_selector_for_others_does_not_stop_a_shared_address() -> None:
    shared = service(annotations=SHARED)

    found = predict_announcer(shared, READY, scene(advertisements=(SELECTED, Advertisement("lan"))))

    assert found.owner is not None


def test_preferred_node_wins_from_0_16_2_on() -> None:
    last = election.order(NAMES, ADDRESS)[-1]
    wanted = Advertisement("lan", preferences=(Preference(10, on(last)),))

    assert predict_announcer(service(), READY, scene(advertisements=(wanted,))).owner == last
    before = predict_announcer(service(), READY, scene(advertisements=(wanted,), version=Version("0.16.1")))
    assert before.owner == election.order(NAMES, ADDRESS)[0]


def test_preferences_add_up_and_do_not_widen() -> None:
    some = Advertisement(
        "some", node_selectors=(on("node1"), on("node2")), preferences=(Preference(50, on("node4")),)
    )
    more = Advertisement("more", preferences=(Preference(30, on("node2")), Preference(30, on("node2"))))

    assert ads.scores((some, more), scene().nodes) == {"node2": 60}


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Scene, list[Any]]:
    raw_nodes = [draw(strategies.nodes(name)) for name in NAMES]
    count = draw(st.integers(0, 3))
    drawn = [
        draw(strategies.advertisements(each, nodes=NAMES, service_selectors=True, preferences=True))
        for each in range(count)
    ]
    members = draw(st.sets(st.sampled_from(NAMES)))
    read = Scene(
        pools=(Pool("pool1", (parse("10.0.0.0/24"),), labels={"tier": "front"}),),
        advertisements=tuple(ads.parse(each) for each in drawn),
        nodes=tuple(node_rules.parse(each) for each in raw_nodes),
        speakers=Speakers(frozenset(members)),
        version=Version(draw(st.sampled_from(("0.15.2", "0.16.2")))),
    )
    return read, draw(strategies.endpoint_slices(NAMES))


@given(drawn=scenes(), local=st.booleans(), labels=st.sampled_from(({}, {"team": "edge"}, {"team": "shop"})))
def test_every_node_is_candidate_or_excluded(
    *, drawn: tuple[Scene, list[Any]], local: bool, labels: dict[str, str]
) -> None:
    around, slices = drawn
    endpoints = node_rules.parse_endpoints(slices)

    found = predict_announcer(service(local_policy=local, labels=labels), endpoints, around)

    assert (found.owner is None) is (found.reason is not None)
    assert (found.owner or "nobody") in (*found.candidates[:1], "nobody")
    if found.advertisements:
        assert {*found.candidates, *found.excluded} == set(NAMES)
        assert not set(found.candidates) & found.excluded.keys()
        assert set(found.candidates) <= around.speakers.members
