"""From the announcing node to a backend: what is proved is named, and what is not is told as candidates."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.checks import Finding, LinkReading, Reading
from clusters.checks.path_links import Link
from clusters.checks.path_links import Path as Way
from clusters.diagnosis import Diagnosis, paths
from clusters.observation import Objects, Snapshot, Status, load
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import (
    DryRun,
    NodePortReach,
    NodeReach,
    ProxyHealth,
    TryEnd,
)
from tests.answers import all_answered

FOLDER = Path(__file__).parents[1] / "observations"
LATE, WEB = "shop/late", "shop/web"
#: Who announces late and traefik in the recording, whose endpoints are on node2 and node3, and on node1 and node2.
OWNER, OWN_ADDRESS = "node2", "172.30.0.12"
TIMEOUT = ProbeOutcome.TIMEOUT


@pytest.fixture
def seen() -> Snapshot:
    """One service's address answers ARP and nothing comes back; the vantage knows its own address."""
    found = load(FOLDER / "kube-proxy-stale.json.gz")
    routes = tuple(replace(route, source="172.30.0.100") for route in found.wire.routes)
    return replace(found, wire=replace(found.wire, routes=routes))


def tried(seen: Snapshot, service: str = LATE, **fields: Any) -> Snapshot:
    """The observation with other tries at one service's ports."""
    reached = [
        replace(one, **fields) if one.service == service and one.protocol == "TCP" else one
        for one in seen.wire.reached
    ]
    return replace(seen, wire=replace(seen.wire, reached=tuple(reached)))


def lost(seen: Snapshot, count: int, of: int = 20, service: str = LATE, **end: Any) -> Snapshot:
    """So many tries at a service's ports are lost, in one way."""
    how = TryEnd(outcome=end.pop("outcome", TIMEOUT), count=count, **end)
    served = TryEnd(outcome=ProbeOutcome.ANSWERED, count=of - count)
    return tried(
        seen,
        service,
        outcome=ProbeOutcome.ANSWERED if count < of else how.outcome,
        detail=how.detail,
        tries=of,
        lost=count,
        ends=(how, served) if count < of else (how,),
    )


def again(seen: Snapshot, lost: int, of: int = 12, *, slower: int, tries: int = 10) -> Snapshot:
    """The observation in which so many lost tries were lost again, and `slower` of six beside them.

    The announcing node was tried at its own address so many times, and lost none.
    """
    found = tried(seen, again=of, again_lost=lost, slower=6, slower_lost=slower)
    return around(found, node_reach=(itself(tries=tries),))


def around(seen: Snapshot, **fields: Any) -> Snapshot:
    return replace(seen, wire=replace(seen.wire, **fields))


def itself(node: str = OWNER, address: str = OWN_ADDRESS, **fields: Any) -> NodeReach:
    """A node that is reached at its own address, unless the fields say otherwise."""
    known = {"outcome": ProbeOutcome.ANSWERED, "tries": 3, **fields}
    return NodeReach(node=node, address=address, kind="InternalIP", port=10250, **known)


def node_port(node: str, outcome: ProbeOutcome, service: str = LATE) -> NodePortReach:
    missed = 0 if outcome is ProbeOutcome.ANSWERED else 10
    return NodePortReach(
        service=service, port=80, protocol="TCP", node=node, address="172.30.0.11", node_port=32307,
        outcome=outcome, tries=10, lost=missed,
    )  # fmt: skip


def finding(seen: Snapshot, service: str = LATE) -> Finding:
    """What trigger.unreachable-address says of a service, or for a node that it suffers from."""
    (found,) = (explained for key, explained in Diagnosis(seen).unreached.items() if key == service)
    return found.finding("trigger.unreachable-address")


def link(seen: Snapshot, link: Link, service: str = LATE) -> LinkReading:
    found = {one.path: one for one in paths.of_service(Diagnosis(seen), service)}
    return next(one for one in found[Way.TRAFFIC].links if one.link is link)


def candidates(seen: Snapshot) -> list[str]:
    return list(dict.fromkeys(each.cause for each in Diagnosis(seen).unreached[LATE].root.candidates))


