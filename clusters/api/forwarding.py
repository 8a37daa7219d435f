"""HTTPS to a pod with a token that the caller gives, over a port-forward of the API server.

The API server's proxy to pods takes the Authorization header away, so that what a pod guards by a token answers
401 there (k8s.io/apiserver pkg/endpoints/filters/authentication.go). A port-forward passes bytes as they are, and
the pod's certificate is its own: whoever runs the pod or its node gets the token. So it is never the login's own.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from typing import TYPE_CHECKING

from clusters.api import errors
from clusters.api.kubeconfig import Login

if TYPE_CHECKING:
    from clusters.api.answers import Asked

_WITHIN = 10.0


def https_get(login: Login, asked: Asked, *, port: int, path: str, token: str) -> str:
    """GET `path` on a port of the pod that `asked` names; its certificate is its own and is not checked.

    `login` opens the port-forward at the API server, `token` is what the pod gets. Raises Forbidden for a token that
    the pod refuses, and other ApiErrors as they come.
    """
    try:
        status, body = _asked(_connected(login, asked, port), asked.name, path, token)
    except (OSError, http.client.HTTPException) as error:
        raise errors.ServerFault(
            f"Pod {asked.namespace}/{asked.name} did not answer on port {port}: {error}."
        ) from None
    if status in {401, 403}:
        raise _refused(f"Pod {asked.namespace}/{asked.name} refuses the token ({status}).", path)
    if status >= 400:
        raise errors.ServerFault(
            f"Pod {asked.namespace}/{asked.name} answered {status} on port {port}.", status=status
        )
    return body.decode(errors="replace")


def _refused(text: str, path: str) -> errors.Forbidden:
    error = errors.Forbidden(text, remedy=f"Give the token's account a role that allows get on {path}.")
    error.verb, error.resource = "get", path
    return error


def _connected(login: Login, asked: Asked, port: int) -> socket.socket:
    """One end of a port-forward. The client's own thread carries it on until it is closed."""
    from kubernetes import client, stream  # noqa: PLC0415 - slow to import, see clusters.api.kubeconfig
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - as above

    # A client of its own: opening a stream puts a method of the client aside for a moment.
    core = client.CoreV1Api(client.ApiClient(login.client.configuration))
    connect = core.connect_get_namespaced_pod_portforward
    try:
        forward = stream.portforward(connect, asked.name, asked.namespace, ports=str(port))
    except ApiException as error:
        if error.status != 403:
            raise errors.ServerFault(f"Cannot forward a port to pod {asked.name}: {error.reason}.") from None
        refusal = errors.Forbidden(
            f"This login may not forward a port to pod {asked.namespace}/{asked.name} (403)."
        )
        refusal.verb, refusal.resource, refusal.namespace = "get", "pods/portforward", asked.namespace
        raise refusal from None
    return socket.socket(fileno=forward.socket(port).detach())


def _asked(raw: socket.socket, host: str, path: str, token: str) -> tuple[int, bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw.settimeout(_WITHIN)
    with context.wrap_socket(raw) as secure:
        lines = (
            f"GET /{path.lstrip('/')} HTTP/1.1",
            f"Host: {host}",
            f"Authorization: Bearer {token}",
            "Connection: close",
        )
        secure.sendall("\r\n".join((*lines, "", "")).encode())
        answer = http.client.HTTPResponse(secure)
        answer.begin()
        body = answer.read()
        _drain(secure)
        return answer.status, body


def _drain(secure: ssl.SSLSocket) -> None:
    """Read to the very end: a pair that is closed with something unread breaks the thread at its other end."""
    with contextlib.suppress(OSError):
        secure = secure.unwrap()  # type: ignore[assignment]  # the socket below, without TLS
    with contextlib.suppress(OSError):
        secure.shutdown(socket.SHUT_WR)
        while secure.recv(1 << 16):
            pass
