"""A server on loopback that says, byte for byte, what a test wants an API server to say."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.api import Api


@dataclass(frozen=True)
class Heard:
    """One request as it arrived; `headers` in order, names as they were written."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        return "".join(self.all(name))


#: What a test says to a request: all of an answer, pieces until the client has had enough, or it takes the
#: connection over, to write to it and to read from it.
TakeOver = Callable[[socket.socket, Any], None]
Answered = bytes | Iterator[bytes] | TakeOver
Say = Callable[[Heard], Answered]


@dataclass
class Loopback:
    """127.0.0.1 on a free port; `heard` is every request so far."""

    say: Say
    heard: list[Heard] = field(default_factory=list)
    wrap: Callable[[socket.socket], socket.socket] | None = None
    scheme: str = "http"

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def kubeconfig(self, folder: Path, **user: Any) -> Path:
        return write_kubeconfig(folder / "kubeconfig", {"server": self.url}, user or {"token": "t"})

    def api(self, folder: Path, **user: Any) -> Api:
        return Api.connect(self.kubeconfig(folder, **user), None)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                raw, _ = self._listener.accept()
                self._open.append(raw)
                self._start(self._serve, raw)

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError, ValueError):
            client = self.wrap(raw) if self.wrap else raw
            self._open.append(client)
            reader = client.makefile("rb")
            while heard := _request(reader):
                self.heard.append(heard)
                said = self.say(heard)
                if isinstance(said, bytes):
                    client.sendall(said)
                    continue
                if callable(said):
                    said(client, reader)
                else:
                    for piece in said:
                        client.sendall(piece)
                break
            client.shutdown(socket.SHUT_RDWR)


def _request(reader: Any) -> Heard | None:
    first = reader.readline().decode("latin-1").split()
    if not first:
        return None
    headers = []
    while line := reader.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return Heard(first[0], first[1], tuple(headers), reader.read(length))


@contextmanager
def serving(say: Say, **options: Any) -> Iterator[Loopback]:
    server = Loopback(say, **options)
    try:
        yield server
    finally:
        server.close()


def write_kubeconfig(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "edge", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "edge",
    }
    path.write_text(json.dumps(content))
    return path


def answer(body: Any, status: int = 200, **headers: str) -> bytes:
    """A whole answer; `body` is bytes as they are, or an object for JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + raw


def status(code: int, message: str = "", **headers: str) -> bytes:
    return answer({"kind": "Status", "apiVersion": "v1", "message": message}, code, **headers)


def in_turn(*answers: bytes) -> Say:
    """One answer after the other, the last one for good."""
    left = list(answers)
    lock = threading.Lock()

    def say(_: Heard) -> bytes:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    return say
