"""Reading a failover out of a timeline."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.errors import Inconclusive
from clusters.vantage import failover
from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import Attempt, Control, Gratuitous, Learned, Mac, Mark, Reply

OLD, NEW, STRANGER = Mac("02:00:00:00:00:01"), Mac("02:00:00:00:00:02"), Mac("02:00:00:00:00:99")
NODES = {OLD: "node1", NEW: "node2"}
SEEN = Control(ok=True, reason="neighbours answered", asked=9, seen=9, answered=9)


def timeline(
    answers: list[tuple[float, Mac]], *, failed: tuple[float, ...] = (), **fields: object
) -> Timeline:
    """Ten seconds: a question every 0.5 s, a request every 0.1 s, the fault at 2 s."""
    requests = tuple(step * 0.5 for step in range(20))
    replies = tuple(
        Reply(t=t, mac=mac, round=max(n for n, asked in enumerate(requests) if asked <= t))
        for t, mac in answers
    )
    attempts = tuple(
        Attempt(t=round(step * 0.1, 3), ok=round(step * 0.1, 3) not in failed, latency=0.01)
        for step in range(100)
    )
    made = Timeline(
        vantage="test",
        address="192.0.2.1",
        port=80,
        protocol="http",
        began_ns=0,
        ended=10.0,
        every=0.1,
        arp_every=0.5,
        attempts=attempts,
        requests=requests,
        answers=replies,
        gratuitous=(),
        learned=(),
        marks=(Mark(t=2.0, name="fault"),),
        slips=(),
        control=SEEN,
    )
    return replace(made, **fields)


def owned(*spans: tuple[float, float, Mac]) -> list[tuple[float, Mac]]:
    return [
        (step * 0.5 + 0.001, mac)
        for step in range(20)
        for low, high, mac in spans
        if low <= step * 0.5 < high
    ]


def test_an_address_that_moves_and_comes_back() -> None:
    seen = failover.read(timeline(owned((0, 2, OLD), (3, 6, NEW), (6, 10, OLD)), failed=(2.1, 2.2)), NODES)

    assert seen.before == "node1"
    assert seen.owners == ("node1", "node2", "node1")
    assert seen.moved_after == pytest.approx(1.001)
    assert seen.back_after == pytest.approx(4.001)
    assert seen.address_gap == pytest.approx(1.001)
    assert seen.failed == 2
    assert seen.service_gap == pytest.approx(0.21)
    assert seen.overlap == 0
    assert seen.last_owner == "node1"


def test_nobody_takes_over() -> None:
    seen = failover.read(timeline(owned((0, 2, OLD))), NODES)

    assert seen.moved_after is None
    assert seen.back_after is None
    assert seen.address_gap == pytest.approx(8.0)


def test_both_answer_for_a_while() -> None:
    seen = failover.read(timeline(owned((0, 4, OLD), (2, 10, NEW))), NODES)

    assert seen.moved_after == pytest.approx(0.001)
    assert seen.overlap is not None
    assert seen.overlap > 1.5
    assert seen.owners == ("node1", "node2")


def test_a_machine_that_is_no_node_stands_for_itself() -> None:
    seen = failover.read(timeline(owned((0, 2, OLD), (2, 10, STRANGER))), NODES)

    assert seen.last_owner == STRANGER


def test_a_restoration_counts_from_its_own_mark() -> None:
    marks = (Mark(t=2.0, name="fault"), Mark(t=6.0, name="restored"))
    seen = failover.read(timeline(owned((0, 2, OLD), (3, 7, NEW), (7, 10, OLD)), marks=marks), NODES)

    assert seen.back_after == pytest.approx(1.001)


def test_a_gap_after_the_restoration_is_not_the_faults() -> None:
    marks = (Mark(t=2.0, name="fault"), Mark(t=6.0, name="restored"))
    seen = failover.read(timeline(owned((0, 10, OLD)), failed=(2.5, 7.0), marks=marks), NODES)

    assert seen.steady_after == pytest.approx(0.61)


def test_the_new_owners_gratuitous_arp_is_told_from_the_old_ones() -> None:
    announced = (Gratuitous(t=2.1, mac=OLD, kind="reply"), Gratuitous(t=3.2, mac=NEW, kind="request"))
    seen = failover.read(timeline(owned((0, 3, OLD), (3, 10, NEW)), gratuitous=announced), NODES)

    assert seen.gratuitous_after == pytest.approx(1.2)


def test_a_blind_capture_proves_nothing() -> None:
    blind = Control(ok=False, reason="no answer came back")
    with pytest.raises(Inconclusive, match="no answer came back"):
        failover.read(timeline(owned((0, 10, OLD)), control=blind), NODES)


def test_a_baseline_wants_an_owner_and_requests_in_a_row() -> None:
    assert failover.baseline(timeline(owned((0, 10, OLD)))) == 100
    assert failover.baseline(timeline(owned((0, 10, OLD)), failed=(9.0,))) == 9
    assert failover.baseline(timeline([])) == 0


def test_an_address_settles_when_one_node_alone_answers() -> None:
    assert failover.settled_for(timeline(owned((0, 6, OLD), (5, 10, NEW))), "node2", NODES) == pytest.approx(
        4
    )
    assert failover.settled_for(timeline(owned((0, 10, OLD))), "node2", NODES) == 0
    assert failover.settled_for(timeline(owned((0, 8, OLD))), "node1", NODES) == 0


def test_steadiness_counts_from_the_last_failure() -> None:
    assert failover.steady_for(timeline([], failed=(3.0,))) == pytest.approx(10 - 3.01)
    assert failover.steady_for(timeline([])) == pytest.approx(10)


def test_an_appearance_counts_from_its_mark() -> None:
    seen = timeline(owned((3, 10, OLD)), marks=(Mark(t=2.5, name="created"),))
    assert failover.answered(seen, "created") == pytest.approx(0.501)
    assert failover.served(seen, "created") == pytest.approx(0.01)


def test_what_never_appeared_is_inconclusive() -> None:
    seen = timeline([], marks=(Mark(t=2.5, name="created"),))
    with pytest.raises(Inconclusive, match="held an answer"):
        failover.answered(seen, "created")


def reset(t: float, *, error: str = "reset", latency: float = 0.01) -> Attempt:
    return Attempt(t=t, ok=False, latency=latency, error=error)


def gratuitous(*seen: tuple[float, Mac]) -> tuple[Gratuitous, ...]:
    return tuple(Gratuitous(t=t, mac=mac, kind="request") for t, mac in seen)


@pytest.mark.parametrize(
    ("attempt", "cut"),
    [
        pytest.param(reset(2.5), 1, id="under way at the move"),
        pytest.param(reset(3.7), 1, id="under way at the move back"),
        pytest.param(reset(2.6), 0, id="begun after it"),
        pytest.param(reset(2.4), 0, id="over before it"),
        pytest.param(reset(1.0), 0, id="before the fault"),
        pytest.param(reset(2.5, error="timeout connecting", latency=0.9), 0, id="not reset"),
    ],
)
def test_what_a_move_cuts_is_told_apart(attempt: Attempt, cut: int) -> None:
    moves = gratuitous((0.1, OLD), (2.505, NEW), (2.7, NEW), (3.705, OLD))
    whole = timeline(owned((0, 2.5, OLD), (2.5, 3.7, NEW), (3.7, 10, OLD)), gratuitous=moves)

    seen = failover.read(replace(whole, attempts=(*whole.attempts, attempt)), NODES)

    assert (seen.cut, seen.failed) == (cut, 0 if cut or attempt.t < 2 else 1)


def test_a_move_is_known_without_earlier_gratuitous_arp() -> None:
    whole = timeline(owned((0, 2.5, OLD), (2.5, 10, NEW)), gratuitous=gratuitous((2.505, NEW)))

    assert failover.read(replace(whole, attempts=(reset(2.5),)), NODES).cut == 1


def test_without_raw_sockets_the_kernels_table_tells_the_move() -> None:
    known = (Learned(t=0.0, mac=OLD, state="reachable"), Learned(t=2.58, mac=NEW, state="reachable"))
    whole = replace(timeline([]), requests=(), learned=known)

    assert failover.read(replace(whole, attempts=(reset(2.5),)), NODES).cut == 1
    assert failover.read(replace(whole, attempts=(reset(2.3),)), NODES).cut == 0