def test_silence_without_proof_is_told_as_candidates_with_what_decides_each(seen: Snapshot) -> None:
    found = finding(lost(seen, 20))

    assert (found.cause, found.subject) == ("address-not-forwarded", f"service {LATE}")
    assert "20 of 20 tries lost" in found.summary
    assert (
        candidates(lost(seen, 20))[0] != "node-does-not-forward"
    )  # traefik's address is served by the same node
    assert any("172.30.0.210" in each for each in found.ruled_out)
    assert len(found.commands) >= 2
    reading = link(lost(seen, 20), Link.FORWARD)
    assert reading.reading == Reading.UNKNOWN
    assert {each.cause for each in reading.candidates} == set(candidates(lost(seen, 20)))


def alone(seen: Snapshot) -> Snapshot:
    """Nothing that the announcing node announces is served, and what another node announces is."""
    silent = lost(lost(seen, 20), 20, service="traefik/traefik")
    udp = [
        replace(one, outcome=ProbeOutcome.SILENT) if one.protocol == "UDP" else one
        for one in silent.wire.reached
    ]
    return around(silent, reached=tuple(udp), node_reach=(itself(),))


def test_a_node_that_is_reached_and_serves_nothing_where_others_serve_is_named_for_all_its_services(
    seen: Snapshot,
) -> None:
    diagnosis = Diagnosis(alone(seen))

    roots = {explained.root.key for explained in diagnosis.unreached.values()}

    assert roots == {("address-not-forwarded", f"node {OWNER}")}
    assert link(alone(seen), Link.FORWARD).cause == "address-not-forwarded"
    assert candidates(alone(seen))[:2] == ["node-does-not-forward", "kube-proxy-stale"]


def test_what_others_lose_at_the_pods_of_a_node_that_forwards_nothing_is_the_same_fault(
    seen: Snapshot,
) -> None:
    """The address of web is announced by node1, and half of its endpoints are on the node that is filtered."""
    diagnosis = Diagnosis(lost(alone(seen), 10, service=WEB))

    assert {explained.root.key for explained in diagnosis.unreached.values()} == {
        ("address-not-forwarded", f"node {OWNER}")
    }
    assert set(diagnosis.unreached) == {LATE, WEB, "traefik/traefik"}


def test_a_node_that_forwards_nothing_counts_for_more_than_a_share_that_fits_all_others_better(
    seen: Snapshot,
) -> None:
    """Web has a third endpoint: 9 of 20 are nearer to what two of three lose than to what the filtered one does."""
    slices = copy.deepcopy(seen.endpoint_slices.items)
    for raw in slices:
        if raw["metadata"]["labels"]["kubernetes.io/service-name"] == "web":
            third = copy.deepcopy(raw["endpoints"][0]) | {"nodeName": "node3", "addresses": ["10.244.3.77"]}
            raw["endpoints"].append(third)
    seen = replace(seen, endpoint_slices=replace(seen.endpoint_slices, items=slices))

    found = Diagnosis(again(lost(alone(seen), 9, service=WEB), 9, 9, slower=3)).unreached[WEB]

    assert found.root.key == ("address-not-forwarded", f"node {OWNER}")


def webhook_on(seen: Snapshot, node: str, end: str, *, address: str = "10.244.2.9") -> Snapshot:
    """The dry run ended so at the webhook; the controller runs on that node."""
    slices = copy.deepcopy(seen.endpoint_slices.items)
    for raw in slices:
        if raw["metadata"]["labels"]["kubernetes.io/service-name"] == "metallb-webhook-service":
            raw["endpoints"][0] |= {"nodeName": node, "addresses": [address]}
    said = DryRun(
        status=Status.OK, accepted=False, webhook_failed=True, detail=f"failed to call webhook: {end}"
    )
    return replace(seen, endpoint_slices=replace(seen.endpoint_slices, items=slices), dry_run=said)


LATE_CALL = "context deadline exceeded"


