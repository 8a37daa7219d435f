"""Frames that ask who has an address, and what the frames of others say. Scapy builds and parses them.

IPv4 questions are broadcast ARP requests, never unicast: a unicast request reaches one owner only, so it
cannot see two. IPv6 questions are neighbour solicitations to the solicited-node multicast address.
"""

from __future__ import annotations

import logging
import secrets
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv6Address, ip_address
from types import SimpleNamespace
from typing import Any

from clusters.vantage.vantage_data import AddressLike, Interface, Mac, mac

BROADCAST = mac("ff:ff:ff:ff:ff:ff")
NO_MAC = mac("00:00:00:00:00:00")
NOBODY = "0.0.0.0"  # noqa: S104 - a protocol address in a frame; nothing listens on it

# Classic BPF, as (code, jump if true, jump if false, constant): ARP, or ICMPv6 types 133 to 137 (RFC 4861).
ARP_AND_ND: tuple[tuple[int, int, int, int], ...] = (
    (0x28, 0, 0, 12),  # ldh [12]: EtherType
    (0x15, 6, 0, 0x0806),  # ARP: accept
    (0x15, 0, 6, 0x86DD),  # not IPv6: reject
    (0x30, 0, 0, 20),  # ldb [20]: next header
    (0x15, 0, 4, 58),  # not ICMPv6: reject
    (0x30, 0, 0, 54),  # ldb [54]: ICMPv6 type
    (0x35, 0, 2, 133),  # below router solicitation: reject
    (0x25, 1, 0, 137),  # above redirect: reject
    (0x06, 0, 0, 0x40000),  # accept
    (0x06, 0, 0, 0),  # reject
)


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Under which identity questions are asked.

    A phantom is a MAC of nobody's with the sender address 0.0.0.0 (RFC 5227's probe). Its answers go to the
    phantom, so neither the client's kernel nor anybody else learns from the sampling, and the traffic beside
    it fares like that of a client that does not sample. An own identity is the client's MAC and address.
    """

    mac: Mac
    address: str = NOBODY
    phantom: bool = False

    @classmethod
    def of_nobody(cls) -> Asker:
        """A new phantom, with a random MAC that is marked as locally administered."""
        return cls(mac=mac("0a" + secrets.token_hex(5)), phantom=True)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one frame says of an address.

    `kind` is "question", "answer" or "gratuitous"; `form` is the message's name. `to` is the
    MAC that it is for, one or a group's.
    """

    kind: str
    form: str
    address: str
    mac: Mac
    to: Mac


def suited(asker: Asker, address: AddressLike, route: Interface) -> Asker:
    """`asker`, or for an IPv6 address the client itself: its asker must be one that can be resolved."""
    return own(route) if ip_address(str(address)).version == 6 else asker


def own(route: Interface) -> Asker:
    """The client itself as it asks on an interface."""
    return Asker(mac=route.mac, address=route.source or NOBODY)


def is_group(address: Mac) -> bool:
    """Whether a MAC is broadcast or multicast."""
    return bool(int(address[:2], 16) & 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Import scapy within this: it warns of what it lacks for other uses than ours."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@cache
def _scapy() -> Any:
    """Scapy, imported once it is needed, for that takes half a second."""
    with quiet():
        from scapy.layers import inet6, l2  # noqa: PLC0415 - see above
    return SimpleNamespace(
        Ether=l2.Ether,
        ARP=l2.ARP,
        IPv6=inet6.IPv6,
        NS=inet6.ICMPv6ND_NS,
        NA=inet6.ICMPv6ND_NA,
        SourceMac=inet6.ICMPv6NDOptSrcLLAddr,
        TargetMac=inet6.ICMPv6NDOptDstLLAddr,
    )


def question(address: AddressLike, asker: Asker) -> bytes:
    """A frame that asks everybody on the segment who has `address`.

    An IPv6 question needs the asker's own address and MAC: MetalLB ignores a solicitation without a source
    link-layer address (internal/layer2/ndp.go), and answers through the kernel, which must resolve the asker.
    """
    scapy, target = _scapy(), ip_address(str(address))
    if isinstance(target, IPv6Address):
        low = target.packed[-3:]
        group = IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + low)
        frame = scapy.Ether(src=asker.mac, dst="33:33:ff:" + low.hex(":"))
        frame /= scapy.IPv6(src=asker.address, dst=str(group), hlim=255) / scapy.NS(tgt=str(target))
        return bytes(frame / scapy.SourceMac(lladdr=asker.mac))
    frame = scapy.Ether(src=asker.mac, dst=BROADCAST)
    return bytes(
        frame / scapy.ARP(op="who-has", hwsrc=asker.mac, psrc=asker.address, hwdst=NO_MAC, pdst=str(target))
    )


