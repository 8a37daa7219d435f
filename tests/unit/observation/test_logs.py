"""What is kept of a log: known noise once, and lines by time as well as by number."""

from __future__ import annotations

import json

from clusters.metallb import log_lines
from clusters.observation import pods
from clusters.observation.limits import Limits

STARTING = json.dumps({"msg": "MetalLB speaker starting version 0.16.2", "ts": "2026-11-30T16:00:00Z"})


def line(minute: int, message: str = "event", **fields: str) -> str:
    when = f"2026-11-30T{16 + minute // 60:02}:{minute % 60:02}:00Z"
    return json.dumps({"level": "info", "msg": message, "ts": when, **fields})


def ndp(minute: int, interface: str = "docker0") -> str:
    """As a speaker writes it every ten seconds of an interface without IPv6."""
    fields = {"level": "error", "op": "createNDPResponder", "interface": interface}
    return line(
        minute, "failed to create NDP responder", error="listen ip6:ipv6-icmp: no such device", **fields
    )


def test_noise_stays_once_for_each_interface_and_error() -> None:
    lines = [ndp(0), line(1, "left"), ndp(1), ndp(2, "tunl0"), ndp(3), line(4, "right"), ndp(5, "tunl0")]

    kept, dropped = log_lines.thinned(lines)

    assert kept == [line(1, "left"), ndp(3), line(4, "right"), ndp(5, "tunl0")]
    assert dropped == 3


def test_what_is_told_of_the_same_interface_once_is_no_noise() -> None:
    created = line(1, "created NDP responder for interface", event="createNDPResponder", interface="eth0")

    assert log_lines.thinned([created, created]) == ([created, created], 0)


def fight(second: int, service: str = "shop/web") -> list[str]:
    """As two speakers write it that both announce a service, and overwrite each other's ServiceL2Status."""
    when = f"2026-11-30T16:10:{second:02}Z"
    reconciled = {"controller": "Layer2StatusReconciler", "level": "info", "ts": when}
    error = f'servicel2statuses.metallb.io "l2-{second}" not found'
    failed = {
        "level": "error",
        "controller": "servicel2status",
        "namespace": "shop",
        "name": service,
        "ts": when,
    }
    return [
        json.dumps(reconciled | {"start reconcile": service}),
        json.dumps(failed | {"msg": "Reconciler error", "error": error}),
        json.dumps(reconciled | {"end reconcile": service}),
    ]


def test_speakers_that_overwrite_each_others_status_say_each_thing_once() -> None:
    left = line(1, "node event - forcing sync")
    other = json.dumps({"controller": "ConfigReconciler", "level": "info", "start reconcile": "/node1"})

    kept, dropped = log_lines.thinned(
        [left, *fight(1), other, other, *fight(2), *fight(3, "shop/other"), *fight(4)]
    )

    assert kept == [left, other, other, *fight(3, "shop/other"), *fight(4)]
    assert dropped == 6


def test_more_is_read_of_a_log_that_is_flooded() -> None:
    limits = Limits(log_lines_read=6, log_seconds_read=5)

    assert pods.flooded([*fight(1), *fight(2)], limits)
    assert not pods.flooded([*fight(1), *fight(9)], limits)
    assert not pods.flooded(fight(1), limits)
    assert not pods.flooded(["no time"] * 6, limits)


def test_noise_pushes_nothing_out() -> None:
    read = [STARTING, line(1, "node event - forcing sync"), *(ndp(number // 6) for number in range(900))]

    found = pods.told(read, Limits())

    assert [json.loads(each)["msg"] for each in found["lines"]] == [
        "MetalLB speaker starting version 0.16.2",
        "node event - forcing sync",
        "failed to create NDP responder",
    ]
    assert (found["noise"], found["since"], found["whole"]) == (899, "2026-11-30T16:00:00+00:00", True)


def test_lines_of_the_last_while_are_kept_beyond_the_number() -> None:
    read = [line(minute) for minute in range(180)]
    limits = Limits(log_lines=10, log_lines_kept=100, log_seconds=1800)

    assert pods.told(read, limits)["lines"] == tuple(read[-31:])
    assert len(pods.told(read, Limits(log_lines=10, log_lines_kept=20))["lines"]) == 20
    assert len(pods.told(read, Limits(log_lines=60, log_seconds=60))["lines"]) == 60


def test_a_log_that_was_cut_says_so_and_one_without_times_too() -> None:
    limits = Limits(log_lines_read=3)

    assert pods.told([STARTING, line(1), line(2)], limits)["whole"] is False
    assert pods.told([line(1)], limits)["whole"] is False
    assert pods.told([], limits) == {"lines": (), "noise": 0, "since": "", "whole": False}
    assert pods.told(["E0102 03:04:05.6 1 reflector.go:1] x"], limits)["since"] == ""