@pytest.mark.parametrize(
    ("node", "end", "address", "behind"),
    [
        (OWNER, LATE_CALL, "10.244.2.9", True),
        (OWNER, "dial tcp 10.244.2.9:9443: i/o timeout", "10.244.2.9", True),
        # It runs elsewhere, was refused or met somebody, or is called by the other family.
        ("node3", LATE_CALL, "10.244.3.9", False),
        (OWNER, "dial tcp 10.244.2.9:9443: connect: connection refused", "10.244.2.9", False),
        (OWNER, "x509: certificate signed by unknown authority", "10.244.2.9", False),
        (OWNER, LATE_CALL, "fd00:10:244:2::9", False),
    ],
)
def test_a_webhook_on_a_node_that_passes_nothing_on_is_that_nodes_trouble(
    seen: Snapshot, node: str, end: str, address: str, *, behind: bool
) -> None:
    late = webhook_on(alone(seen), node, end, address=address)
    told = all_answered(late)

    (found,) = told["health.config-accepted"].findings
    assert found.cause == ("address-not-forwarded" if behind else "webhook-unreachable")
    assert found.root == ("trigger.unreachable-address" if behind else "")
    assert found.subject == "deployment controller"
    assert end in found.summary
    named = {cause.cause for cause in Diagnosis(late).root_causes}
    assert ("webhook-unreachable" in named) is not behind


def test_a_webhook_where_the_api_server_may_run_is_told_by_itself(seen: Snapshot) -> None:
    def leading(raw: dict[str, Any]) -> dict[str, Any]:
        if raw["metadata"]["name"] != OWNER:
            return raw
        labels = raw["metadata"]["labels"] | {"node-role.kubernetes.io/control-plane": ""}
        return raw | {"metadata": raw["metadata"] | {"labels": labels}}

    late = webhook_on(alone(seen), OWNER, LATE_CALL)
    late = replace(late, nodes=replace(late.nodes, items=tuple(map(leading, late.nodes.items))))

    (found,) = all_answered(late)["health.config-accepted"].findings
    assert (found.cause, found.root) == ("webhook-unreachable", "")


def test_a_node_port_that_is_served_elsewhere_alone_locates_it_too(seen: Snapshot) -> None:
    single = replace(
        alone(seen), services=replace(seen.services, items=tuple(
            each for each in seen.services.items if each["metadata"]["name"] == "late"
        ))
    )  # fmt: skip
    ports = (node_port(OWNER, TIMEOUT), node_port("node3", ProbeOutcome.ANSWERED))
    reached = tuple(one for one in single.wire.reached if one.service == LATE)
    single = around(single, reached=reached, heard=tuple(
        one for one in single.wire.heard if one.address == "172.30.0.202" or one.purpose == "node"
    ))  # fmt: skip

    assert finding(single).subject == f"service {LATE}"
    found = finding(around(single, node_ports=ports)).evidence
    assert any("NodePort 32307" in each and "served on node node3" in each for each in found)


def test_links_behind_a_served_address_are_read_by_what_came_back(seen: Snapshot) -> None:
    served = tried(seen, WEB, outcome=ProbeOutcome.ANSWERED, tries=20, lost=0)

    assert link(served, Link.NODE, WEB).reading == Reading.OK
    assert link(served, Link.BACKEND_PATH, WEB).proof == ("no try was lost, of 20 at TCP port 80",)
    assert link(tried(seen, WEB, tries=1), Link.BACKEND_PATH, WEB).reading == Reading.UNKNOWN


def test_the_announcing_nodes_own_address_says_whether_it_is_reached(seen: Snapshot) -> None:
    reached = around(lost(seen, 20), node_reach=(itself(),))
    silent = around(lost(seen, 20), node_reach=(itself(outcome=TIMEOUT, lost=3, tries=3),))

    assert link(reached, Link.NODE).reading == Reading.OK
    assert link(silent, Link.NODE).proof == (
        "port 10250 of node node2's own address 172.30.0.12 is silent too: 3 of 3 tries lost (timeout)",
    )


def test_where_the_node_itself_is_silent_nothing_of_it_is_located(seen: Snapshot) -> None:
    mute = around(alone(seen), node_reach=(itself(outcome=TIMEOUT, lost=3, tries=3),))

    assert link(mute, Link.FORWARD).reading == Reading.UNKNOWN


@pytest.mark.parametrize("sender", [OWN_ADDRESS, "172.30.0.202", ""])
def test_a_prohibition_by_the_announcing_node_is_a_filters_own_word(seen: Snapshot, sender: str) -> None:
    refused = lost(seen, 20, outcome=ProbeOutcome.UNREACHABLE, icmp="admin-prohibited", sent_by=sender)

    found = finding(refused)

    assert (found.cause, Diagnosis(refused).unreached[LATE].root.subject) == (
        "node-does-not-forward", f"node {OWNER}"
    )  # fmt: skip
    assert link(refused, Link.FORWARD).reading == Reading.BROKEN


