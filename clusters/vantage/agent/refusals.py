"""ICMP messages by which a try was refused: what kind, and who sent them.

The kernel keeps them in a socket's error queue where it is asked to (IP_RECVERR, ip(7)); of TCP connections that are
being made since Linux 5.8. An older kernel tells the error's number only, which is the same for a filter that
prohibits and for a host that is gone.
"""

from __future__ import annotations

import socket
import struct

SOL_IP, IP_RECVERR, SOL_IPV6, IPV6_RECVERR = 0, 11, 41, 25
FROM_ICMP, FROM_ICMP6 = 2, 3  # <linux/errqueue.h>
UNREACHABLE, UNREACHABLE6, TOO_BIG6 = 3, 1, 2
#: RFC 792, RFC 1812 (5.2.7.1) and RFC 1122 (3.2.2.1); RFC 4443 (3.1).
CODES = {
    0: "network-unreachable",
    1: "host-unreachable",
    2: "protocol-unreachable",
    3: "port-unreachable",
    4: "too-big",
    6: "network-unreachable",
    7: "host-unreachable",
    9: "admin-prohibited",
    10: "admin-prohibited",
    11: "network-unreachable",
    12: "host-unreachable",
    13: "admin-prohibited",
}
CODES6 = {
    0: "network-unreachable",
    1: "admin-prohibited",
    3: "host-unreachable",
    4: "port-unreachable",
    5: "admin-prohibited",
    6: "admin-prohibited",
}


def want(sock: socket.socket) -> None:
    """Have the kernel keep them for a socket; one that will not still tells the error's number."""
    level, option = (SOL_IPV6, IPV6_RECVERR) if sock.family == socket.AF_INET6 else (SOL_IP, IP_RECVERR)
    try:
        sock.setsockopt(level, option, 1)
    except OSError:
        return


def read(sock: socket.socket) -> tuple[str, str]:
    """(kind, sender) of the message that lies in the queue, ("", "") for none."""
    try:
        extra = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)[1]
    except OSError:
        return "", ""
    for level, kind, data in extra:
        if (level, kind) in ((SOL_IP, IP_RECVERR), (SOL_IPV6, IPV6_RECVERR)) and len(data) >= 16:
            return told(data)
    return "", ""


def told(data: bytes) -> tuple[str, str]:
    """The same of one struct sock_extended_err, with the sender's address behind it."""
    _, origin, kind, code, _, _, _ = struct.unpack("IBBBBII", data[:16])
    if origin == FROM_ICMP:
        name = CODES.get(code, "other") if kind == UNREACHABLE else "other"
    elif origin == FROM_ICMP6:
        name = CODES6.get(code, "other") if kind == UNREACHABLE6 else "other"
        name = "too-big" if kind == TOO_BIG6 else name
    else:
        return "", ""
    return name, _address(data[16:])


def _address(data: bytes) -> str:
    """The address of a sockaddr; "" where there is none."""
    if len(data) < 8:
        return ""
    family = struct.unpack("H", data[:2])[0]
    if family == socket.AF_INET:
        return socket.inet_ntop(family, data[4:8])
    if family == socket.AF_INET6 and len(data) >= 24:
        return socket.inet_ntop(family, data[8:24])
    return ""
