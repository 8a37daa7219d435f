"""Which ports are tried, how often, and what is probed beside one in trouble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from clusters import budgets
from clusters.observation import reaching, tries
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.limits import DEFAULT, Limits
from clusters.observation.nodes_around import Nodes
from clusters.observation.reaching import Found, Reaching
from clusters.observation.snapshot import Consumer, Expectations, Objects, Snapshot, Status, TryEnd
from clusters.vantage import Attempt, Target, Vantage

SERVED = Attempt(t=0, ok=True, latency=0.001)
SILENT = Attempt(t=0, ok=False, latency=2, error="timeout connecting")
REFUSED = Attempt(t=0, ok=False, latency=0.001, error="refused")
PROHIBITED = Attempt(
    t=0, ok=False, latency=0.001, error="host unreachable", icmp="admin-prohibited", sent_by="192.0.2.11"
)
NEWER = '{"lastUpdated": "2026-11-30T18:00:00.5Z","currentTime": "2026-11-30T18:01:00.5Z"}'
OLDER = (
    '{"lastUpdated": "2026-11-30 18:00:00.5 +0000 UTC m=+5.0",'
    '"currentTime": "2026-11-30 18:01:00.500000001 +0000 UTC m=+65.0"}'
)


class Place:
    """A vantage whose tries end as a function says."""

    def __init__(self, end: Callable[[Target, int], Attempt]) -> None:
        self.end = end
        self.plans: list[list[tuple[Target, int]]] = []

    def try_all(
        self, plan: Sequence[tuple[Target, int]], *, every: float, timeout: float
    ) -> tuple[tuple[Attempt, ...], ...]:
        self.plans.append(list(plan))
        slowly = any(target.source for target, _ in plan)
        assert timeout == budgets.seconds(budgets.PROBE_ANSWERED) * (0.6 if slowly else 1)
        assert every == budgets.seconds(budgets.TRIES_APART) * (50 if slowly else 1)
        return tuple(tuple(self.end(target, turn) for turn in range(count)) for target, count in plan)


def service(name: str, address: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"type": "LoadBalancer", "ports": list(ports)},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    }


def node(number: int, **status: Any) -> dict[str, Any]:
    addresses = [
        {"type": "Hostname", "address": f"node{number}"},
        {"type": "InternalIP", "address": f"192.0.2.1{number}"},
    ]
    return {
        "metadata": {"name": f"node{number}"},
        "spec": {},
        "status": {"addresses": addresses} | status,
    }


def listed(*items: dict[str, Any]) -> Objects:
    return Objects(status=Status.OK, items=items)


SLICE = {
    "metadata": {
        "namespace": "shop",
        "name": "web-1",
        "labels": {"kubernetes.io/service-name": "web"},
    },
    "endpoints": [{"addresses": ["10.1.3.2"], "nodeName": "node3"}],
}
SHOP = Snapshot(
    taken_at="2026-11-30T18:00:00.000+00:00",
    services=listed(service("web", "192.0.2.200", {"port": 80, "protocol": "TCP", "nodePort": 30080})),
    endpoint_slices=listed(SLICE),
    nodes=listed(*map(node, range(1, 5))),
)


def looked(end: Callable[[Target, int], Attempt], **changed: Any) -> tuple[Found, Place]:
    place = Place(end)
    doors, _ = reaching.chosen(SHOP, DEFAULT)
    around = Nodes(SHOP, {"192.0.2.200": ("node1",)})
    found = Reaching(cast("Vantage", place), Limits(**changed)).ports(doors, around)
    return found, place


def test_where_all_is_served_nothing_else_is_tried() -> None:
    found, place = looked(lambda *_: SERVED)

    assert [count for _, count in place.plans[0]] == [20]
    assert len(place.plans) == 1
    (port,) = found.reached
    assert (port.outcome, port.tries, port.lost, port.partly) == ("answered", 20, 0, False)
    assert found.node_reach == found.node_ports == found.proxy_health == ()


def test_a_port_with_a_lost_try_is_tried_often_and_the_nodes_are_tried_beside_it() -> None:
    def end(target: Target, turn: int) -> Attempt:
        if target.address == "192.0.2.200":
            return SILENT if turn % 3 == 2 else SERVED
        if target.port == 10256:
            return Attempt(t=0, ok=False, latency=0, error="http 503", server=NEWER)
        return REFUSED if target.port == 10250 else SERVED

    found, place = looked(end)

    assert len(place.plans) == 2
    (port,) = found.reached
    assert (port.outcome, port.tries, port.lost, port.partly) == ("answered", 20, 6, True)
    assert port.ends == (
        TryEnd(outcome=ProbeOutcome.ANSWERED, count=14),
        TryEnd(outcome=ProbeOutcome.TIMEOUT, count=6, detail="timeout connecting"),
    )
    assert [one.node for one in found.node_reach] == ["node1", "node3", "node2", "node4"]
    assert {(one.kind, one.port, one.replied) for one in found.node_reach} == {("InternalIP", 10250, True)}
    assert [(one.node, one.node_port, one.tries, one.lost) for one in found.node_ports] == [
        ("node1", 30080, 20, 0),
        ("node3", 30080, 20, 0),
        ("node2", 30080, 20, 0),
    ]
    assert {(one.status, one.behind, one.outcome) for one in found.proxy_health} == {(503, 60.0, "answered")}


def test_lost_tries_beside_served_ones_are_made_again_from_their_ports_and_more_slowly() -> None:
    tried: list[int] = []

    def end(target: Target, turn: int) -> Attempt:
        if target.source:
            tried.append(target.source)
            return replace(SILENT if target.source % 2 else SERVED, source=target.source)
        return replace(SERVED if turn % 4 else SILENT, source=40000 + turn // 4 * 3)

    found, place = looked(end)

    (port,) = found.reached
    assert tried == [40000, 40003, 40006, 40009, 40012]
    assert (port.again, port.again_lost, port.slower, port.slower_lost) == (5, 2, 6, 2)
    assert [count for _, count in place.plans[-1]] == [6, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("over", [True, False])
def test_what_loses_none_more_slowly_is_made_as_fast_again(*, over: bool) -> None:
    passes = [0]

    def end(target: Target, turn: int) -> Attempt:
        if (target.address, target.port) != ("192.0.2.200", 80):
            return replace(SERVED, source=target.source)
        passes[0] += turn == 0 and not target.source
        slow, last = passes[0] == 3, passes[0] == 4
        fine = target.source or slow or (last and over) or turn % 2
        return replace(SERVED if fine else SILENT, source=target.source or 40000 + turn)

    found, place = looked(end)

    (port,) = found.reached
    assert place.plans[-1] == [(Target(address="192.0.2.200", port=80, protocol="tcp"), 20)]
    assert (port.lost, port.again, port.burst, port.burst_lost) == (
        (0, 0, 0, 0) if over else (10, 10, 20, 10)
    )


def test_a_port_that_is_free_no_more_tells_nothing() -> None:
    def end(target: Target, turn: int) -> Attempt:
        return replace(SERVED if turn % 4 else SILENT, source=0 if target.source else 40000 + turn)

    found, _ = looked(end)

    assert (found.reached[0].again, found.reached[0].again_lost) == (0, 0)


def test_a_glitch_of_the_first_pass_is_over_in_the_second() -> None:
    seen = [0]

    def end(target: Target, _: int) -> Attempt:
        seen[0] += target.address == "192.0.2.200"
        return SILENT if seen[0] == 1 else SERVED

    found, _ = looked(end)

    assert (found.reached[0].tries, found.reached[0].lost) == (20, 0)


def test_kubelets_own_port_is_the_one_that_the_node_names() -> None:
    kubelet = {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10350}}}
    snapshot = Snapshot(taken_at=SHOP.taken_at, nodes=listed(node(1, **kubelet)))

    assert [one.port for one in Nodes(snapshot, {}).addresses["node1"]] == [10350]


@pytest.mark.parametrize(
    ("text", "behind"), [(NEWER, 60.0), (OLDER, 60.0), ("ok", None), ("", None), ("[]", None)]
)
def test_what_kube_proxy_says_of_its_last_update(text: str, behind: float | None) -> None:
    def end(target: Target, _: int) -> Attempt:
        return SILENT if target.port != 10256 else Attempt(t=0, ok=True, latency=0, server=text)

    found, _ = looked(end)

    assert {(one.status, one.behind) for one in found.proxy_health} == {(200, behind)}


def test_who_refused_is_kept_and_what_is_no_address_is_not() -> None:
    odd = Attempt(t=0, ok=False, latency=0, error="refused", icmp="strange", sent_by="<b>")

    assert tries.summed([PROHIBITED, PROHIBITED, odd], "TCP") == {
        "outcome": "unreachable",
        "detail": "host unreachable",
        "tries": 3,
        "lost": 3,
        "ends": (
            TryEnd(
                outcome=ProbeOutcome.UNREACHABLE,
                count=2,
                detail="host unreachable",
                icmp="admin-prohibited",
                sent_by="192.0.2.11",
            ),
            TryEnd(outcome=ProbeOutcome.REFUSED, count=1, detail="refused", icmp="other"),
        ),
    }


def test_a_refusal_outranks_the_silence_that_a_limit_on_refusals_leaves() -> None:
    icmp = Attempt(t=0, ok=False, latency=0, error="refused", icmp="port-unreachable", sent_by="192.0.2.11")

    found = tries.summed([SILENT, SILENT, icmp], "TCP")

    assert (found["outcome"], found["detail"], found["lost"]) == (ProbeOutcome.REFUSED, "refused", 3)


def test_datagrams_that_nobody_answers_prove_nothing() -> None:
    assert not tries.in_trouble([SILENT, SILENT], "UDP")
    assert tries.in_trouble([SILENT, SERVED], "UDP")
    assert tries.in_trouble([SILENT, SILENT], "TCP")
    assert [tries.summed([SILENT], protocol)["outcome"] for protocol in ("UDP", "TCP")] == [
        "silent",
        "timeout",
    ]


def test_a_protocol_that_cannot_be_tried_says_so() -> None:
    snapshot = Snapshot(
        taken_at=SHOP.taken_at, services=listed(service("s", "192.0.2.201", {"port": 9, "protocol": "SCTP"}))
    )
    doors, _ = reaching.chosen(snapshot, DEFAULT)

    found = Reaching(cast("Vantage", Place(lambda *_: SERVED)), DEFAULT).ports(doors, None)

    assert [(one.outcome, one.detail, one.tries) for one in found.reached] == [
        ("silent", "SCTP cannot be tried", 0)
    ]


def test_beyond_the_limit_ports_take_turns_and_none_is_left_out() -> None:
    services = [service(f"s{number}", "192.0.2.200", {"port": number}) for number in range(1, 101)]
    expectations = Expectations(consumers=(Consumer(namespace="shop", name="s90"),))
    tried: set[int] = set()
    for hour in range(60):  # a run an hour, on the hour
        taken_at = f"2026-11-{1 + hour // 24:02}T{hour % 24:02}:00:00.000+00:00"
        snapshot = Snapshot(taken_at=taken_at, services=listed(*services), expectations=expectations)
        doors, ports = reaching.chosen(snapshot, Limits(reached=20))
        assert (len(doors), ports) == (20, 100)
        assert len(set(doors)) == 20
        assert 90 in {door.port for door in doors}
        tried |= {door.port for door in doors}

    assert tried == set(range(1, 101))


def test_many_ports_in_trouble_share_the_tries() -> None:
    ports = [{"port": number} for number in range(1, 101)]
    snapshot = Snapshot(taken_at=SHOP.taken_at, services=listed(service("web", "192.0.2.200", *ports)))
    place = Place(lambda *_: SILENT)
    doors, _ = reaching.chosen(snapshot, DEFAULT)

    found = Reaching(cast("Vantage", place), DEFAULT).ports(doors, Nodes(snapshot, {}))

    assert [sum(count for _, count in plan) for plan in place.plans] == [300, 400]
    assert {one.tries for one in found.reached} == {4}