def test_a_prohibition_by_another_node_proves_nothing_of_the_announcing_one(seen: Snapshot) -> None:
    refused = lost(seen, 20, outcome=ProbeOutcome.UNREACHABLE, icmp="admin-prohibited", sent_by="172.30.0.13")

    assert finding(refused).cause == "address-not-forwarded"


@pytest.mark.parametrize(
    ("status", "others", "cause"),
    [
        (503, 200, "kube-proxy-stale"),
        (0, 200, "kube-proxy-stale"),
        (0, 0, "address-not-forwarded"),
        (200, 200, "address-not-forwarded"),
        (200, 0, "address-not-forwarded"),
    ],
)
def test_kube_proxy_is_named_by_its_own_word_or_by_its_silence_beside_others(
    seen: Snapshot, status: int, others: int, cause: str
) -> None:
    outcome = ProbeOutcome.ANSWERED if status else TIMEOUT
    health = (
        ProxyHealth(node=OWNER, address=OWN_ADDRESS, port=10256, status=status, outcome=outcome, tries=1),
        ProxyHealth(node="node3", address="172.30.0.13", port=10256, status=others, outcome=outcome, tries=1),
    )

    found = finding(around(lost(seen, 20), proxy_health=health, node_reach=(itself(),)))

    assert found.cause == cause
    healthy = f"kube-proxy on node {OWNER} is healthy by its own word (/healthz: 200)"
    assert (healthy in found.ruled_out) == (status == 200)


def test_a_kube_proxy_is_not_silent_where_only_the_other_family_comes_back(seen: Snapshot) -> None:
    silence = ProxyHealth(
        node=OWNER, address=OWN_ADDRESS, port=10256, status=0, outcome=TIMEOUT, tries=1, lost=1
    )
    health = (silence, replace(silence, node="node3", address="172.30.0.13", status=200))
    by_ipv6 = itself(address="fd00:172:30::12")

    found = finding(around(lost(seen, 20), proxy_health=health, node_reach=(mute(), by_ipv6)))

    assert found.cause == "address-not-forwarded"


def proxy_pod(node: str, *, ready: bool) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": f"kube-proxy-{node}", "namespace": "kube-system"},
        "spec": {"nodeName": node},
        "status": {"conditions": conditions},
    }


@pytest.mark.parametrize(
    ("pods", "cause"),
    [
        ({"node1": True, "node2": False, "node3": True}, "kube-proxy-stale"),
        ({"node1": True, "node3": True}, "kube-proxy-stale"),
        ({"node1": True}, "address-not-forwarded"),
        ({"node1": True, "node2": True, "node3": False}, "address-not-forwarded"),
        ({}, "address-not-forwarded"),
    ],
)
def test_kube_proxy_is_named_by_its_pod_on_the_announcing_node(
    seen: Snapshot, pods: dict[str, bool], cause: str
) -> None:
    items = tuple(proxy_pod(node, ready=ready) for node, ready in pods.items())
    changed = replace(lost(seen, 20), kube_proxy_pods=Objects(status=Status.OK, items=items))

    assert finding(changed).cause == cause


def alike(seen: Snapshot) -> Snapshot:
    """Another service of the same announcer loses tries too, with pods of its own on every node."""
    items = copy.deepcopy(seen.endpoint_slices.items)
    (edge,) = (raw for raw in items if raw["metadata"]["labels"]["kubernetes.io/service-name"] == "traefik")
    there = next(one for one in edge["endpoints"] if one["nodeName"] == "node1")
    edge["endpoints"] = [*edge["endpoints"], there | {"nodeName": "node3", "addresses": ["10.244.3.77"]}]
    found = replace(seen, endpoint_slices=replace(seen.endpoint_slices, items=items))
    return lost(found, 7, service="traefik/traefik")


