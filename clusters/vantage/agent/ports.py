"""Which source port an attempt leaves from: none comes twice while a node may remember the connection.

Connection tracking on the node that answers keeps the endpoint of a connection that got no answer for two minutes
(nf_conntrack_tcp_timeout_syn_sent, Documentation/networking/nf_conntrack-sysctl.rst). An attempt from the same port
is sent to that endpoint again, however long ago kube-proxy gave it up. The kernel's own choice is back at a port after
half a minute of 50 attempts a second; ports in turn are so after nine.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import socket
import time
import zlib
from pathlib import Path

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
#: So many attempts a second an earlier process may have made without this one meeting its ports.
PER_SECOND = 50
MOST_TAKEN = 64


class Ports:
    """Source ports in turn, by destination.

    Each destination has a place of its own to begin at, which moves with the clock: a later process begins where
    an earlier one has not been yet, and destinations that are tried at once take no port from each other.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first, self.count = first, last - first + 1
        self.used: dict[tuple[object, ...], int] = {}

    def next(self, destination: tuple[object, ...]) -> int:
        """The port after the one that was last used for a destination."""
        number = self.used.get(destination)
        if number is None:
            number = zlib.crc32(repr(destination).encode()) + int(time.monotonic() * PER_SECOND)
        self.used[destination] = number + 1
        return self.first + number % self.count

    def bind(self, sock: socket.socket, destination: tuple[object, ...]) -> None:
        """Let `sock` leave from the next port that is free; where none of the next ones is, the kernel chooses."""
        for _ in range(MOST_TAKEN):
            try:
                sock.bind(("", self.next(destination)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    return
            else:
                return


@functools.lru_cache
def of_this_host() -> Ports:
    """One for the whole process: the ports that the kernel of this network namespace itself would choose from."""
    first, last = 32768, 60999
    with contextlib.suppress(OSError, ValueError):
        first, last = (int(text) for text in Path(RANGE).read_text(encoding="ascii").split())
    return Ports(first, last)
