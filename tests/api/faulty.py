"""A proxy in front of a real API server that answers, for a while, as a server in trouble or a broken network does."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clusters.lab import pki

#: What is done instead of an answer; the handler has its request.
Fault = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request: carried on, or answered by the fault that is on."""

    protocol_version = "HTTP/1.1"
    server: Front

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def carry(self) -> tuple[int, bytes]:
        """Let the API server do it, and give what it says."""
        upstream = self.server.upstream()
        try:
            headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if self.headers[name]}
            upstream.request(self.command, self.path, body=self.body, headers=headers)
            found = upstream.getresponse()
            return found.status, found.read()
        finally:
            upstream.close()

    def stream(self) -> None:
        """A watch: whatever comes is passed on as it comes, until either side has enough."""
        upstream = self.server.upstream()
        try:
            upstream.request(self.command, self.path, headers={"Accept": self.headers["Accept"] or "*/*"})
            found = upstream.getresponse()
            self.send_response(found.status)
            self.send_header("Content-Type", found.headers["Content-Type"] or "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            while data := found.read1(65536):
                self.wfile.write(data)
                self.wfile.flush()
        finally:
            upstream.close()

    def _handle(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, time.monotonic()))
        fault = self.server.fault_now(self.command)
        with suppress(OSError, http.client.HTTPException):
            if fault is not None:
                fault(self)
            elif "watch=" in self.path:
                self.stream()
            else:
                self.answer(*self.carry())

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - named by the base class


class Front(ThreadingHTTPServer):
    """The proxy, with an authority of its own. `asked` is every request so far."""

    daemon_threads = True

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        content = json.loads(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self._target = urlsplit(cluster["server"])
        self._context = ssl.create_default_context(
            cadata=_pem(cluster["certificate-authority-data"]).decode()
        )
        self._context.load_cert_chain(*_written(folder, user))
        authority = pki.Authority("front-ca")
        authority.pair.write(folder, "front-ca")
        authority.issue("front", served_as=["127.0.0.1"]).write(folder, "front")
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(folder / "front.crt", folder / "front.key")
        self.socket = own.wrap_socket(self.socket, server_side=True)
        self.asked: list[tuple[str, str, float]] = []
        self._fault: Fault | None = None
        self._until, self._methods = 0.0, frozenset[str]()
        cluster["server"] = f"https://127.0.0.1:{self.server_address[1]}"
        cluster["certificate-authority-data"] = base64.b64encode(
            (folder / "front-ca.crt").read_bytes()
        ).decode()
        self.kubeconfig = folder / "front.kubeconfig"
        self.kubeconfig.write_text(json.dumps(content))

    def upstream(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            self._target.hostname or "", self._target.port, context=self._context, timeout=30
        )

    def trouble(self, fault: Fault, seconds: float, *, methods: str = "GET POST PATCH DELETE") -> None:
        """From now on, for so many seconds, do `fault` instead of answering."""
        self._fault, self._until, self._methods = (
            fault,
            time.monotonic() + seconds,
            frozenset(methods.split()),
        )

    def fault_now(self, method: str) -> Fault | None:
        return self._fault if method in self._methods and time.monotonic() < self._until else None

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def front(kubeconfig: Path, folder: Path) -> Iterator[Front]:
    """A proxy in front of the API server that `kubeconfig` leads to."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Front(kubeconfig, folder)
    thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


def too_busy(seconds: int) -> Fault:
    """429, with the wish to be left alone for so long."""
    body = json.dumps(
        {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "busy"}
    ).encode()
    return lambda handler: handler.answer(429, body, Retry_After=str(seconds))


def not_known(handler: Handler) -> None:
    """401, as while a token is renewed."""
    body = {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}
    handler.answer(401, json.dumps(body).encode())


def broken(handler: Handler) -> None:
    """503."""
    handler.answer(503, b'{"kind": "Status", "code": 503, "message": "etcd is away"}')


def cut(handler: Handler) -> None:
    """The connection ends before an answer, after the API server has done what was asked."""
    handler.carry()
    handler.close_connection = True
    handler.connection.close()


def half(handler: Handler) -> None:
    """Half an answer, and then nothing more."""
    status, body = handler.carry()
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) + 1))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True
    handler.connection.close()


def garbled(handler: Handler) -> None:
    """A page of somebody else's, as of a proxy that wants a login, after the API server has done what was asked."""
    handler.carry()
    handler.answer(200, b"<html>Log in</html>", Content_Type="text/html")


def dripping(handler: Handler) -> None:
    """A byte now and then, without end."""
    handler.carry()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    while handler.server.fault_now(handler.command) is not None:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(0.2)
    handler.connection.close()


def _written(folder: Path, user: dict[str, str]) -> tuple[Path, Path]:
    paths = folder / "client.crt", folder / "client.key"
    for path, key in zip(paths, ("client-certificate-data", "client-key-data"), strict=True):
        path.touch(mode=0o600)
        path.write_bytes(_pem(user[key]))
    return paths


def _pem(text: str) -> bytes:
    return base64.b64decode(text)