@pytest.mark.parametrize("count", [4, 6, 10, 14])
def test_a_loss_in_the_share_of_another_nodes_endpoints_is_the_way_to_it_where_it_sticks(
    seen: Snapshot, count: int
) -> None:
    made_again = min(count, 12)
    changed = again(lost(alike(seen), count), made_again, made_again, slower=2)

    found = finding(changed)

    assert (found.cause, Diagnosis(changed).unreached[LATE].root.subject) == (
        "backend-path-broken",
        "node node3",
    )
    assert f"{count} of 20 tries at TCP 172.30.0.202:80 are lost" in found.summary
    assert "endpoint 10.244.3.6 is on node node3" in found.evidence


def test_a_single_pod_that_drops_what_comes_is_no_way_to_its_node(seen: Snapshot) -> None:
    """Its share is that of its node, as nothing else of it is tried."""
    changed = again(lost(seen, 10), 10, 10, slower=3)

    found = Diagnosis(changed).unreached[LATE].root

    assert (found.cause, found.subject) == ("backend-not-reached", f"service {LATE}")
    assert [each.cause for each in found.candidates] == [
        "backend-path-broken", "backend-refuses", "backend-path-broken", "backend-refuses"
    ]  # fmt: skip
    assert "kubectl get pods --all-namespaces -o wide --field-selector status.podIP=10.244.3.6" in {
        each.command for each in found.candidates
    }


def test_of_nodes_with_equally_many_endpoints_none_is_picked_out(seen: Snapshot) -> None:
    seen = alike(seen)
    items = copy.deepcopy(seen.endpoint_slices.items)
    (late,) = (raw for raw in items if raw["metadata"]["labels"]["kubernetes.io/service-name"] == "late")
    (there,) = (one for one in late["endpoints"] if one["nodeName"] == "node3")
    late["endpoints"] = [*late["endpoints"], there | {"nodeName": "node1", "addresses": ["10.244.1.9"]}]
    changed = again(lost(seen, 7), 7, 7, slower=2)
    changed = replace(changed, endpoint_slices=replace(seen.endpoint_slices, items=items))

    root = Diagnosis(changed).unreached[LATE].root

    assert (root.cause, root.subject) == ("backend-path-broken", f"node {OWNER}")
    assert f"from node {OWNER} to the endpoints on node node1 or node3" in root.summary


def test_a_share_alone_proves_no_endpoint(seen: Snapshot) -> None:
    found = Diagnosis(lost(seen, 10)).unreached[LATE].root

    assert found.cause == "backend-not-reached"
    assert "about as many as go to the endpoints on node3" in found.summary
    assert [each.cause for each in found.candidates] == [
        "backend-path-broken", "backend-refuses", "backend-path-broken", "connections-limited", "backend-refuses"
    ]  # fmt: skip


def test_what_is_lost_at_random_is_no_endpoints(seen: Snapshot) -> None:
    assert finding(again(lost(seen, 10), 7, slower=3)).cause == "backend-not-reached"


def test_what_sticks_where_the_node_itself_was_not_tried_may_be_on_the_way_to_it(seen: Snapshot) -> None:
    changed = around(again(lost(seen, 10), 12, slower=3), node_reach=())

    found = Diagnosis(changed).unreached[LATE].root

    assert found.cause == "backend-not-reached"
    assert "connections-limited" not in {each.cause for each in found.candidates}


def test_what_only_fast_tries_lose_is_a_limit(seen: Snapshot) -> None:
    found = finding(tried(again(lost(seen, 15), 0, slower=0), burst=20, burst_lost=14))

    assert found.cause == "connections-limited"
    assert "none of 18 at ten a second or fewer" in found.summary


def test_a_few_slow_tries_that_are_served_prove_no_limit(seen: Snapshot) -> None:
    assert finding(again(lost(seen, 3), 0, 3, slower=0)).cause == "backend-not-reached"


def test_what_was_not_lost_again_at_the_same_pace_is_no_limit(seen: Snapshot) -> None:
    assert finding(again(lost(seen, 15), 0, slower=0)).cause == "backend-not-reached"


def test_a_limit_that_bites_at_any_pace_is_not_told_from_other_losses(seen: Snapshot) -> None:
    assert finding(again(lost(seen, 15), 6, slower=3)).cause == "backend-not-reached"


