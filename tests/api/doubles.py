"""Servers that stand beside the API server: a webhook that says no, and a way in that can be cut."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Hook(BaseHTTPRequestHandler):
    """Says no to every review, with the server's `denial`."""

    def do_POST(self) -> None:
        review: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {
            "uid": review["request"]["uid"],
            "allowed": False,
            "status": {"message": self.server.denial},  # type: ignore[attr-defined]  # set by the test
        }
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def https_server(certificate: Path, key: Path) -> Iterator[tuple[str, Any]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Hook, bind_and_activate=True)
    httpd.daemon_threads = True
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is expected
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"https://127.0.0.1:{httpd.server_address[1]}/", httpd
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


class Proxy:
    """127.0.0.2 on a free port, carried to `port` of 127.0.0.1; the first `drops` connections are cut at once."""

    def __init__(self, port: int, drops: int) -> None:
        self._port, self._drops = port, drops
        self._listener = socket.create_server(("127.0.0.2", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"127.0.0.2:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Break what is connected now; new connections are taken."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for each in self._sockets:
            each.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._drops > 0:
                    self._drops -= 1
                    client.close()
                else:
                    self._carry(client, socket.create_connection(("127.0.0.1", self._port)))

    def _carry(self, client: socket.socket, upstream: socket.socket) -> None:
        self._sockets += [client, upstream]
        for source, sink in ((client, upstream), (upstream, client)):
            self._threads.append(threading.Thread(target=_copy, args=(source, sink)))
            self._threads[-1].start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_to(port: int, *, drops: int = 0) -> Iterator[Proxy]:
    proxy = Proxy(port, drops)
    try:
        yield proxy
    finally:
        proxy.close()
