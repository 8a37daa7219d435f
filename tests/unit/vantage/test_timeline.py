"""What a timeline says, and that its evidence reads back the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from clusters.errors import Inconclusive
from clusters.vantage import require_control
from clusters.vantage.timeline import Timeline
from clusters.vantage.vantage_data import (
    Attempt,
    Control,
    Gratuitous,
    Learned,
    Mark,
    Reply,
    Slip,
    VantageError,
    mac,
)

A, B = mac("02:00:00:00:00:0a"), mac("02:00:00:00:00:0b")
SEEN = Control(ok=True, reason="4 answers of 10.0.0.2 were seen to 4 questions", asked=4, seen=4, answered=4)


def answering(second: int) -> str:
    """Who answers question number `second`: A, nobody from 3, B from 5, both at 8, A from 9."""
    return {3: "", 4: "", 8: "ba"}.get(second, "b" if 5 <= second < 9 else "a")


@pytest.fixture
def timeline() -> Timeline:
    """Twelve seconds: a fault at 2.5, B takes over at 5, mended at 7.5, A is back at 9."""
    replies = [
        Reply(t=second + 0.1 * (place + 1), mac={"a": A, "b": B}[letter], round=second)
        for second in range(12)
        for place, letter in enumerate(answering(second))
    ]
    return Timeline(
        vantage="netns:client",
        address="10.0.0.100",
        port=80,
        protocol="http",
        began_ns=1_700_000_000_000_000_000,
        ended=12.0,
        every=1.0,
        arp_every=1.0,
        attempts=tuple(
            Attempt(t=float(t), ok=t not in (3, 4, 5), latency=0.25, server="web-1" if t < 6 else "web-2")
            for t in range(12)
        ),
        requests=tuple(float(second) for second in range(12)),
        answers=tuple(replies),
        gratuitous=(Gratuitous(t=5.0, mac=B, kind="request"), Gratuitous(t=8.0, mac=A, kind="reply")),
        learned=(Learned(t=0.0, mac=A, state="reachable"), Learned(t=5.5, mac=B, state="stale")),
        marks=(Mark(t=2.5, name="fault"), Mark(t=7.5, name="restored")),
        slips=(
            Slip(t=3.0, late=0.5, skipped=0, of="probe"),
            Slip(t=3.0, late=0.7, skipped=0, of="questions"),
        ),
        control=SEEN,
        control_attempts=(Attempt(t=1.0, ok=True, latency=0.1),),
    )


def test_gap_of_the_service(timeline: Timeline) -> None:
    (window,) = timeline.outages.windows
    assert (window.start, window.end, window.failed, window.blind) == (3.0, 6.25, 3, 0.5)
    assert timeline.first_failure("fault") == 3.0
    assert timeline.first_failure("restored") is None
    assert timeline.first_recovery("fault") == 6.25
    assert timeline.control_outages.count == 0


def test_gap_of_the_address(timeline: Timeline) -> None:
    assert timeline.address_gap == pytest.approx(2.1)
    assert timeline.address_outages.windows[0].blind == pytest.approx(0.7)


def test_owners(timeline: Timeline) -> None:
    assert [(one.t, one.before, one.after) for one in timeline.owner_changes] == [
        (pytest.approx(5.1), A, B),
        (pytest.approx(8.2), B, A),
    ]
    assert [one.mac for one in timeline.spans] == [A, B, A]
    assert (timeline.owner_at("fault"), timeline.owner_at(6.0), timeline.owner_at(0.0)) == (A, B, None)
    assert timeline.macs == {A, B}


def test_times_from_a_mark(timeline: Timeline) -> None:
    assert timeline.moved_after("fault") == pytest.approx(2.6)
    assert timeline.moved_after("fault", to=A) == pytest.approx(5.7)
    assert timeline.failback_after("restored") == pytest.approx(0.7)
    assert timeline.moved_after(10.0) is None
    assert replace(timeline, answers=()).failback_after("restored") is None


def test_overlap_counts_whole_questions(timeline: Timeline) -> None:
    assert timeline.overlap == pytest.approx(1.2)
    assert replace(timeline, answers=()).overlap == 0.0


def test_gratuitous_from_a_mark(timeline: Timeline) -> None:
    assert [one.mac for one in timeline.gratuitous_after("fault")] == [B, A]
    assert [one.t for one in timeline.gratuitous_after("fault", mac=A)] == [8.0]
    assert timeline.gratuitous_after(9.0) == ()


def test_what_the_kernel_learned(timeline: Timeline) -> None:
    assert [(one.t, one.after) for one in timeline.learned_changes] == [(5.5, B)]


def test_servers_are_counted(timeline: Timeline) -> None:
    assert timeline.servers == {"web-1": 3, "web-2": 6}


def test_a_part_keeps_its_times_and_its_rounds(timeline: Timeline) -> None:
    part = timeline.between("restored", 10.0)
    assert (part.ended, len(part.attempts), part.requests) == (10.0, 2, (8.0, 9.0))
    assert [sorted(one.macs) for one in part.rounds] == [[A, B], [A]]
    assert timeline.between("fault").outages == timeline.outages
    assert timeline.between(0.0) == timeline


def test_the_last_of_equal_marks_counts(timeline: Timeline) -> None:
    again = replace(timeline, marks=(*timeline.marks, Mark(t=9.0, name="fault")))
    assert again.time_of("fault") == 9.0
    assert again.unix("fault") == 1_700_000_009.0


def test_an_unknown_mark_names_the_known_ones(timeline: Timeline) -> None:
    with pytest.raises(VantageError, match=r"10\.0\.0\.100 has no mark 'falt' \(it has: fault, restored\)"):
        timeline.time_of("falt")


def test_reads_back_the_same(timeline: Timeline, tmp_path: Path) -> None:
    written = timeline.write(tmp_path / "timeline.json")
    assert Timeline.from_json(json.loads(written.read_text())) == timeline


def test_other_data_is_refused(timeline: Timeline) -> None:
    data = timeline.to_json()
    del data["attempts"]
    with pytest.raises(ValidationError, match="attempts"):
        Timeline.from_json(data)


def test_a_proved_capture_is_accepted(timeline: Timeline) -> None:
    assert timeline.require_control() is timeline


def test_an_unproved_capture_decides_nothing() -> None:
    blind = Control(ok=False, reason="no answer came back")
    with pytest.raises(
        Inconclusive, match="vantage host saw on the wire proves nothing: no answer came back"
    ):
        require_control(blind, vantage="host")
