"""Receivers on the loopback: a web server that takes, refuses, hangs or drips, and a mail server."""

from __future__ import annotations

import socketserver
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

#: A receiver that hangs does so until the test has ended, or this many seconds.
HANGS = 60


@dataclass
class Web:
    """What a web server was sent. `status` is what it answers; `hangs` never does, `drips` never ends.

    `asked_at` is when the first request came, by the monotonic clock.
    """

    status: int = 200
    hangs: bool = False
    drips: bool = False
    port: int = 0
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    asked_at: float = 0.0
    released: Event = field(default_factory=Event)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextmanager
def web(*, status: int = 200, hangs: bool = False, drips: bool = False) -> Iterator[Web]:
    """A web server that keeps every request."""
    state = Web(status=status, hangs=hangs, drips=drips)

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            state.asked_at = state.asked_at or time.monotonic()
            size = int(self.headers.get("Content-Length") or 0)
            told = self.rfile.read(size)
            state.requests.append((self.command, self.path, dict(self.headers), told))
            if state.hangs:
                state.released.wait(HANGS)
                return
            self.send_response(state.status)
            if state.drips:
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                while not state.released.wait(0.1):
                    self.wfile.write(b".")
                    self.wfile.flush()
                return
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_GET = _any  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mail:
    """What a mail server was told: the lines of each session, and the messages."""

    port: int = 0
    messages: list[str] = field(default_factory=list)


@contextmanager
def mail() -> Iterator[Mail]:
    """A mail server that takes everything, in the clear."""
    state = Mail()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            while line := self.rfile.readline().decode().strip():
                verb = line[:4].upper()
                if verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    text = ""
                    while (part := self.rfile.readline().decode()) != ".\r\n":
                        text += part
                    state.messages.append(text)
                self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
                if verb == "QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.port = server.server_address[1]
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield state
        finally:
            server.shutdown()


@contextmanager
def nobody() -> Iterator[int]:
    """A port that nobody listens on while the block lasts."""
    with socketserver.TCPServer(
        ("127.0.0.1", 0), socketserver.BaseRequestHandler, bind_and_activate=False
    ) as held:
        held.server_bind()  # bound, and not listening: whoever connects is refused
        yield held.socket.getsockname()[1]