@pytest.mark.parametrize("count", [17, 19])
def test_a_loss_that_fits_no_nodes_share_is_told_openly(seen: Snapshot, count: int) -> None:
    changed = lost(seen, count)

    assert finding(changed).cause == "backend-not-reached"
    reading = link(changed, Link.BACKEND_PATH)
    assert reading.reading == Reading.BROKEN
    assert {each.cause for each in reading.candidates} == {
        "backend-path-broken", "connections-limited", "backend-refuses"
    }  # fmt: skip


def test_one_lost_try_is_chance(seen: Snapshot) -> None:
    assert LATE not in Diagnosis(lost(seen, 1)).unreached


def test_a_vantage_that_loses_tries_at_nodes_too_says_nothing_by_them(seen: Snapshot) -> None:
    others = itself("node3", "172.30.0.13", tries=10, lost=1, ends=(TryEnd(outcome=TIMEOUT, count=1),))
    changed = around(lost(seen, 10), node_reach=(itself(tries=10, lost=2), others))

    answer = all_answered(changed)["trigger.unreachable-address"]

    assert not answer.findings
    assert "loses connections by itself" in answer.missing[0]


def test_a_way_to_one_node_that_loses_tries_is_no_doing_of_the_vantages(seen: Snapshot) -> None:
    """One of the two links of a bond is dead, and another node's own address is always reached."""
    whole = itself("node3", "172.30.0.13", tries=10)
    changed = around(lost(seen, 10), node_reach=(itself(tries=10, lost=5), whole))

    answer = all_answered(changed)["trigger.unreachable-address"]
    found = Diagnosis(changed).unreached[LATE].root

    assert not answer.missing
    assert found.cause == "backend-not-reached"
    assert found.candidates[0].cause == "node-not-reached"
    assert "5 of 10 tries at that node's own address 172.30.0.12 are lost, too" in found.summary


def test_a_service_that_loses_nothing_with_endpoints_on_that_node_takes_the_node_out(seen: Snapshot) -> None:
    """Both are announced by one node, and have their endpoints on the same two."""
    beside = replace(seen, wire=replace(seen.wire, heard=tuple(
        replace(one, macs=("02:6d:6c:00:00:0c",)) if one.address == "172.30.0.200" else one
        for one in seen.wire.heard
    )))  # fmt: skip
    beside = again(lost(alike(beside), 10), 10, 10, slower=3)
    whole = tried(beside, WEB, outcome=ProbeOutcome.ANSWERED, tries=20, lost=0)

    assert finding(whole).cause == "backend-not-reached"
    assert finding(beside).cause == "backend-path-broken"
    # What comes back by the other family went another way.
    assert finding(by_six(whole, "172.30.0.200")).cause == "backend-path-broken"


def by_six(seen: Snapshot, address: str) -> Snapshot:
    """The observation in which an address was an IPv6 one, to whoever asked and tried it."""
    wire, six = seen.wire, "fd00:172:30::200"
    return around(
        seen,
        heard=tuple(replace(one, address=six) if one.address == address else one for one in wire.heard),
        reached=tuple(replace(one, address=six) if one.address == address else one for one in wire.reached),
    )


def test_tries_that_are_refused_by_some_are_the_workloads(seen: Snapshot) -> None:
    found = finding(lost(seen, 10, outcome=ProbeOutcome.REFUSED))

    assert found.cause == "backend-refuses"
    assert "refuses 10 of 20 tries" in found.summary


def policy(*ingress: Any, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "default-deny", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [*ingress], **spec},
    }


def with_policies(seen: Snapshot, *items: dict[str, Any]) -> Snapshot:
    return replace(seen, network_policies=Objects(status=Status.OK, items=items))


def block(cidr: str, *but: str) -> dict[str, Any]:
    return {"from": [{"ipBlock": {"cidr": cidr, "except": [*but]}}]}


SELECTED = {"matchLabels": {"app.kubernetes.io/name": "shop"}}
PODS_ONLY: dict[str, Any] = {"from": [{"podSelector": {}}]}


