"""HTTPS to a pod with a token that the caller gives, over a port-forward of the API server.

The API server's proxy to pods takes the Authorization header away, so that what a pod guards by a token answers
401 there (k8s.io/apiserver pkg/endpoints/filters/authentication.go). A port-forward passes bytes as they are, and
the pod's certificate is its own: whoever runs the pod or its node gets the token. So it is never the login's own.
"""

from __future__ import annotations

import http.client
import io
import ssl
from typing import Any

from clusters import budgets
from clusters.api import answer_limits, errors
from clusters.api.answers import Asked
from clusters.api.metering import Meter
from clusters.api.port_forward import PortForward
from clusters.api.transport import Transport

_RECORD = 1 << 14


def https_get(transport: Transport, asked: Asked, *, port: int, path: str, token: str) -> str:
    """GET `path` on a port of the pod that `asked` names; its certificate is its own and is not checked.

    `transport` opens the port-forward at the API server, `token` is what the pod gets. Raises Forbidden for a token
    that the pod refuses, and other ApiErrors as they come.
    """
    pod = f"{asked.namespace}/{asked.name}"
    within = budgets.get(budgets.POD_ANSWER).within
    meter = Meter(f"GET {path} of pod {pod}", limit=answer_limits.POD, within=within)
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
