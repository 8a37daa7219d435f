"""Evidence: what is kept of the cluster when a check fails, before any fixture takes it away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from clusters.checks import CheckSpec
from suites.plugin.record import Record
from suites.plugin.running import Run


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A check has just failed. `since` is when it began, in seconds of the Unix clock."""

    item: pytest.Item
    spec: CheckSpec
    run: Run
    record: Record
    since: float


Collector = Callable[[Moment], None]
_COLLECTORS: list[Collector] = []


def collector(function: Collector) -> Collector:
    """Register a function that keeps files of a moment by `moment.record.attach`.

    A class of checks that knows more than the default does (a timeline, a capture) registers its own.
    """
    if function not in _COLLECTORS:
        _COLLECTORS.append(function)
    return function


def collect(moment: Moment) -> None:
    """Let every collector keep what it knows of. One that breaks is noted and masks nothing."""
    for function in _COLLECTORS:
        try:
            function(moment)
        except Exception as fault:  # noqa: BLE001 - the check's failure counts, not the collector's
            name = function.__name__.replace("_", " ")
            moment.record.note(f"{name} could not be kept: {type(fault).__name__}: {fault}")
