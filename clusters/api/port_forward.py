"""A port-forward to a pod: the upgrade of a request to a WebSocket (RFC 6455), and Kubernetes' channels in it.

https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Iterable
from itertools import cycle
from types import TracebackType
from typing import Any, Self

from clusters.api import errors
from clusters.api.answers import Asked
from clusters.api.metering import Meter, MeteredSocket
from clusters.api.transport import Answer, Request, Transport

_PROTOCOL = "v4.channel.k8s.io"
_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUED, _BINARY, _CLOSE, _PING, _PONG = 0, 2, 8, 9, 10
#: Of one forwarded port the first channel carries data, the second one errors; each begins with the port's number.
_DATA, _ERRORS = 0, 1
_PORT_NUMBER = 2


class PortForward:
    """Bytes to and from a port of a pod. Every byte that is received counts for `meter`."""

    def __init__(self, transport: Transport, asked: Asked, port: int, meter: Meter) -> None:
        self._meter, self._asked, self._port = meter, asked, port
        self._answer = _upgraded(transport, asked, port, meter)
        connection: Any = self._answer.response.connection
        if not isinstance(connection.sock, MeteredSocket):
            self._answer.close()
            raise errors.ServerFault("A port-forward through a proxy that is reached by TLS is not possible.")
        self._socket: MeteredSocket = connection.sock
        # What came right behind the answer's headers was read with them.
        self._reader = self._socket.reader
        self._begun: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._frame(_BINARY, bytes((_DATA,)) + data)

    def receive(self) -> bytes:
        """What arrives next, b"" where the pod's side has ended. Raises OSError where the port cannot be reached."""
        with self._meter.running():
            for channel, data in iter(self._message, None):
                if channel not in self._begun:
                    self._begun.add(channel)
                    data = data[_PORT_NUMBER:]  # noqa: PLW2901 - the rest of the same message
                if channel == _ERRORS and data:
                    raise OSError(" ".join(data[:200].decode(errors="replace").split()))
                if channel == _DATA and data:
                    return data
        return b""

    def _message(self) -> tuple[int, bytes] | None:
        """The next message that has something in it, None at the end."""
        whole = b""
        while True:
            last, kind, data = self._next_frame()
            if kind == _CLOSE:
                return None
            if kind == _PING:
                self._frame(_PONG, data)
            elif kind in {_BINARY, _CONTINUED}:
                whole += data
                if last and whole:
                    return whole[0], whole[1:]

    def _next_frame(self) -> tuple[bool, int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        self._meter.expect(str(length))
        return bool(first & 0x80), first & 0x0F, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        data: bytes = self._reader.read(size)
        if len(data) < size:
            raise ConnectionError("the port-forward broke off")
        return data

    def _frame(self, kind: int, data: bytes) -> None:
        """Send one frame; a client masks what it sends."""
        size = len(data)
        head = bytes((0x80 | kind,))
        if size < 126:
            head += bytes((0x80 | size,))
        else:
            head += (
                bytes((0x80 | 126,)) + struct.pack("!H", size)
                if size < 1 << 16
                else (bytes((0x80 | 127,)) + struct.pack("!Q", size))
            )
        mask = os.urandom(4)
        self._socket.settimeout(self._meter.left())
        self._socket.sendall(head + mask + _masked(data, mask))


def _masked(data: Iterable[int], mask: bytes) -> bytes:
    return bytes(each ^ key for each, key in zip(data, cycle(mask), strict=False))


def _upgraded(transport: Transport, asked: Asked, port: int, meter: Meter) -> Answer:
    """The answer that begins the WebSocket; whatever else is answered is an ApiError, as for any request."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = Request(
        asked=asked,
        query={"ports": str(port)},
        accept="*/*",
        within=meter.left(),
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Protocol": _PROTOCOL,
        },
    )
    answer = transport.open(request)
    wanted = base64.b64encode(
        hashlib.sha1(f"{key}{_MAGIC}".encode(), usedforsecurity=False).digest()
    ).decode()
    if answer.response.status != 101 or answer.response.headers.get("Sec-WebSocket-Accept") != wanted:
        answer.close()
        transport.reader.refuse(asked, "something that is no port-forward")
    return answer
