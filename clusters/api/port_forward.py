"""A port-forward to a pod, and HTTPS over it: a WebSocket (RFC 6455), Kubernetes' channels in it, and TLS in those.

HTTPS with a token that the caller gives has no other way: the API server's proxy to pods takes the Authorization header
away, so that what a pod guards by a token answers 401 there (k8s.io/apiserver pkg/endpoints/filters/authentication.go).
A port-forward passes bytes as they are, and the pod's certificate is its own: whoever runs the pod or its node gets the
token. So it is never the login's own.

https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import ssl
import struct
from collections.abc import Iterable
from itertools import cycle
from types import TracebackType
from typing import Any, Self

from clusters import bounds, budgets
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
#: A record of TLS.
_RECORD = 1 << 14


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


def https_get(transport: Transport, asked: Asked, *, port: int, path: str, token: str) -> str:
    """GET `path` on a port of the pod that `asked` names; its certificate is its own and is not checked.

    `transport` opens the port-forward at the API server, `token` is what the pod gets. Raises Forbidden for a token
    that the pod refuses, and other ApiErrors as they come.
    """
    pod = f"{asked.namespace}/{asked.name}"
    within = budgets.get(budgets.POD_ANSWER).within
    meter = Meter(f"GET {path} of pod {pod}", limit=bounds.POD_ANSWER_BYTES, within=within)
    try:
        with PortForward(transport, asked, port, meter) as forward:
            status, body = _get(_Tls(forward), asked.name, path, token)
    except (OSError, http.client.HTTPException) as error:
        raise errors.ServerFault(f"Pod {pod} did not answer on port {port}: {error}.") from None
    if status in {401, 403}:
        raise _refused(f"Pod {pod} refuses the token ({status}).", path)
    if status >= 400:
        raise errors.ServerFault(f"Pod {pod} answered {status} on port {port}.", status=status)
    return body.decode(errors="replace")


def _refused(text: str, path: str) -> errors.Forbidden:
    error = errors.Forbidden(text, remedy=f"Give the token's account a role that allows get on {path}.")
    error.verb, error.resource = "get", path
    return error


def _get(secure: _Tls, host: str, path: str, token: str) -> tuple[int, bytes]:
    lines = (
        f"GET /{path.lstrip('/')} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", "Connection: close",
    )  # fmt: skip
    secure.send("\r\n".join((*lines, "", "")).encode())
    answer = http.client.HTTPResponse(secure)  # type: ignore[arg-type]  # all that it wants of a socket is makefile
    answer.begin()
    return answer.status, b"".join(iter(lambda: answer.read(_RECORD), b""))


class _Tls(io.RawIOBase):
    """TLS within a port-forward, as a stream that is read; nothing is checked about who is at its other end."""

    def __init__(self, forward: PortForward) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._forward = forward
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send)
        self._do(self._tls.do_handshake)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._do(lambda: self._tls.read(len(buffer), buffer)))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0

    def send(self, data: bytes) -> None:
        self._do(lambda: self._tls.write(data))

    def _do(self, step: Any) -> Any:
        """One step of TLS, with what it wants to send and to receive for it."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if self._to_send.pending:
            self._forward.send(self._to_send.read())

    def _receive(self) -> None:
        if received := self._forward.receive():
            self._received.write(received)
        else:
            self._received.write_eof()
