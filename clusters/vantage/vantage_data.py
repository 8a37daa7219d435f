"""What is seen from a vantage, as frozen data, and why nothing is. Times `t` are seconds since a measurement began."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NewType

from clusters.errors import ConformanceError


class VantageError(ConformanceError):
    """The place that is measured from cannot do what was asked: no permission, no route, no such place."""


class NotOnSegment(VantageError):  # noqa: N818 - it names a state of affairs, as its siblings in clusters.errors
    """The address is not on a segment of the vantage, so nothing of it is seen on its wire."""


AddressLike = str | IPv4Address | IPv6Address
Mac = NewType("Mac", str)
"""A MAC as six lower-case octets with colons. Make one with `mac`."""


def mac(text: str) -> Mac:
    """`text` (any usual notation) as a Mac; ValueError where it is none."""
    digits = text.replace(":", "").replace("-", "").replace(".", "")
    if re.fullmatch("[0-9a-fA-F]{12}", digits) is None:
        raise ValueError(f"{text!r} is no MAC address")
    return Mac(bytes.fromhex(digits).hex(":"))


@dataclass(frozen=True, kw_only=True)
class Interface:
    """How packets to an address leave. `source` is the own address used, `gateway` "" on the same segment."""

    name: str
    index: int
    mac: Mac
    source: str
    gateway: str
    up: bool

    @property
    def on_link(self) -> bool:
        """Whether the address is on the interface's own segment."""
        return not self.gateway


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """An entry of the kernel's neighbour table: `mac` ("" while unknown), `state` as "reachable"."""

    address: str
    mac: Mac
    state: str
    interface: str


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A captured frame: `t_ns` is the kernel's stamp (ns of the epoch), `sent` says that it went out."""

    t_ns: int
    sent: bool
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try on a service, begun at `t`. `error` is "" where it was served; `server` is what it answered.

    `latency` (s) is the time to the answer or to giving up; `late` (s) is how late the probe itself was.
    `icmp` is the kind of ICMP message that refused it (`clusters.vantage.agent.refusals`), `sent_by` who sent that;
    both, and the port that it left from (`source`), are told by `try_all` only.
    """

    t: float
    ok: bool
    latency: float
    error: str = ""
    server: str = ""
    late: float = 0.0
    icmp: str = ""
    sent_by: str = ""
    source: int = 0

    @property
    def ended(self) -> float:
        """When it was served or given up."""
        return self.t + self.latency


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer to a broadcast question for an address; `round` is the number of the question, from 0."""

    t: float
    mac: Mac
    round: int


@dataclass(frozen=True, kw_only=True)
class Gratuitous:
    """One unasked announcement of an address: kind "request" or "reply" (ARP), or "advertisement" (IPv6)."""

    t: float
    mac: Mac
    kind: str


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What the client's own kernel held for the address from `t` on: `mac` ("" for nothing) and its state."""

    t: float
    mac: Mac
    state: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A named moment, for example "fault" or "restored"."""

    t: float
    name: str


@dataclass(frozen=True, kw_only=True)
class Slip:
    """The probe itself was late: due at `t`, done `late` s after; `skipped` ticks were left out.

    `of` is "probe", "questions" or "control".
    """

    t: float
    late: float
    skipped: int
    of: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All answers to `rounds` broadcast questions for one address."""

    address: str
    rounds: int
    replies: tuple[Reply, ...]

    @property
    def macs(self) -> frozenset[Mac]:
        """Every MAC that answered."""
        return frozenset(reply.mac for reply in self.replies)

    @property
    def sole(self) -> Mac | None:
        """The MAC that answered, where exactly one did."""
        return next(iter(self.macs)) if len(self.macs) == 1 else None

    def in_round(self, number: int) -> frozenset[Mac]:
        """The MACs that answered one question."""
        return frozenset(reply.mac for reply in self.replies if reply.round == number)


@dataclass(frozen=True, kw_only=True)
class Control:
    """Whether the capture was seen to work: own questions on the wire, and answers of living neighbours.

    `reason` says in a sentence why `ok` is what it is. `longest_silence` (s) is the longest time in which no
    neighbour answered at all: a fault seen only then may be the vantage's own.
    """

    ok: bool
    reason: str
    asked: int = 0
    seen: int = 0
    answered: int = 0
    longest_silence: float = 0.0
