"""Outages, owners and overlaps, against what they mean and against a slow, plain reference."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.vantage import analysis
from clusters.vantage.analysis import Outages
from clusters.vantage.vantage_data import Attempt, Learned, Mac, Reply, Slip, mac

A, B, C = (mac(f"02:00:00:00:00:0{digit}") for digit in "abc")
EVERY = 0.5  # a power of two, so that sums of times are exact


def attempts(pattern: str, *, latency: float = 0.0) -> list[Attempt]:
    """One attempt every EVERY seconds from 0: "." is served, "x" is not."""
    return [
        Attempt(t=EVERY * number, ok=letter == ".", latency=latency, error="" if letter == "." else "timeout")
        for number, letter in enumerate(pattern)
    ]


def outages(pattern: str) -> Outages:
    return analysis.outages(attempts(pattern), end=EVERY * len(pattern), every=EVERY)


@st.composite
def measured(draw: st.DrawFn) -> list[Attempt]:
    """Attempts on a grid, some missing, with latencies of zero to four intervals."""
    ticks = draw(st.lists(st.integers(0, 60), unique=True, max_size=40))
    return [
        Attempt(t=EVERY * tick, ok=draw(st.booleans()), latency=EVERY * draw(st.integers(0, 4)))
        for tick in sorted(ticks)
    ]


def reference(tried: list[Attempt], end: float) -> list[tuple[float, float]]:
    """The definition, word by word: the union of [failed start, first answer of any later attempt]."""
    intervals = []
    for one in tried:
        if not one.ok:
            answers = [other.ended for other in tried if other.ok and other.t > one.t and other.ended <= end]
            intervals.append((one.t, max(one.t, min(answers, default=end))))
    union: list[tuple[float, float]] = []
    for low, high in sorted(intervals):
        if union and low <= union[-1][1]:
            union[-1] = (union[-1][0], max(high, union[-1][1]))
        else:
            union.append((low, high))
    return union


class TestOutages:
    def test_none_without_failures(self) -> None:
        assert outages("....") == Outages(windows=(), resolution=EVERY)
        assert (outages("....").longest, outages("").total, outages(".").count) == (0.0, 0.0, 0)

    def test_one_lasts_from_the_first_failure_to_the_first_answer(self) -> None:
        (window,) = outages("..xxx..").windows
        assert (window.start, window.end, window.failed, window.recovered) == (1.0, 2.5, 3, True)

    def test_many_short_ones_are_not_a_long_one(self) -> None:
        scattered, solid = outages(".x.x.x.x."), outages(".xxxx....")
        assert scattered.total == solid.total == 4 * EVERY
        assert (scattered.longest, scattered.count) == (EVERY, 4)
        assert (solid.longest, solid.count) == (4 * EVERY, 1)

    def test_one_that_never_ends_lasts_until_the_end(self) -> None:
        (window,) = outages("..xx").windows
        assert (window.recovered, window.end) == (False, 4 * EVERY)

    def test_a_slow_answer_ends_it_when_it_comes(self) -> None:
        tried = attempts(".xx...")
        tried[3] = replace(tried[3], latency=4.0)
        tried[4] = replace(tried[4], latency=0.25)
        (window,) = analysis.outages(tried, end=9.0, every=EVERY).windows
        assert window.end == tried[4].ended

    def test_an_answer_after_the_end_does_not_count(self) -> None:
        tried = [Attempt(t=0.0, ok=False, latency=1.0), Attempt(t=1.0, ok=True, latency=5.0)]
        (window,) = analysis.outages(tried, end=2.0, every=1.0).windows
        assert (window.recovered, window.end) == (False, 2.0)

    def test_uncertainty_grows_where_attempts_are_missing(self) -> None:
        tried = [one for one in attempts("....xx..") if one.t not in (1.0, 1.5)]
        result = analysis.outages(tried, end=4.0, every=EVERY)
        assert result.uncertainty == 1.5
        assert outages("....xx..").uncertainty == EVERY

    def test_lateness_of_the_probe_is_told_apart(self) -> None:
        slips = [Slip(t=1.25, late=0.5, skipped=1, of="probe"), Slip(t=7.0, late=1.0, skipped=0, of="probe")]
        (window,) = analysis.outages(attempts("..xxx.."), end=3.5, every=EVERY, slips=slips).windows
        assert window.blind == 0.5

    @given(measured())
    def test_agrees_with_the_reference(self, tried: list[Attempt]) -> None:
        found = analysis.outages(tried, end=31.0, every=EVERY)
        assert [(one.start, one.end) for one in found.windows] == reference(tried, 31.0)
        assert sum(one.failed for one in found.windows) == sum(not one.ok for one in tried)

    @given(measured())
    def test_windows_are_in_order_and_apart(self, tried: list[Attempt]) -> None:
        found = analysis.outages(tried, end=31.0, every=EVERY)
        for before, after in pairwise(found.windows):
            assert before.start <= before.end < after.start
        assert found.total >= found.longest >= 0
        assert found.count <= sum(not one.ok for one in tried)

    @given(measured(), st.integers(-50, 50))
    def test_does_not_depend_on_when_it_began(self, tried: list[Attempt], shift: int) -> None:
        moved = [replace(one, t=one.t + shift) for one in tried]
        here = analysis.outages(tried, end=31.0, every=EVERY)
        there = analysis.outages(moved, end=31.0 + shift, every=EVERY)
        assert there.windows == tuple(
            replace(one, start=one.start + shift, end=one.end + shift) for one in here.windows
        )

    @given(measured())
    def test_does_not_depend_on_the_order_of_reports(self, tried: list[Attempt]) -> None:
        assert analysis.outages(tried[::-1], end=31.0, every=EVERY) == analysis.outages(
            tried, end=31.0, every=EVERY
        )

    @given(measured())
    def test_one_more_failure_never_makes_less_of_it(self, tried: list[Attempt]) -> None:
        worse = [replace(one, ok=False) if one is tried[len(tried) // 2] else one for one in tried]
        before = analysis.outages(tried, end=31.0, every=EVERY)
        after = analysis.outages(worse, end=31.0, every=EVERY)
        assert after.total >= before.total
        assert after.longest >= before.longest


def asked(*answered: str) -> tuple[analysis.Round, ...]:
    """One question a second; each text names its answers in order: "a", "ab", ""."""
    names = {"a": A, "b": B, "c": C}
    replies = [
        Reply(t=number + 0.01 * (place + 1), mac=names[letter], round=number)
        for number, letters in enumerate(answered)
        for place, letter in enumerate(letters)
    ]
    return analysis.rounds([float(number) for number in range(len(answered))], replies)


def changes(*answered: str) -> list[tuple[float, Mac, Mac]]:
    return [(one.t, one.before, one.after) for one in analysis.owner_changes(asked(*answered))]


class TestOwners:
    def test_no_change_while_one_answers(self) -> None:
        assert changes("a", "a", "", "a") == []

    def test_a_change_is_at_the_first_answer_of_the_new_owner(self) -> None:
        assert changes("a", "", "", "b", "b") == [(3.01, A, B)]

    def test_a_change_through_double_answers_is_at_their_start(self) -> None:
        assert changes("a", "ab", "ba", "b", "b") == [(1.02, A, B)]

    def test_double_answers_that_end_as_they_began_are_no_change(self) -> None:
        assert changes("a", "ab", "ab", "a") == []

    def test_a_late_joiner_counts_from_its_last_start(self) -> None:
        assert changes("a", "ab", "a", "b") == [(3.01, A, B)]

    def test_there_and_back_are_two_changes(self) -> None:
        assert changes("a", "b", "", "a") == [(1.01, A, B), (3.01, B, A)]

    def test_spans_follow_one_another(self) -> None:
        found = analysis.spans(asked("", "a", "ab", "b"), 9.0)
        assert [(one.mac, one.start, one.end) for one in found] == [(A, 1.01, 2.02), (B, 2.02, 9.0)]
        assert analysis.spans(asked("", "ab"), 9.0) == ()

    @given(st.lists(st.sampled_from(["", "a", "b", "ab", "ba", "abc", "c"]), max_size=30))
    def test_changes_chain(self, answered: list[str]) -> None:
        found = analysis.owner_changes(asked(*answered))
        assert all(one.before != one.after for one in found)
        for first, second in pairwise(found):
            assert first.after == second.before
            assert first.t < second.t


class TestOverlaps:
    def test_none_where_each_question_has_one_answer(self) -> None:
        assert analysis.overlaps(asked("a", "b", "a", "", "b")) == ()

    def test_questions_in_a_row_are_one(self) -> None:
        first, second = analysis.overlaps(asked("a", "ab", "ba", "b", "bc"))
        assert (first.start, first.end, first.macs, first.rounds) == (1.0, 2.02, {A, B}, 2)
        assert (second.start, second.rounds, second.macs) == (4.0, 1, {B, C})
        assert first.length == pytest.approx(1.02)

    @given(st.lists(st.sampled_from(["", "a", "ab", "ba", "b"]), max_size=30))
    def test_every_doubled_question_is_counted_once(self, answered: list[str]) -> None:
        found = analysis.overlaps(asked(*answered))
        assert sum(one.rounds for one in found) == sum(len(letters) > 1 for letters in answered)


class TestUnanswered:
    def test_gap_is_from_the_first_unanswered_question_to_the_next_answer(self) -> None:
        (window,) = analysis.unanswered(asked("a", "", "", "b"), end=4.0, every=1.0).windows
        assert (window.start, window.end, window.failed) == (1.0, 3.01, 2)

    def test_nobody_at_all(self) -> None:
        found = analysis.unanswered(asked("", "", ""), end=3.0, every=1.0)
        assert (found.longest, found.windows[0].recovered) == (3.0, False)


def test_answers_belong_to_the_question_before_them() -> None:
    assert [analysis.round_of([1.0, 2.0], t) for t in (0.5, 1.0, 1.9, 2.5)] == [-1, 0, 0, 1]


def test_answers_to_no_question_are_left_out() -> None:
    early = [Reply(t=0.5, mac=A, round=-1), Reply(t=1.5, mac=B, round=0)]
    assert [set(one.macs) for one in analysis.rounds([1.0], early)] == [{B}]


def test_what_the_kernel_learned_changes_only_with_the_mac() -> None:
    table = [("", "incomplete"), (A, "reachable"), (A, "stale"), ("", "failed"), (B, "reachable")]
    learned = [Learned(t=float(t), mac=Mac(owner), state=state) for t, (owner, state) in enumerate(table)]
    assert [(one.t, one.before, one.after) for one in analysis.learned_changes(learned)] == [(4.0, A, B)]
