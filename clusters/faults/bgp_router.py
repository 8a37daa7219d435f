"""A router that speaks BGP with MetalLB's speakers: the LAN's gateway, which takes the routes or keeps none. For labs.

RFC 4271, as much of it as holds a session and reads the IPv4 routes of an UPDATE. It is a program of its own in the
network namespace of the gateway: `python -m clusters.faults.bgp_router ADDRESS ASN [--takes-routes]`.
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from clusters import budgets, wait
from clusters.changes import Changes, HostUndo
from clusters.errors import Refused
from clusters.faults.lab_hosts import in_namespace
from clusters.lab import netns
from clusters.lab.lab import Lab
from clusters.lab.plan import LAN

PORT = 179
_MODULE = "clusters.faults.bgp_router"
_ROOT = Path(__file__).resolve().parents[2]
_OPEN, _UPDATE, _KEEPALIVE = 1, 2, 4
_NEXT_HOP = 3
_HOLD = 90
#: The one capability: IPv4 routes. (MetalLB takes no OPEN without any: internal/bgp/native/messages.go.)
_IPV4 = struct.pack("!BBBBHH", 2, 6, 1, 4, 1, 1)
_MARKER = b"\xff" * 16
#: Routes that this router took, as the kernel numbers their origin: `ip route flush proto bgp`.
_PROTO = "bgp"


@contextmanager
def peering(changes: Changes, lab: Lab, *, asn: int, takes_routes: bool) -> Iterator[str]:
    """Let the LAN's gateway speak BGP; yields its address. With `takes_routes` it leads to what it is told of."""
    gateway = str(lab.plan.gateways[0][0].ip)
    undo = HostUndo(
        text="the gateway speaks BGP", action="clusters.faults.bgp_router:leave", args={"lab": lab.name}
    )
    command = [sys.executable, "-m", _MODULE, gateway, str(asn), *(["--takes-routes"] * takes_routes)]
    with changes.host_change(undo):
        log = subprocess.DEVNULL
        process = netns.inside(
            lab.plan.lan_netns,
            lambda: subprocess.Popen(command, cwd=_ROOT, stdin=log, stdout=log, stderr=log),
        )
        try:
            yield gateway
        finally:
            process.kill()
            process.wait()


def leave(lab: str) -> None:
    """End the router and drop its routes; nothing happens where there is none, or the lab is gone."""
    try:
        found = Lab.load(lab)
    except Refused:
        return
    for process in in_namespace(found.plan.lan_netns, Path(sys.executable).resolve().name):
        with contextlib.suppress(psutil.Error):
            if _MODULE in process.cmdline():
                process.kill()
    found.run(LAN, ["ip", "route", "flush", "proto", _PROTO])


class Router:
    """The router: `routes` has the next hops that each peer told of, by prefix and peer."""

    def __init__(self, address: str, asn: int, *, takes_routes: bool) -> None:
        self._id, self._asn, self._takes = socket.inet_aton(address), asn, takes_routes
        self.routes: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket, peer: str) -> None:
        """Hold one session until its peer ends it."""
        with connection, contextlib.suppress(OSError, EOFError, struct.error):
            connection.settimeout(_HOLD)
            own = struct.pack("!BHH4sB", 4, self._asn, _HOLD, self._id, len(_IPV4))
            _send(connection, _OPEN, own + _IPV4)
            threading.Thread(target=_keep_alive, args=(connection,), daemon=True).start()
            while True:
                kind, body = _received(connection)
                if kind == _UPDATE:
                    self.learn(peer, *parsed(body))
        self.learn(peer, tuple(self.routes), (), "")

    def learn(self, peer: str, gone: Sequence[str], told: Sequence[str], next_hop: str) -> None:
        """Take routes of one peer away, and others in."""
        with self._lock:
            for prefix in gone:
                self.routes.get(prefix, {}).pop(peer, None)
            for prefix in told:
                self.routes.setdefault(prefix, {})[peer] = next_hop
            if self._takes:
                for prefix in (*gone, *told):
                    self._lead(prefix)

    def _lead(self, prefix: str) -> None:
        hops = sorted(self.routes.get(prefix, {}).values())
        way = ["replace", prefix, "via", hops[0]] if hops else ["del", prefix]
        subprocess.run(["ip", "route", *way, "proto", _PROTO], check=False, capture_output=True)


def parsed(body: bytes) -> tuple[list[str], list[str], str]:
    """The IPv4 prefixes that an UPDATE takes away, those that it tells of, and their next hop."""
    (gone,) = struct.unpack_from("!H", body)
    (attributes,) = struct.unpack_from("!H", body, 2 + gone)
    begin = 4 + gone
    next_hop = ""
    place = begin
    while place < begin + attributes:
        flags, kind = body[place], body[place + 1]
        wide = bool(flags & 0x10)
        length = struct.unpack_from("!H" if wide else "!B", body, place + 2)[0]
        place += 4 if wide else 3
        if kind == _NEXT_HOP:
            next_hop = socket.inet_ntoa(body[place : place + 4])
        place += length
    return _prefixes(body[2 : 2 + gone]), _prefixes(body[begin + attributes :]), next_hop


def _prefixes(data: bytes) -> list[str]:
    found = []
    place = 0
    while place < len(data):
        bits = data[place]
        size = (bits + 7) // 8
        octets = data[place + 1 : place + 1 + size].ljust(4, b"\0")
        found.append(str(ipaddress.ip_network((octets, bits), strict=False)))
        place += 1 + size
    return found


def _send(connection: socket.socket, kind: int, body: bytes = b"") -> None:
    connection.sendall(_MARKER + struct.pack("!HB", 19 + len(body), kind) + body)


def _received(connection: socket.socket) -> tuple[int, bytes]:
    length, kind = struct.unpack("!HB", _exactly(connection, 19)[16:])
    return kind, _exactly(connection, length - 19)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _keep_alive(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            _send(connection, _KEEPALIVE)
            wait.pause(budgets.get(budgets.BGP_KEPT_ALIVE))


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve every speaker that connects, until this program is ended."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}", description=__doc__)
    parser.add_argument("address", help="where to listen, and the router's id")
    parser.add_argument("asn", type=int, help="its AS number")
    parser.add_argument("--takes-routes", action="store_true", help="lead to what the speakers tell of")
    given = parser.parse_args(arguments)
    router = Router(given.address, given.asn, takes_routes=given.takes_routes)
    with socket.create_server((given.address, PORT)) as listener:
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=router.serve, args=(connection, peer[0]), daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main())
