"""A failover as it was measured, small enough to read."""

from __future__ import annotations

from clusters.vantage import Timeline

FIRST, SECOND = "02:00:00:00:00:01", "02:00:00:00:00:02"


def timeline(*, ended: float = 10.0, shift: float = 0.0) -> Timeline:
    """The owner changes, some requests fail, two nodes answer for a while; `shift` s of quiet come first."""
    quiet = round(shift)
    data = {
        "vantage": "netns:client",
        "address": "172.30.0.10",
        "port": 80,
        "protocol": "http",
        "began_ns": 1,
        "ended": ended,
        "every": 0.5,
        "arp_every": 1.0,
        "attempts": [
            {"t": 0.5 * number, "ok": not 4 <= number - 2 * quiet < 8, "latency": 0.01}
            for number in range(int(ended * 2))
        ],
        "requests": [float(number) for number in range(int(ended))],
        "answers": [
            {"t": number + 0.01, "mac": FIRST if number < 4 + quiet else SECOND, "round": number}
            for number in range(int(ended))
        ]
        + [{"t": 4.02 + quiet, "mac": FIRST, "round": 4 + quiet}],
        "gratuitous": [{"t": 4.0 + quiet, "mac": SECOND, "kind": "reply"}],
        "learned": [],
        "marks": [{"t": 2.0 + quiet, "name": "fault"}, {"t": 8.0 + quiet, "name": "restored"}],
        "slips": [],
        "control": {"ok": True, "reason": "the neighbours answered"},
    }
    return Timeline.from_json(data)
