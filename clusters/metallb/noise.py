"""Lines that MetalLB repeats without end while nothing is wrong, which would push what matters out of a log's end.

Source: `updateInterfaces` in internal/layer2/announcer.go, alike in 0.13.2 to 0.16.2, looks at the interfaces every ten
seconds, and tells of each on which it cannot answer again (an interface without IPv6: #1507, #248, #1680).
controller-runtime tells of each look at the metrics that it cannot check the login of.
"""

from __future__ import annotations

from collections.abc import Iterable

from clusters.metallb.log_lines import fields_of

_OPERATIONS = frozenset({"createNDPResponder", "createARPResponder"})
_METRICS = "controller-runtime.metrics"
_SIGNS = ("NDPResponder", "ARPResponder", _METRICS)


def repeated(line: str) -> tuple[str, ...]:
    """What makes two lines of this noise the same; () for a line that is none."""
    if not any(sign in line for sign in _SIGNS):
        return ()
    found = fields_of(line)
    if found.get("op") in _OPERATIONS and found.get("level") == "error":
        return found["op"], found.get("interface", ""), found.get("error", "")
    return (_METRICS, found.get("msg", "")) if found.get("logger") == _METRICS else ()


def thinned(lines: Iterable[str]) -> tuple[list[str], int]:
    """The lines with the last one of each noise only, and how many were left out."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    dropped = 0
    for line in reversed(list(lines)):
        mark = repeated(line)
        if mark and mark in seen:
            dropped += 1
            continue
        seen.add(mark)
        kept.append(line)
    return kept[::-1], dropped
