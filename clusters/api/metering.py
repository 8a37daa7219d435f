"""Answers that are too large or take too long, stopped where every byte of them passes: at the socket.

A limit on each read is none: headers, interim answers and the framing of chunks are read by the library in loops of its
own, and a byte that arrives every second keeps each single read short.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from clusters import bounds
from clusters.api import errors

_METER: ContextVar[Meter | None] = ContextVar("meter", default=None)


class Meter:
    """What one answer may still take. Within `with`, every byte that this thread receives counts for it."""

    def __init__(self, what: str, *, limit: int, within: float) -> None:
        """For the answer to `what` ("list pods"): `limit` bytes, `within` seconds from now."""
        self._what, self._limit, self._within = what, limit, within
        self._deadline = time.monotonic() + within
        self._received = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count and stop what the block receives. The time runs on between blocks."""
        before = _METER.set(self)
        try:
            yield
        finally:
            _METER.reset(before)

    def refill(self) -> None:
        """Begin to count bytes anew: for one answer that is many, as a watch is."""
        self._received = 0

    def left(self) -> float:
        """Seconds that are left. Raises TimedOut where there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise errors.TimedOut(f"The answer to {self._what} took longer than {self._within:g} s.")
        return left

    def count(self, received: int) -> None:
        """Raises AnswerTooLarge where that was too much."""
        self._received += received
        if self._received > self._limit + bounds.FRAMING_BYTES:
            self.too_large()

    def expect(self, length: str) -> None:
        """Take a Content-Length at its word, before anything is made ready for so much."""
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._limit):
            self.too_large()

    def too_large(self) -> None:
        """Raises AnswerTooLarge."""
        raise errors.AnswerTooLarge(
            f"The answer to {self._what} is larger than {bounds.size(self._limit)}; it was not read any further."
        )


class MeteredSocket(socket.socket):
    """A socket whose reads the running meter counts."""

    #: What the latest answer is read through; it may hold bytes that came after the answer's headers.
    reader: Any = None

    def recv(self, *args: Any) -> bytes:
        """As a socket's."""
        with _watched(self) as meter:
            received = super().recv(*args)
        if meter is not None:
            meter.count(len(received))
        return received

    def recv_into(self, *args: Any) -> int:
        """As a socket's."""
        with _watched(self) as meter:
            received = super().recv_into(*args)
        if meter is not None:
            meter.count(received)
        return received

    def makefile(self, *args: Any, **options: Any) -> Any:
        """As a socket's; what was made is kept."""
        self.reader = super().makefile(*args, **options)
        return self.reader


@contextmanager
def _watched(sock: socket.socket) -> Iterator[Meter | None]:
    """One read that ends with the meter's time, however long the socket's own timeout is."""
    meter = _METER.get()
    if meter is None:
        yield None
        return
    usual = sock.gettimeout()
    left = meter.left()
    shorter = usual is None or left < usual
    if shorter:
        sock.settimeout(left)
    try:
        yield meter
    except TimeoutError:
        meter.left()
        raise
    finally:
        if shorter and sock.fileno() != -1:
            sock.settimeout(usual)


class _PlainSocket(MeteredSocket):
    """A connection without TLS, or before it."""

    @classmethod
    def taking_over(cls, sock: socket.socket) -> _PlainSocket:
        timeout = sock.gettimeout()
        made = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        made.settimeout(timeout)
        return made


class TlsSocket(MeteredSocket, ssl.SSLSocket):
    """What an SSLContext makes whose `sslsocket_class` this is."""


class PlainConnection(HTTPConnection):
    """A connection of the pool whose answers the running meter watches."""

    def _new_conn(self) -> socket.socket:
        return _PlainSocket.taking_over(super()._new_conn())


class TlsConnection(HTTPSConnection):
    """As PlainConnection; the socket within TLS is the context's."""

    def connect(self) -> None:
        """As the library's, without its warning about what the kubeconfig itself asks for."""
        super().connect()
        self.is_verified = True

    def _new_conn(self) -> socket.socket:
        return _PlainSocket.taking_over(super()._new_conn())
