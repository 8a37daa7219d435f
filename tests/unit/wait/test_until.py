"""Waiting: what is returned, when it ends, and what a person reads when a claim did not come true."""

from __future__ import annotations

import itertools
import time

import pytest

from clusters import wait
from clusters.budgets import Budget
from clusters.errors import ExitCode

SHORT = Budget(name="short", within=0.5, every=0.02, reason="for these tests")
LONG = Budget(name="long", within=30, every=0.01, reason="for these tests")


def counting(*values: object) -> itertools.chain[object]:
    return itertools.chain(values[:-1], itertools.repeat(values[-1]))


def test_the_first_accepted_reading_is_returned() -> None:
    readings = counting(None, None, "192.0.2.1", "192.0.2.2")

    assert (
        wait.until("there is an address", read=lambda: next(readings), accept=bool, budget=LONG)
        == "192.0.2.1"
    )


def test_a_claim_that_is_true_at_once_costs_no_pause() -> None:
    slow = Budget(name="slow", within=60, every=30, reason="for these tests")
    began = time.monotonic()

    wait.until("it is", read=lambda: True, accept=bool, budget=slow)

    assert time.monotonic() - began < 5


def test_the_text_names_claim_budget_and_every_distinct_reading_once() -> None:
    readings = counting({"w2"}, {"w2"}, set())

    with pytest.raises(wait.NotWithinBudget) as caught:
        wait.until("another node answers", read=lambda: next(readings), accept=lambda _: False, budget=SHORT)

    first, second, *rest = str(caught.value).splitlines()
    assert first == "not true within 0.5s: another node answers"
    assert second == f"{caught.value.count} readings, the distinct ones:"
    assert [line.split(maxsplit=1)[1] for line in rest] == ["{'w2'}", "set()"]
    assert rest[0].startswith("  +0.0s ")


def test_only_the_last_eight_of_many_distinct_readings_are_shown() -> None:
    error = wait.NotWithinBudget("it ends", SHORT, [(number / 10, number) for number in range(20)], count=40)

    _, headline, *shown = str(error).splitlines()
    assert headline == "40 readings, the last distinct ones:"
    assert shown == [f"  +{number / 10:.1f}s {number}" for number in range(12, 20)]


def test_a_long_reading_is_cut() -> None:
    with pytest.raises(wait.NotWithinBudget) as caught:
        wait.until("short", read=lambda: "x" * 5000, accept=lambda _: False, budget=SHORT)

    assert len(max(str(caught.value).splitlines(), key=len)) < 300


def test_the_last_look_is_at_the_end_of_the_budget() -> None:
    coarse = Budget(name="coarse", within=0.3, every=0.25, reason="for these tests")
    counter = itertools.count()

    with pytest.raises(wait.NotWithinBudget) as caught:
        wait.until("never", read=lambda: next(counter), accept=lambda _: False, budget=coarse)

    assert 2 <= caught.value.count <= 3
    assert caught.value.readings[-1][0] >= 0.3


def test_giving_up_ends_the_wait_early_and_says_why() -> None:
    began = time.monotonic()

    with pytest.raises(wait.GaveUp, match=r"gave up after \d\.\ds of 30s: it runs \(the pod was evicted\)"):
        wait.until(
            "it runs",
            read=lambda: "Failed",
            accept=lambda phase: phase == "Running",
            give_up=lambda phase: "the pod was evicted" if phase == "Failed" else None,
            budget=LONG,
        )

    assert time.monotonic() - began < 5


def test_an_error_that_is_not_named_ends_the_wait_at_once() -> None:
    def broken() -> bool:
        raise KeyError("typo")

    with pytest.raises(KeyError, match="typo"):
        wait.until("never", read=broken, accept=bool, budget=LONG, tolerate=(ConnectionError,))


def test_a_tolerated_error_is_a_reading() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(wait.NotWithinBudget, match="ConnectionRefusedError: nobody listens"):
        wait.until("it answers", read=refused, accept=bool, budget=SHORT, tolerate=(ConnectionError,))


def test_a_broken_promise_is_an_assertion_and_a_failed_run() -> None:
    error = wait.NotWithinBudget("x", SHORT, [(0.0, 1)], count=1)

    assert isinstance(error, AssertionError)
    assert error.exit_code is ExitCode.FAILED
