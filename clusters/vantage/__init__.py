"""Measuring from outside: who answers for an address, does it serve, and what was on the wire.

`open_vantage("netns:client")` gives a `Vantage`; docs/measuring.md says what its figures mean.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from clusters.errors import UsageError
from clusters.vantage.base import Vantage
from clusters.vantage.local import AgentVantage, HostVantage, NetnsVantage
from clusters.vantage.mac_table import MacTable
from clusters.vantage.ssh import SshVantage
from clusters.vantage.targets import Target
from clusters.vantage.timeline import Timeline, require_control
from clusters.vantage.vantage_data import (
    Answers,
    Attempt,
    Control,
    Interface,
    Neighbour,
    NotOnSegment,
    Reply,
    VantageError,
    mac,
)
from clusters.vantage.watch import Measurement


def open_vantage(spec: str) -> AbstractContextManager[Vantage]:
    """The vantage that a profile names: "host", "netns:NAME" or "ssh:HOST". UsageError for any other text."""
    kind, _, name = spec.partition(":")
    if spec == "host":
        return HostVantage()
    if kind == "netns" and name:
        return NetnsVantage(name)
    if kind == "ssh" and name:
        return SshVantage(name)
    raise UsageError(f"{spec!r} names no vantage.", remedy='Use "host", "netns:NAME" or "ssh:HOST".')


__all__ = [
    "AgentVantage",
    "Answers",
    "Attempt",
    "Control",
    "HostVantage",
    "Interface",
    "MacTable",
    "Measurement",
    "Neighbour",
    "NetnsVantage",
    "NotOnSegment",
    "Reply",
    "SshVantage",
    "Target",
    "Timeline",
    "Vantage",
    "VantageError",
    "mac",
    "open_vantage",
    "require_control",
]
