"""Frames that ask who has an address, and what the frames of others say (RFC 826, RFC 4861).

A packet library would do the same, and takes longer to be imported than all that is asked takes: its answers are those
of a test instead.

IPv4 questions are broadcast ARP requests, never unicast: a unicast request reaches one owner only, so it
cannot see two. IPv6 questions are neighbour solicitations to the solicited-node multicast address.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

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

_ARP_TYPE, _IPV4, _IPV6, _ICMPV6 = 0x0806, 0x0800, 0x86DD, 58
_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_REQUEST, _REPLY = 1, 2
#: Type, code, checksum, flags and target, of a solicitation and of an advertisement alike.
_SOLICITATION = struct.Struct("!BBHI16s")
_NS, _NA = 135, 136
_SOLICITED_FLAG, _OVERRIDE = 0x40000000, 0x20000000
_SOURCE_MAC, _TARGET_MAC, _OPTION = 1, 2, 8
#: Where a frame of IPv6 has the length of what it carries, what that is, and that itself.
_LENGTH, _NEXT_HEADER, _BODY = 18, 20, 54
_SOLICITED, _ALL_NODES = IPv6Address("ff02::1:ff00:0"), IPv6Address("ff02::1")


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


def question(address: AddressLike, asker: Asker) -> bytes:
    """A frame that asks everybody on the segment who has `address`.

    An IPv6 question needs the asker's own address and MAC: MetalLB ignores a solicitation without a source
    link-layer address (internal/layer2/ndp.go), and answers through the kernel, which must resolve the asker.
    """
    target = ip_address(str(address))
    if isinstance(target, IPv6Address):
        low = target.packed[-3:]
        group = IPv6Address(_SOLICITED.packed[:13] + low)
        body = _SOLICITATION.pack(_NS, 0, 0, 0, target.packed) + _option(_SOURCE_MAC, asker.mac)
        to = mac("3333ff" + low.hex())
        return _icmpv6(asker.mac, to, (IPv6Address(asker.address), group), body)
    return _arp(_REQUEST, BROADCAST, (asker.mac, IPv4Address(asker.address)), (NO_MAC, target))


def announcement(address: AddressLike, owner: Mac, *, reply: bool = False) -> bytes:
    """Gratuitous ARP (request, or reply) or an unsolicited advertisement: `owner` has `address`."""
    target = ip_address(str(address))
    if isinstance(target, IPv6Address):
        body = _SOLICITATION.pack(_NA, 0, 0, _OVERRIDE, target.packed) + _option(_TARGET_MAC, owner)
        return _icmpv6(owner, mac("333300000001"), (target, _ALL_NODES), body)
    return _arp(_REPLY if reply else _REQUEST, BROADCAST, (owner, target), (BROADCAST, target))


def _arp(op: int, to: Mac, sender: tuple[Mac, IPv4Address], target: tuple[Mac, IPv4Address]) -> bytes:
    (sender_mac, sender_address), (target_mac, target_address) = sender, target
    body = _ARP.pack(
        1, _IPV4, 6, 4, op,
        _bytes(sender_mac), sender_address.packed, _bytes(target_mac), target_address.packed,
    )  # fmt: skip
    return _ETHERNET.pack(_bytes(to), _bytes(sender_mac), _ARP_TYPE) + body


def _icmpv6(source: Mac, to: Mac, addresses: tuple[IPv6Address, IPv6Address], body: bytes) -> bytes:
    pair = addresses[0].packed + addresses[1].packed
    checksum = _checksum(pair + struct.pack("!II", len(body), _ICMPV6) + body)
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255)
    whole = header + pair + body[:2] + checksum.to_bytes(2, "big") + body[4:]
    return _ETHERNET.pack(_bytes(to), _bytes(source), _IPV6) + whole


def _checksum(data: bytes) -> int:
    """The Internet's (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _option(kind: int, of: Mac) -> bytes:
    return bytes((kind, 1)) + _bytes(of)


def _bytes(address: Mac) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def _mac(data: bytes) -> Mac:
    return mac(data.hex())


def parse(data: bytes) -> Said | None:
    """What a frame says of an address; None for a frame of another kind, or one that is cut short."""
    if len(data) < _ETHERNET.size:
        return None
    to, source, kind = _ETHERNET.unpack_from(data)
    if kind == _ARP_TYPE:
        return _said_by_arp(data[_ETHERNET.size :], _mac(to))
    if kind == _IPV6 and len(data) >= _BODY + _SOLICITATION.size and data[_NEXT_HEADER] == _ICMPV6:
        end = _BODY + int.from_bytes(data[_LENGTH : _LENGTH + 2], "big")
        return _said_by_icmpv6(data[_BODY:end], _mac(source), _mac(to))
    return None


def _said_by_arp(body: bytes, to: Mac) -> Said | None:
    if len(body) < _ARP.size:
        return None
    hardware, protocol, hardware_size, size, op, sender, claims, target, about = _ARP.unpack_from(body)
    if (hardware, protocol, hardware_size, size) != (1, _IPV4, 6, 4):
        return None
    form = {_REQUEST: "request", _REPLY: "reply"}.get(op, "other")
    has, asked = str(IPv4Address(claims)), str(IPv4Address(about))
    if has == asked and to == BROADCAST:
        return Said(kind="gratuitous", form=form, address=has, mac=_mac(sender), to=BROADCAST)
    if form == "request":
        return Said(kind="question", form=form, address=asked, mac=_mac(sender), to=to)
    if form == "reply":
        return Said(kind="answer", form=form, address=has, mac=_mac(sender), to=_mac(target))
    return None


def _said_by_icmpv6(body: bytes, source: Mac, to: Mac) -> Said | None:
    if len(body) < _SOLICITATION.size:
        return None
    kind, _, _, flags, about = _SOLICITATION.unpack_from(body)
    address = str(IPv6Address(about))
    if kind == _NS:
        return Said(kind="question", form="solicitation", address=address, mac=source, to=to)
    if kind != _NA:
        return None
    # It names the MAC in an option; where that is missing (allowed when unicast) it is the frame's own.
    return Said(
        kind="answer" if flags & _SOLICITED_FLAG else "gratuitous",
        form="advertisement",
        address=address,
        mac=_target_mac(body[_SOLICITATION.size :]) or source,
        to=to,
    )


def _target_mac(options: bytes) -> Mac | None:
    """Of the options of an advertisement; each says how many times eight bytes it has (RFC 4861, 4.6)."""
    while len(options) >= _OPTION:
        kind, size = options[0], options[1] * _OPTION
        if kind == _TARGET_MAC and size == _OPTION:
            return _mac(options[2:_OPTION])
        if not size:
            return None
        options = options[size:]
    return None
