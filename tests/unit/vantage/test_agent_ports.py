"""Which source ports attempts leave from."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from clusters.vantage.agent import probes
from clusters.vantage.agent.probes import Ports

WEB, OTHER = ("tcp", "192.0.2.1", 80), ("tcp", "192.0.2.2", 80)


def test_no_port_comes_twice_before_all_others() -> None:
    leaving = Ports(32768, 60999)

    taken = [leaving.next(WEB) for _ in range(leaving.count)]

    assert sorted(taken) == list(range(32768, 61000))
    assert leaving.next(WEB) == taken[0]


def test_each_destination_has_its_own_turn() -> None:
    leaving = Ports(1000, 1999)
    first = leaving.next(WEB)

    for _ in range(20):
        leaving.next(OTHER)

    assert leaving.next(WEB) == (first - 1000 + 1) % 1000 + 1000


def test_a_later_process_begins_where_an_earlier_one_has_not_been(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 5000.0
    monkeypatch.setattr(probes.time, "monotonic", lambda: now)
    earlier = {
        first for leaving in [Ports(32768, 60999)] for first in (leaving.next(WEB) for _ in range(600))
    }

    now += 12.0  # 600 attempts, 50 a second
    later = Ports(32768, 60999)

    assert not earlier & {later.next(WEB) for _ in range(6000)}


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as leaving:
        taken = server.getsockname()[1]
        found = Ports(taken, taken + 1)
        found.used[WEB] = 0

        found.bind(leaving, WEB)

        assert leaving.getsockname()[1] in {taken + 1, 0}


def test_where_none_is_free_the_kernel_chooses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as leaving:
        taken = server.getsockname()[1]

        Ports(taken, taken).bind(leaving, WEB)

        assert leaving.getsockname()[1] == 0
        with socket.create_server(("127.0.0.1", 0)) as reached:
            leaving.connect(reached.getsockname())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_attempts_leave_from_this_hosts_own_range(family: socket.AddressFamily) -> None:
    first, last = (int(text) for text in Path(probes.RANGE).read_text().split())

    with socket.socket(family) as leaving:
        probes.ports_of_this_host().bind(leaving, (*WEB, family))

        assert first <= leaving.getsockname()[1] <= last