@pytest.mark.parametrize(
    ("policies", "denied"),
    [
        ([policy()], True),
        ([policy(PODS_ONLY)], True),
        ([policy(block("10.0.0.0/8"))], True),
        ([policy(block("172.30.0.0/24", "172.30.0.0/25"))], True),
        ([policy(podSelector=SELECTED)], True),
        ([policy({"from": [], "ports": [{"port": 9090}]})], True),
        ([], False),
        ([policy({})], False),
        ([policy(block("172.30.0.100/32"))], False),
        ([policy(block("172.30.0.12/32"))], False),
        ([policy({"from": [], "ports": [{"port": "http"}]})], False),
        ([policy({"from": [], "ports": [{"port": 8000, "endPort": 8100}]})], False),
        ([policy(policyTypes=["Egress"])], False),
        ([policy(podSelector={"matchLabels": {"app": "other"}})], False),
        ([policy(), policy(block("172.30.0.0/24"))], False),
        ([policy(), policy(block("172.30.0.0/24"), podSelector={"matchLabels": {"tier": "web"}})], False),
    ],
)  # fmt: skip
def test_a_policy_is_named_where_it_admits_neither_the_vantage_nor_the_node(
    seen: Snapshot, policies: Iterable[dict[str, Any]], *, denied: bool
) -> None:
    found = finding(with_policies(lost(seen, 20), *policies))

    assert found.cause == ("policy-denies" if denied else "address-not-forwarded")


def test_a_policy_of_another_namespace_is_nobodys_business(seen: Snapshot) -> None:
    other = copy.deepcopy(policy())
    other["metadata"]["namespace"] = "elsewhere"

    assert finding(with_policies(lost(seen, 20), other)).cause == "address-not-forwarded"


def test_policies_that_were_not_read_are_a_candidate_and_no_denial(seen: Snapshot) -> None:
    unread = replace(lost(seen, 20), network_policies=Objects(status=Status.NOT_PERMITTED, verb="list"))

    assert "policy-denies" in candidates(unread)
    assert "policy-denies" not in candidates(with_policies(lost(seen, 20)))


def test_a_refusal_is_no_policys(seen: Snapshot) -> None:
    refused = with_policies(lost(seen, 20, outcome=ProbeOutcome.REFUSED), policy())

    assert finding(refused).cause == "backend-refuses"


def behind_a_gateway(seen: Snapshot, *, also: str = "") -> Snapshot:
    """The address of the silent service is no more on the segment; `also` is an outcome of another one of its pool."""
    routes = tuple(
        replace(route, on_link=False, gateway="172.30.0.1")
        if route.address.startswith("172.30.0.2")
        else route
        for route in seen.wire.routes
    )
    heard = tuple(one for one in seen.wire.heard if one.purpose == "node")
    reached = tuple(
        replace(one, outcome=ProbeOutcome(also) if also and one.service == WEB else TIMEOUT)
        for one in seen.wire.reached
    )
    return around(seen, routes=routes, heard=heard, reached=reached)


def test_a_network_of_which_nothing_gives_a_sign_is_no_fault_and_no_pass(seen: Snapshot) -> None:
    answer = all_answered(behind_a_gateway(seen))["trigger.unreachable-address"]

    assert not answer.findings
    assert any("wrong-segment" in line and "vantage-not-on-segment" in line for line in answer.missing)


@pytest.mark.parametrize("sign", ["answered", "refused"])
def test_one_address_that_gives_a_sign_shows_that_its_network_is_there(seen: Snapshot, sign: str) -> None:
    answer = all_answered(behind_a_gateway(seen, also=sign))["trigger.unreachable-address"]

    assert {found.cause for found in answer.findings} >= {"address-not-forwarded"}


OTHER_NODE = itself("node1", "172.30.0.11")


def all_lost(seen: Snapshot) -> Snapshot:
    """Nothing comes back from any address that the node announces."""
    found = lost(lost(seen, 20), 20, service="traefik/traefik")
    return around(found, reached=tuple(one for one in found.wire.reached if one.protocol == "TCP"))


def mute(**fields: Any) -> NodeReach:
    """The announcing node's own address, of which nothing comes back."""
    ends = (TryEnd(outcome=TIMEOUT, count=10, **fields),)
    return itself(outcome=TIMEOUT, tries=10, lost=10, ends=ends)


def test_a_node_of_which_nothing_comes_back_leads(seen: Snapshot) -> None:
    changed = around(all_lost(seen), node_reach=(mute(), OTHER_NODE))

    found = Diagnosis(changed).unreached[LATE].root

    assert (found.cause, found.subject) == ("node-not-reached", f"node {OWNER}")
    assert f"own address {OWN_ADDRESS}" in found.summary
    assert "ip route get 172.30.0.100" in found.commands()
    assert link(changed, Link.NODE).reading == Reading.BROKEN


