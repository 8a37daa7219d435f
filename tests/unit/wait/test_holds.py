"""Staying true, and trying again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from clusters import wait


def test_a_claim_that_holds_returns_the_last_reading() -> None:
    counter = itertools.count()

    last = wait.holds(
        "it counts", read=lambda: next(counter), accept=lambda _: True, throughout=0.1, every=0.02
    )

    assert last == next(counter) - 1
    assert last >= 2


def test_the_first_false_reading_ends_it_with_its_time() -> None:
    readings = itertools.chain([1, 1, 2], itertools.repeat(1))

    with pytest.raises(wait.DidNotHold) as caught:
        wait.holds(
            "one node answers", read=lambda: next(readings), accept=lambda n: n == 1, throughout=5, every=0.01
        )

    headline = f"false after {caught.value.readings[-1][0]:.1f}s of 5s: one node answers"
    assert str(caught.value).splitlines()[0] == headline
    assert caught.value.count == 3


def test_errors_alone_prove_nothing() -> None:
    def unreachable() -> int:
        raise ConnectionResetError("reset")

    with pytest.raises(wait.DidNotHold, match="ConnectionResetError"):
        wait.holds(
            "it stays",
            read=unreachable,
            accept=bool,
            throughout=0.05,
            every=0.01,
            tolerate=(ConnectionError,),
        )


def test_a_tolerated_error_between_good_readings_does_no_harm() -> None:
    readings: Iterator[bool | Exception] = itertools.cycle([True, ConnectionResetError("reset")])

    def read() -> bool:
        value = next(readings)
        if isinstance(value, Exception):
            raise value
        return value

    assert wait.holds(
        "it stays", read=read, accept=bool, throughout=0.1, every=0.01, tolerate=(ConnectionError,)
    )


def test_a_named_fault_is_tried_again_and_the_result_returned() -> None:
    tries: Iterator[str | Exception] = iter([ConnectionResetError("once"), "answer"])

    def action() -> str:
        value = next(tries)
        if isinstance(value, Exception):
            raise value
        return value

    assert wait.retry(action, on=(ConnectionError,), attempts=3, pause=0.01) == "answer"


def test_the_last_fault_is_raised_as_it_is() -> None:
    counter = itertools.count(1)

    def action() -> None:
        raise ConnectionResetError(f"try {next(counter)}")

    with pytest.raises(ConnectionResetError, match="try 3"):
        wait.retry(action, on=(ConnectionError,), attempts=3, pause=0.01)


def test_another_error_is_not_tried_again() -> None:
    counter = itertools.count(1)

    def action() -> None:
        raise ValueError(f"try {next(counter)}")

    with pytest.raises(ValueError, match="try 1"):
        wait.retry(action, on=(ConnectionError,), attempts=3, pause=0.01)
