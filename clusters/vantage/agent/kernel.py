"""What the kernel knows: the route to an address, the interface it leaves by, the neighbour table.

Asked of the kernel directly (rtnetlink), because this has to work where no library can be installed.
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import struct
from typing import Any, Iterator  # noqa: UP035 - Iterator of collections.abc is no alias before Python 3.9

# <linux/rtnetlink.h>, <linux/neighbour.h>, <linux/sockios.h>
RTM_GETADDR, RTM_GETNEIGH, RTM_GETROUTE = 22, 30, 26
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC, RTA_VIA = 1, 4, 5, 7, 18
IFA_ADDRESS, IFA_LOCAL = 1, 2
NDA_DST, NDA_LLADDR = 1, 2
RTN_UNICAST = 1
DISCARD = 9  # RFC 863
SIOCGIFFLAGS, SIOCGIFHWADDR, IFF_UP, IFF_RUNNING = 0x8913, 0x8927, 0x1, 0x40
STATES = {
    1: "incomplete",
    2: "reachable",
    4: "stale",
    8: "delay",
    16: "probe",
    32: "failed",
    64: "noarp",
    128: "permanent",
}


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        length, kind = struct.unpack("HH", data[:4])
        if length < 4:
            return
        yield kind & 0x3FFF, data[4:length]
        data = data[(length + 3) & ~3 :]


def _exchange(kind: int, flags: int, body: bytes) -> Iterator[bytes]:
    """The bodies of the answers to one request; OSError where the kernel refuses it."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(2)
        link.sendto(struct.pack("IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body, (0, 0))
        while True:
            data = link.recv(1 << 17)
            while len(data) >= 16:
                length, answer = struct.unpack("IH", data[:6])
                if answer == NLMSG_ERROR:
                    code = -struct.unpack("i", data[16:20])[0]
                    raise OSError(code, os.strerror(code))
                if answer == NLMSG_DONE:
                    return
                yield data[16:length]
                if not flags & NLM_F_DUMP:
                    return
                data = data[(length + 3) & ~3 :]


def route(address: str) -> dict[str, Any]:
    """How a packet to `address` leaves: interface, its index and MAC, source address, gateway (or "")."""
    to = ipaddress.ip_address(address)
    family = socket.AF_INET6 if to.version == 6 else socket.AF_INET
    attribute = struct.pack("HH", 4 + len(to.packed), RTA_DST) + to.packed
    header = struct.pack("BBBBBBBBI", family, to.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    body = next(_exchange(RTM_GETROUTE, 0, header + attribute))
    if body[7] != RTN_UNICAST:
        raise OSError(errno.EADDRNOTAVAIL, "the address is its own")
    found = dict(_attributes(body[12:]))
    index = struct.unpack("I", found[RTA_OIF])[0]
    gateway = found.get(RTA_GATEWAY) or found.get(RTA_VIA, b"")[2:]
    source = str(ipaddress.ip_address(found[RTA_PREFSRC])) if RTA_PREFSRC in found else ""
    return {
        "index": index,
        "source": source,
        "gateway": str(ipaddress.ip_address(gateway)) if gateway else "",
        **interface(socket.if_indextoname(index)),
    }


def networks() -> list[str]:
    """The networks of this host's own addresses, in CIDR notation; those of one address alone are left out."""
    found = []
    for body in _exchange(RTM_GETADDR, NLM_F_DUMP, struct.pack("BBBBI", socket.AF_UNSPEC, 0, 0, 0, 0)):
        family, prefix = struct.unpack("BB", body[:2])
        told = dict(_attributes(body[8:]))
        address = told.get(IFA_LOCAL) or told.get(IFA_ADDRESS)
        if family not in (socket.AF_INET, socket.AF_INET6) or not address:
            continue
        own = ipaddress.ip_interface((address, prefix))
        if prefix < own.max_prefixlen and not (own.is_loopback or own.is_link_local):
            found.append(str(own.network))
    return found


def interface(name: str) -> dict[str, Any]:
    """An interface's name and MAC, and whether it is up. /sys would show another namespace's interfaces."""
    request = struct.pack("16s24x", name.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        hardware = fcntl.ioctl(any_socket, SIOCGIFHWADDR, request)
        flags = struct.unpack("H", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)[16:18])[0]
    return {
        "interface": name,
        "mac": hardware[18:24].hex(":"),
        "up": flags & IFF_UP > 0 and flags & IFF_RUNNING > 0,
    }


def neighbours() -> list[dict[str, str]]:
    """The neighbour table, both families: address, mac ("" while unknown), state, interface."""
    rows = []
    for body in _exchange(RTM_GETNEIGH, NLM_F_DUMP, struct.pack("BxxxiHBB", socket.AF_UNSPEC, 0, 0, 0, 0)):
        family, index, state = struct.unpack("BxxxiH", body[:10])
        found = dict(_attributes(body[12:]))
        if family not in (socket.AF_INET, socket.AF_INET6) or NDA_DST not in found:
            continue
        rows.append(
            {
                "address": str(ipaddress.ip_address(found[NDA_DST])),
                "mac": found.get(NDA_LLADDR, b"").hex(":"),
                "state": STATES.get(state, str(state)),
                "interface": socket.if_indextoname(index),
            }
        )
    return rows


def poke(addresses: list[str]) -> None:
    """Have the kernel find out who holds each address: it must, to send an empty datagram to the discard port.

    Whether that is answered does not matter, and no privilege is needed. An address without a way is left out.
    """
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0)
            try:
                sender.sendto(b"", (address, DISCARD))
            except OSError:
                continue


def neighbour(address: str, index: int) -> tuple[str, str]:
    """(mac, state) of one entry of the neighbour table; ("", "absent") where there is none."""
    to = ipaddress.ip_address(address)
    family = socket.AF_INET6 if to.version == 6 else socket.AF_INET
    attribute = struct.pack("HH", 4 + len(to.packed), NDA_DST) + to.packed
    try:
        body = next(_exchange(RTM_GETNEIGH, 0, struct.pack("BxxxiHBB", family, index, 0, 0, 0) + attribute))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV):
            return "", "absent"
        raise
    found = dict(_attributes(body[12:]))
    return found.get(NDA_LLADDR, b"").hex(":"), STATES.get(struct.unpack("H", body[8:10])[0], "unknown")