def test_a_node_of_which_ipv4_does_not_come_back_leads_though_ipv6_does(seen: Snapshot) -> None:
    by_ipv6 = itself(address="fd00:172:30::12")

    found = finding(around(all_lost(seen), node_reach=(by_ipv6, mute(), OTHER_NODE)))

    assert found.cause == "node-not-reached"


@pytest.mark.parametrize(
    "around_it",
    [
        {"node_reach": (mute(),)},
        {"node_reach": (mute(), replace(mute(), node="node1", address="172.30.0.11"))},
        {"node_reach": (mute(), OTHER_NODE), "node_ports": (node_port(OWNER, ProbeOutcome.ANSWERED),)},
        {"node_reach": (mute(icmp="admin-prohibited"), OTHER_NODE)},
    ],
    ids=["no other was tried", "no other is reached", "its NodePort answers", "a filter says so"],
)
def test_a_silent_kubelet_alone_is_no_silent_node(seen: Snapshot, around_it: dict[str, Any]) -> None:
    assert finding(around(all_lost(seen), **around_it)).cause != "node-not-reached"


def test_a_node_that_serves_another_address_is_reached(seen: Snapshot) -> None:
    changed = around(lost(seen, 20), node_reach=(mute(), OTHER_NODE))

    assert finding(changed).cause == "address-not-forwarded"


@pytest.mark.parametrize("replies", [True, False])
def test_a_node_that_is_not_heard_at_all_is_told_before_what_it_announces(
    seen: Snapshot, *, replies: bool
) -> None:
    silent = {"172.30.0.202", *(() if replies else (OWN_ADDRESS,))}
    heard = tuple(replace(one, macs=()) if one.address in silent else one for one in seen.wire.heard)

    found = Diagnosis(around(seen, heard=heard)).wrongly_answered[LATE].root

    owner = Diagnosis(seen).announcers.elected(Diagnosis(seen).facts.services[LATE])
    assert owner == OWNER
    assert found.cause == ("nobody-answers" if replies else "node-not-reached")


def test_a_nodes_own_word_that_it_knows_no_way_is_proof(seen: Snapshot) -> None:
    refused = {"outcome": ProbeOutcome.UNREACHABLE, "icmp": "host-unreachable", "detail": "host unreachable"}

    found = Diagnosis(lost(seen, 9, sent_by=OWN_ADDRESS, **refused)).unreached[LATE].root

    assert (found.cause, found.subject) == ("backend-path-broken", f"node {OWNER}")
    assert "by its own word" in found.summary


def test_the_vantages_own_word_that_nobody_replies_is_no_nodes(seen: Snapshot) -> None:
    refused = {"outcome": ProbeOutcome.UNREACHABLE, "icmp": "host-unreachable", "detail": "host unreachable"}

    assert finding(lost(seen, 9, sent_by="172.30.0.100", **refused)).cause != "backend-path-broken"


def test_what_a_host_behind_the_announcing_node_says_comes_in_the_name_of_the_address(seen: Snapshot) -> None:
    """Such as the node of an endpoint whose pod is gone: the announcing node translates its message, too."""
    refused = {
        "outcome": ProbeOutcome.UNREACHABLE, "icmp": "network-unreachable", "detail": "network unreachable",
    }  # fmt: skip

    found = Diagnosis(lost(seen, 9, sent_by="172.30.0.202", **refused)).unreached[LATE].root

    assert (found.cause, found.subject) == ("backend-not-reached", f"service {LATE}")
    assert "network unreachable" in found.evidence[0]


@pytest.mark.parametrize(
    ("icmp", "cause"),
    [("host-unreachable", "address-not-forwarded"), ("network-unreachable", "backend-path-broken")],
)
def test_a_host_that_is_not_there_may_be_an_address_that_nobody_translated(
    seen: Snapshot, icmp: str, cause: str
) -> None:
    refused = {"outcome": ProbeOutcome.UNREACHABLE, "icmp": icmp, "detail": icmp}

    assert finding(lost(seen, 20, sent_by=OWN_ADDRESS, **refused)).cause == cause
