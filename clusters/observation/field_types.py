"""What the parts and fields of an observation are made of.

Each part says what became of reading it. Fields must be of these types where an observation is read from a file; what
is measured here is so by itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from clusters import bounds
from clusters.metallb import ranges


def _moment(text: str) -> str:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no RFC 3339 time") from None
    if found.tzinfo is None or not bounds.EARLIEST <= found <= bounds.LATEST:
        raise ValueError(f"{text[:40]!r} is no time of this century with its offset from UTC")
    return text


def _address(text: str) -> str:
    try:
        ranges.parse_address(text)
    except ranges.AddressError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no network in CIDR notation") from None


Moment = Annotated[str, AfterValidator(_moment)]
Network = Annotated[str, AfterValidator(_network)]
Address = Annotated[str, AfterValidator(_address)]
#: A profile's or namespace's name, as profiles allow it; empty where nobody named one.
ProfileName = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?)?$")]
NamespaceName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
NoAddress = Literal[""]
#: The kinds of ICMP refusal that tell something; "" for none, "other" for any that is not listed.
Refusal = Literal[
    "", "admin-prohibited", "host-unreachable", "network-unreachable", "port-unreachable",
    "protocol-unreachable", "too-big", "other"
]  # fmt: skip
PortNumber = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=bounds.LONGEST_BUDGET * bounds.LARGEST_FACTOR)]


class Purpose(StrEnum):
    """Why an address was asked for on the wire."""

    ASSIGNED = "assigned"
    FREE = "free"
    NODE = "node"


class ProbeOutcome(StrEnum):
    """How tries at a port ended.

    UNREACHABLE is no route, or an ICMP message that says so; SILENT is UDP without an answer, which proves nothing;
    BROKEN is any other end.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    SILENT = "silent"

    @property
    def failed(self) -> bool:
        """Whether it is proof that the port was not reached."""
        return self not in {ProbeOutcome.ANSWERED, ProbeOutcome.SILENT}

    @property
    def replied(self) -> bool:
        """Whether whoever has the address replied, if only to refuse."""
        return self in {ProbeOutcome.ANSWERED, ProbeOutcome.REFUSED}


class Status(StrEnum):
    """How reading one part of the cluster ended."""

    OK = "ok"
    NOT_PERMITTED = "not_permitted"
    FAILED = "failed"
    #: The cluster has no such thing: a resource this MetalLB does not define, a metrics API not installed.
    ABSENT = "absent"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of an observation: what became of reading it.

    `verb` and `resource` name the permission that is missing where `status` is not_permitted;
    `detail` is the error's sentence, or why the part was not asked.
    """

    status: Status = Status.NOT_ASKED
    detail: str = ""
    verb: str = ""
    resource: str = ""

    @property
    def ok(self) -> bool:
        """Whether the part was read. An absent part was not."""
        return self.status is Status.OK

    @property
    def known(self) -> bool:
        """Whether the part's content is known: read, or known to be absent (then it is empty)."""
        return self.status in {Status.OK, Status.ABSENT}