def announcement(address: AddressLike, owner: Mac, *, reply: bool = False) -> bytes:
    """Gratuitous ARP (request, or reply) or an unsolicited advertisement: `owner` has `address`."""
    scapy, target = _scapy(), str(address)
    if ip_address(target).version == 6:
        frame = scapy.Ether(src=owner, dst="33:33:00:00:00:01") / scapy.IPv6(
            src=target, dst="ff02::1", hlim=255
        )
        return bytes(frame / scapy.NA(tgt=target, R=0, S=0, O=1) / scapy.TargetMac(lladdr=owner))
    op = "is-at" if reply else "who-has"
    arp = scapy.ARP(op=op, hwsrc=owner, psrc=target, hwdst=BROADCAST, pdst=target)
    return bytes(scapy.Ether(src=owner, dst=BROADCAST) / arp)


def parse(data: bytes) -> Said | None:
    """What a frame says of an address; None for a frame of another kind, or a broken one."""
    scapy = _scapy()
    try:
        frame = scapy.Ether(data)
        if scapy.ARP in frame:
            return _parse_arp(frame, frame[scapy.ARP])
        if scapy.NS in frame:
            return _parse_solicitation(frame)
        if scapy.NA in frame:
            return _parse_advertisement(frame)
    except (struct.error, ValueError, IndexError, AttributeError, TypeError):
        return None  # scapy's ways to say that a frame is cut short
    return None


def _parse_arp(frame: Any, arp: Any) -> Said | None:
    if arp.hwsrc is None or arp.ptype != 0x0800 or arp.hwlen != 6 or arp.plen != 4:
        return None
    sender, to = mac(arp.hwsrc), mac(arp.hwdst)
    form = {1: "request", 2: "reply"}.get(int(arp.op), "other")
    broadcast = mac(frame.dst) == BROADCAST
    if arp.psrc == arp.pdst and broadcast:
        return Said(kind="gratuitous", form=form, address=arp.psrc, mac=sender, to=BROADCAST)
    if form == "request":
        return Said(kind="question", form=form, address=arp.pdst, mac=sender, to=mac(frame.dst))
    if form == "reply":
        return Said(kind="answer", form=form, address=arp.psrc, mac=sender, to=to)
    return None


def _parse_solicitation(frame: Any) -> Said:
    solicitation = frame[_scapy().NS]
    target = str(ip_address(solicitation.tgt))
    return Said(kind="question", form="solicitation", address=target, mac=mac(frame.src), to=mac(frame.dst))


def _parse_advertisement(frame: Any) -> Said:
    """It names the MAC in an option; where that is missing (allowed when unicast) it is the frame's own."""
    scapy = _scapy()
    advertisement = frame[scapy.NA]
    owner = mac(frame[scapy.TargetMac].lladdr if scapy.TargetMac in frame else frame.src)
    return Said(
        kind="answer" if advertisement.S else "gratuitous",
        form="advertisement",
        address=str(ip_address(advertisement.tgt)),
        mac=owner,
        to=mac(frame.dst),
    )
