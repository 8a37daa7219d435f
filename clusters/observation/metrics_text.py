"""Prometheus' text format, read as far as MetalLB's metrics need it.

`prometheus_client.parser` reads the same. It gives up a whole page for one broken line, where here only that line is
lost, and for the 200 samples of MetalLB's among 1,500 lines of a speaker it takes 30 ms instead of 1: of a cluster of
hundreds of nodes, every observation would feel it. A test holds the two equal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from clusters.observation.snapshot import Sample

_LINE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def samples(text: str, *, prefix: str = "metallb_") -> tuple[Sample, ...]:
    """The samples whose name begins with `prefix`, in order; lines that are none are skipped."""
    return tuple(_samples(text, prefix))


def _samples(text: str, prefix: str) -> Iterator[Sample]:
    for line in text.split("\n"):
        if not line.startswith(prefix) or not (match := _LINE.match(line)):
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        if not math.isfinite(value):
            continue  # no figure, and nothing that JSON could keep
        labels = {name: _ESCAPE.sub(_unescaped, raw) for name, raw in _LABEL.findall(match["labels"] or "")}
        yield Sample(name=match["name"], labels=labels, value=value)


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
