"""What traffic goes to: single targets, many in turns, and whole requests; and what became of each."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusters import budgets
from clusters.vantage.agent.paced_tries import AT_ONCE
from clusters.vantage.captured_frames import seconds
from clusters.vantage.client import Message, Task
from clusters.vantage.vantage_data import Attempt


@dataclass(frozen=True, kw_only=True)
class Target:
    """What traffic goes to. `path` and `hostname` (the Host header) are for HTTP, `payload` for UDP.

    `source` is the port that it is tried from, 0 for one that has not been used lately.
    The default payload makes agnhost's UDP server answer with its host name, as its /hostname does for HTTP.
    """

    address: str
    port: int
    protocol: str = "http"
    path: str = "/hostname"
    payload: str = "hostname"
    hostname: str = ""
    source: int = 0

    @property
    def name(self) -> str:
        """Like "http 192.0.2.9:80"."""
        return f"{self.protocol} {self.address}:{self.port}"

    @property
    def arguments(self) -> dict[str, str | int]:
        """What the agent needs to know of it."""
        return {
            "host": self.address,
            "port": self.port,
            "protocol": self.protocol,
            "path": self.path,
            "payload": self.payload,
            "hostname": self.hostname,
            "source": self.source,
        }


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a measurement samples; seconds.

    An attempt gets less than the kernel's first retransmission of a SYN takes (1 s, RFC 6298), so that what
    was begun during an outage is not served by a retry after it.
    """

    every: float = 0.02
    arp_every: float = 0.05
    timeout: float = 0.9
    at_most: float = 900.0
    neighbours: tuple[str, ...] = ()
    control: Target | None = None


#: How much of an answer is kept: enough for what kube-proxy says of its health.
BODY = 512


def in_turns(counts: Sequence[int]) -> list[int]:
    """Indexes of the targets, each as often as its count says, in turns."""
    return [
        number
        for turn in range(max(counts, default=0))
        for number, count in enumerate(counts)
        if turn < count
    ]


def longest(tries: int, *, every: float, timeout: float) -> float:
    """Seconds after which it is over in any case: each try in its turn, and all of them waiting in vain."""
    return tries * every + tries / AT_ONCE * timeout + timeout + budgets.seconds(budgets.PROBES_ENDED)


def by_target(
    messages: Iterable[Message], order: Sequence[int], targets: int
) -> tuple[tuple[Attempt, ...], ...]:
    """The attempts of each target, in the order in which they were begun."""
    found: list[list[Attempt]] = [[] for _ in range(targets)]
    known = [one for one in messages if 0 <= one["n"] < len(order)]
    for message, attempt in zip(known, attempts_of(known, began_ns=0), strict=True):
        found[order[message["n"]]].append(attempt)
    return tuple(tuple(sorted(each, key=lambda one: one.t)) for each in found)


def attempts_of(messages: Iterable[Message], *, began_ns: int) -> list[Attempt]:
    """The attempts among a probe's messages."""
    return [
        Attempt(
            t=seconds(one["t"], began_ns),
            ok=one["ok"],
            latency=round(one["ms"] / 1000, 6),
            error=one["error"],
            server=one["server"],
            late=round(one["late"] / 1000, 6),
            icmp=one.get("icmp", ""),
            sent_by=one.get("sent_by", ""),
            source=one.get("source", 0),
        )
        for one in messages
        if one["event"] == "attempt"
    ]


def trouble_of(task: Task) -> str:
    """What a task met last that is its own trouble, not that of what it probes."""
    troubles = [one["error"] for one in task.of("trouble")]
    return troubles[-1] if troubles else "it was not told why"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request. `protocol` is tcp, http, https, udp, dns or quic.

    `hostname` is the Host header, the name in TLS, the query. `ca` holds the certificates that are trusted, as PEM (""
    for those of the place), `proxy` puts a PROXY header (version 1) before everything. `segment` is the
    most bytes that either side may put into one packet, 0 for any; with `pieces` only the request is kept to little.
    """

    address: str
    port: int
    protocol: str
    hostname: str = ""
    method: str = "GET"
    path: str = "/"
    payload: str = ""
    ca: str = ""
    proxy: bool = False
    segment: int = 0
    pieces: bool = False

    @property
    def arguments(self) -> dict[str, str | int | bool]:
        """What the agent needs to know of it."""
        named = vars(self) | {"host": self.address}
        return {name: value for name, value in named.items() if name != "address"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that is made again and again through a measurement, and what its answer has to be.

    `service` is whose ("namespace/name"), `every` in seconds. `expected` are the codes of which its answer has one
    (none given: any), `holds` a text in it.
    """

    service: str
    request: Exchange
    every: float
    expected: tuple[int, ...] = ()
    holds: str = ""

    @property
    def name(self) -> str:
        """Like "https 192.0.2.9:443"."""
        return f"{self.request.protocol} {self.request.address}:{self.request.port}"

    @property
    def arguments(self) -> dict[str, Any]:
        """What the agent needs to know of it."""
        return {
            **self.request.arguments,
            "every": self.every,
            "expected": list(self.expected),
            "holds": self.holds,
        }


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """What came back. `error` is empty where that was an answer, else a word or two, and `stage` says how far it came.

    `status` is HTTP's, or the code of DNS, `body` at most 64 KiB of the answer. `certificate` is the server's own, as
    DER; `untrusted` says why it is not to be trusted, "" where it is. `size` is how many bytes of both came.
    """

    error: str
    stage: str
    status: int = 0
    location: str = ""
    body: str = ""
    certificate: bytes = b""
    untrusted: str = ""
    size: int = 0


def exchanged_of(message: Mapping[str, Any]) -> Exchanged:
    """What the agent told of one request."""
    try:
        certificate = base64.b64decode(str(message.get("certificate", "")), validate=True)
    except (binascii.Error, ValueError):
        certificate = b""
    return Exchanged(
        error=str(message.get("error", "")),
        stage=str(message.get("stage", "")),
        status=int(message.get("status", 0)),
        location=str(message.get("location", "")),
        body=str(message.get("body", "")),
        certificate=certificate,
        untrusted=str(message.get("untrusted", "")),
        size=int(message.get("size", 0)),
    )
