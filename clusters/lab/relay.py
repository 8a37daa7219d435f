"""Carries connections from a loopback port of the machine to the API server inside the lab.

A socket stays in the network namespace that it was made in. The listening one was made in the machine's
and is inherited; those that this process makes are in its host's namespace. So bytes cross without an
interface, a route or a firewall rule. Started by path with `python -I -S`; standard library only.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys

_CHUNK = 1 << 16
# Bytes that one side may be ahead of the other before reading from it pauses.
_AHEAD = 1 << 20


class Side:
    """One end of a carried connection: what waits to be sent on it, and whether its peer has finished."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.other: Side = self
        self.waiting = bytearray()
        self.read_all = False
        self.finished = False
        end.settimeout(0)

    def wanted(self) -> int:
        """The events to watch for: reading while the other side keeps up, writing while something waits."""
        reading = selectors.EVENT_READ if not self.read_all and len(self.other.waiting) < _AHEAD else 0
        return reading | (selectors.EVENT_WRITE if self.waiting else 0)

    def read(self) -> None:
        """Take what has arrived, for the other side."""
        data = self.end.recv(_CHUNK)
        if data:
            self.other.waiting += data
        else:
            self.read_all = True
        self.other.write()

    def write(self) -> None:
        """Send what waits; pass on the end of the stream after the last byte."""
        while self.waiting:
            try:
                sent = self.end.send(self.waiting)
            except BlockingIOError:
                return
            del self.waiting[:sent]
        if self.other.read_all and not self.finished:
            self.finished = True
            with contextlib.suppress(OSError):
                self.end.shutdown(socket.SHUT_WR)


class Relay:
    """All carried connections, in one loop."""

    def __init__(self, listener: socket.socket, target: tuple[str, int]) -> None:
        self._listener, self._target = listener, target
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Carry until killed."""
        while True:
            for key, events in self._selector.select():
                if key.data is None:
                    self._accept()
                elif key.fileobj in self._selector.get_map():
                    self._move(key.data, events)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            # On the loopback of the host a connection is made, or refused, at once.
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            near.close()
            return
        ends = Side(near), Side(far)
        ends[0].other, ends[1].other = ends[1], ends[0]
        for side in ends:
            side.end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(side.end, selectors.EVENT_READ, side)

    def _move(self, side: Side, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                side.write()
            if events & selectors.EVENT_READ and not side.read_all:
                side.read()
        except BlockingIOError:
            pass
        except OSError:
            self._close(side)
            return
        if side.finished and side.other.finished:
            self._close(side)
            return
        for one in (side, side.other):
            self._watch(one)

    def _watch(self, side: Side) -> None:
        wanted = side.wanted()
        known = side.end in self._selector.get_map()
        if wanted and known:
            self._selector.modify(side.end, wanted, side)
        elif wanted:
            self._selector.register(side.end, wanted, side)
        elif known:
            self._selector.unregister(side.end)

    def _close(self, side: Side) -> None:
        for one in (side, side.other):
            if one.end in self._selector.get_map():
                self._selector.unregister(one.end)
            one.end.close()


def main(arguments: list[str]) -> None:
    """Arguments: the listening socket's number, the address and the port to carry to."""
    number, address, port = arguments
    Relay(socket.socket(fileno=int(number)), (address, int(port))).run()


if __name__ == "__main__":
    main(sys.argv[1:])
