"""Tries at many targets: in turns, paced, and told with how they were refused."""

from __future__ import annotations

import json
import os
import socket
import struct
from itertools import pairwise
from typing import Any

import pytest

from clusters.vantage import targets
from clusters.vantage.agent import refusals
from clusters.vantage.agent.loop import Loop, Output
from clusters.vantage.agent.paced_tries import Sweep
from tests.unit.vantage.test_agent_probes import serving, unused


def run(targets: list[dict[str, Any]], order: list[int], **changed: Any) -> list[dict[str, Any]]:
    """All that a sweep reports."""
    loop = Loop()
    reading, writing = os.pipe()
    task = {
        "id": 1,
        "targets": targets,
        "order": order,
        "every": 0.002,
        "timeout": 0.5,
        "for": 5.0,
        "body": 64,
    }
    Sweep(loop, Output(loop, writing), task | changed, loop.stop)
    loop.run()
    os.close(writing)
    with os.fdopen(reading) as reports:
        return [json.loads(line) for line in reports]


def target(port: int, protocol: str = "tcp") -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "protocol": protocol, "path": "/", "payload": "hostname"}


def test_targets_take_turns_and_each_try_is_told() -> None:
    with serving(b"x") as served, unused() as closed:
        reports = run([target(served), target(closed)], [0, 1, 0])

    tries = {one["n"]: (one["ok"], one["error"]) for one in reports if one["event"] == "attempt"}
    assert tries == {0: (True, ""), 1: (False, "refused"), 2: (True, "")}
    assert reports[-1]["event"] == "done"
    assert reports[-1]["left"] == 0


def test_an_icmp_refusal_is_told_with_its_sender_and_a_reset_is_none() -> None:
    with unused(socket.SOCK_DGRAM) as datagrams, unused() as connections:
        reports = run([target(datagrams, "udp"), target(connections)], [0, 1])

    told = {
        one["n"]: (one["error"], one["icmp"], one["sent_by"]) for one in reports if one["event"] == "attempt"
    }
    assert told == {0: ("refused", "port-unreachable", "127.0.0.1"), 1: ("refused", "", "")}


def test_no_more_wait_for_an_answer_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.vantage.agent.paced_tries.AT_ONCE", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        reports = run([target(silent.getsockname()[1], "udp")], [0, 0, 0], timeout=0.05)

    tries = [one for one in reports if one["event"] == "attempt"]
    assert [one["error"] for one in tries] == ["timeout waiting for the answer"] * 3
    assert all(later["t"] - earlier["t"] >= 45e6 for earlier, later in pairwise(tries))


def test_its_time_ends_it_and_what_was_not_begun_is_counted() -> None:
    with serving(b"x") as port:
        reports = run([target(port)], [0] * 50, every=0.02, **{"for": 0.1})

    assert reports[-1]["reason"] == "limit"
    assert reports[-1]["left"] >= 40


@pytest.mark.parametrize(
    ("origin", "kind", "code", "name"),
    [
        (2, 3, 13, "admin-prohibited"),
        (2, 3, 10, "admin-prohibited"),
        (2, 3, 1, "host-unreachable"),
        (2, 3, 3, "port-unreachable"),
        (2, 11, 0, "other"),
        (3, 1, 1, "admin-prohibited"),
        (3, 1, 3, "host-unreachable"),
        (3, 2, 0, "too-big"),
        (1, 3, 1, ""),
    ],
)
def test_kinds_of_refusals(origin: int, kind: int, code: int, name: str) -> None:
    data = struct.pack("IBBBBII", 113, origin, kind, code, 0, 0, 0)
    sender = struct.pack("HH", socket.AF_INET, 0) + socket.inet_aton("192.0.2.1") + bytes(8)

    assert refusals.told(data + sender) == (name, "192.0.2.1" if name else "")
    assert refusals.told(data) == (name, "")


def test_in_turns_each_as_often_as_its_count_says() -> None:
    assert targets.in_turns([2, 1, 3]) == [0, 1, 2, 0, 2, 2]
    assert targets.in_turns([]) == []
