"""An API server that is too busy says when to come back, and is asked again then."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters import budgets
from clusters.api import ApiError, Overloaded
from clusters.api.answers import Refusal
from clusters.api.resources import CONFIG_MAPS, NODES
from tests.unit.api.loopback import answer, in_turn, serving, status

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}
BUSY = status(429, "slow down", Retry_After="1")


@pytest.fixture(autouse=True)
def _short() -> Iterator[None]:
    budgets.override({"api_busy": 2.5})
    yield
    budgets.override({})


def test_every_request_is_made_again_after_the_pause_that_was_asked_for(tmp_path: Path) -> None:
    with serving(in_turn(BUSY, answer(CONFIG_MAP))) as server:
        api = server.api(tmp_path)
        began = time.monotonic()
        api.create(CONFIG_MAP)
        took = time.monotonic() - began

    assert [heard.method for heard in server.heard] == ["POST", "POST"]
    assert 1 <= took < 2.5


@pytest.mark.parametrize("verb", ["GET", "PATCH", "DELETE"])
def test_whatever_the_verb(tmp_path: Path, verb: str) -> None:
    with serving(in_turn(status(429, Retry_After="0"), answer(CONFIG_MAP))) as server:
        budgets.override({"api_busy": 5})
        api = server.api(tmp_path)
        {
            "GET": lambda: api.get(CONFIG_MAPS, "a", "ns"),
            "PATCH": lambda: api.patch(CONFIG_MAPS, "a", {}, "ns"),
            "DELETE": lambda: api.delete(CONFIG_MAPS, "a", "ns"),
        }[verb]()

    assert [heard.method for heard in server.heard] == [verb, verb]


def test_one_that_stays_busy_is_given_up_at_the_end_of_the_budget(tmp_path: Path) -> None:
    with serving(in_turn(BUSY)) as server, pytest.raises(Overloaded) as caught:
        server.api(tmp_path).list(NODES)

    assert len(server.heard) == 4  # at 0, 1 and 2 s, and at the budget's end
    assert caught.value.retry_after == 1
    assert str(caught.value) == "The API server is too busy to list nodes (429). It asks to come back in 1 s."


def test_a_pause_beyond_the_budget_is_not_waited_for(tmp_path: Path) -> None:
    with serving(in_turn(status(429, Retry_After="3600"))) as server:
        began = time.monotonic()
        with pytest.raises(Overloaded, match="come back in 3600 s"):
            server.api(tmp_path).list(NODES)

    assert len(server.heard) == 1
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "3"}, 3),
        ({}, 1),
        ({"Retry-After": "soon"}, 1),
        ({"Retry-After": "-5"}, 1),
        ({"Retry-After": "²"}, 1),
        ({"Retry-After": "9" * 400}, 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:07 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 7),
        ({"Retry-After": "Wed, 21 Oct 2020 07:28:07 GMT"}, 0),
        ({"Retry-After": "Wed, 99 Oct 2026 07:28:07 GMT"}, 1),
    ],
)
def test_the_pause_is_read_in_both_of_its_forms(headers: dict[str, str], pause: float) -> None:
    assert Refusal.read(429, b"", headers).retry_after == pause


def test_a_day_without_a_date_beside_it_is_measured_by_this_machine_s_clock() -> None:
    soon = email.utils.formatdate(time.time() + 20, usegmt=True)

    assert 18 <= Refusal.read(429, b"", {"Retry-After": soon}).retry_after <= 20


def test_a_fault_that_is_no_429_is_not_waited_for(tmp_path: Path) -> None:
    with serving(in_turn(status(503, "starting", Retry_After="1"))) as server, pytest.raises(ApiError):
        server.api(tmp_path).create(CONFIG_MAP)

    assert len(server.heard) == 1
