"""HTTPS to a pod through a port-forward, and pods and API servers that make something else of it."""

from __future__ import annotations

import base64
import hashlib
import resource
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from clusters import bounds, budgets
from clusters.api import AnswerInvalid, AnswerTooLarge, Api, ApiError, Forbidden, ServerFault, TimedOut
from clusters.lab import pki
from tests.unit.api.loopback import Heard, Say, TakeOver, answer, serving, status

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup\n"
PORT = struct.pack("<H", 7473)
SCRAPE = "scrape-token"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    budgets.override({"pod_answer": 2.0})
    monkeypatch.setattr(bounds, "POD_ANSWER_BYTES", bounds.MIB)
    yield
    budgets.override({})


def frame(data: bytes, kind: int = 2) -> bytes:
    size = len(data)
    if size < 126:
        return bytes((0x80 | kind, size)) + data
    return bytes((0x80 | kind, 126)) + struct.pack("!H", size) + data


def unmasked(reader: Any) -> bytes:
    """The data of the next frame that a client sent, b"" at the end."""
    head = reader.read(2)
    if len(head) < 2:
        return b""
    size = head[1] & 0x7F
    if size == 126:
        (size,) = struct.unpack("!H", reader.read(2))
    mask = reader.read(4)
    return bytes(each ^ mask[at % 4] for at, each in enumerate(reader.read(size)))


def upgrade(heard: Heard) -> bytes:
    magic = f"{heard.one('Sec-WebSocket-Key')}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(magic.encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
    ).encode()


class Pod:
    """The other end: TLS with a certificate of its own, and `replies` to whatever it is asked."""

    def __init__(self, folder: Path, replies: Callable[[], Iterator[bytes]]) -> None:
        pki.Authority("pod").issue("pod", served_as=["pod"]).write(folder, "pod")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "pod.crt", folder / "pod.key")
        self._replies = replies
        self.asked = b""

    def __call__(self, heard: Heard) -> TakeOver:
        def serve(client: socket.socket, reader: Any) -> None:
            # As the API server does it: what begins the channels comes right behind the headers.
            client.sendall(upgrade(heard) + frame(b"\0" + PORT) + frame(b"\1" + PORT))
            near, far = socket.socketpair()
            threads = [
                threading.Thread(target=self._serve, args=(far,)),
                threading.Thread(target=_carry, args=(near, client)),
            ]
            for thread in threads:
                thread.start()
            try:
                while data := unmasked(reader):
                    near.sendall(data[1:])
            finally:
                near.shutdown(socket.SHUT_RDWR)
                for thread in threads:
                    thread.join()
                near.close()

        return serve

    def _serve(self, far: socket.socket) -> None:
        with suppress(OSError), far, self._context.wrap_socket(far, server_side=True) as secure:
            while not self.asked.endswith(b"\r\n\r\n"):
                self.asked += secure.recv(4096)
            for piece in self._replies():
                secure.sendall(piece)


def _carry(near: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := near.recv(4096):
            client.sendall(frame(b"\0" + data))
        client.sendall(frame(b"", kind=8))


def read(api: Api) -> str:
    return api.pod_https("ns", "speaker-1", 7473, "/metrics", token=SCRAPE)


def test_what_a_pod_answers_over_tls(tmp_path: Path) -> None:
    pod = Pod(tmp_path, lambda: iter([ANSWER]))
    with serving(pod) as server:
        assert read(server.api(tmp_path)) == "up\n"

    (heard,) = server.heard
    assert heard.target == "/api/v1/namespaces/ns/pods/speaker-1/portforward?ports=7473"
    assert heard.one("Authorization") == "Bearer t"
    assert pod.asked.startswith(b"GET /metrics HTTP/1.1\r\nHost: speaker-1\r\n")


def test_whom_the_kubeconfig_acts_as_is_said_with_the_upgrade_too(tmp_path: Path) -> None:
    with serving(Pod(tmp_path, lambda: iter([ANSWER]))) as server:
        read(server.api(tmp_path, **{"token": "t", "as": "observe", "as-groups": ["a", "b"]}))

    (heard,) = server.heard
    assert (heard.one("Impersonate-User"), heard.all("Impersonate-Group")) == ("observe", ["a", "b"])


def test_a_large_answer_passes_in_many_frames(tmp_path: Path) -> None:
    body = b"metallb_up 1\n" * 50_000
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with serving(Pod(tmp_path, lambda: iter([head, body]))) as server:
        assert read(server.api(tmp_path)) == body.decode()


@pytest.mark.parametrize(("code", "kind"), [(401, Forbidden), (403, Forbidden), (500, ServerFault)])
def test_what_a_pod_refuses(tmp_path: Path, code: int, kind: type[ApiError]) -> None:
    refusal = f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n".encode()
    with serving(Pod(tmp_path, lambda: iter([refusal]))) as server, pytest.raises(kind, match=f"{code}"):
        read(server.api(tmp_path))


def endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"x" * (1 << 16)


def dripping(first: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        yield first
        gone = threading.Event()
        while not gone.wait(0.05):
            yield b"x"

    return pieces


def test_a_pod_that_answers_without_end(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(Pod(tmp_path, endless)) as server, pytest.raises(
        AnswerTooLarge, match=r"^The answer to GET /metrics of pod ns/speaker-1 is larger than 1 MiB"
    ):  # fmt: skip
        read(server.api(tmp_path))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_pod_that_answers_byte_by_byte(tmp_path: Path, first: bytes) -> None:
    with serving(Pod(tmp_path, dripping(first))) as server:
        began = time.monotonic()
        with pytest.raises((TimedOut, ServerFault)):
            read(server.api(tmp_path))

    assert time.monotonic() - began < 4


def after_the_upgrade(*pieces: bytes, again: bytes = b"") -> Say:
    def say(heard: Heard) -> Iterator[bytes]:
        yield upgrade(heard)
        yield from pieces
        while again:
            yield again

    return say


BEGUN = frame(b"\0" + PORT) + frame(b"\1" + PORT)


@pytest.mark.parametrize(
    "say",
    [
        after_the_upgrade(BEGUN, again=frame(b"", kind=9)),
        after_the_upgrade(BEGUN, again=frame(b"")),
        after_the_upgrade(BEGUN, again=b"\x02\x01\x00"),
        after_the_upgrade(BEGUN, again=frame(b"\x07" + b"x" * 60_000)),
        after_the_upgrade(BEGUN + b"\x82\x7f" + b"\x00\x00\x00\xff\xff\xff\xff\xff", again=b"x" * 60_000),
        after_the_upgrade(BEGUN + b"\x82\x7f" + b"\xff" * 8),
    ],
    ids=[
        "pings",
        "empty frames",
        "a message without an end",
        "another channel",
        "a large frame",
        "a larger one",
    ],
)
def test_an_api_server_that_never_ends(tmp_path: Path, say: Say) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(say) as server:
        began = time.monotonic()
        with pytest.raises((AnswerTooLarge, TimedOut, ServerFault)):
            read(server.api(tmp_path))

    assert time.monotonic() - began < 6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


@pytest.mark.parametrize(
    ("say", "why"),
    [
        (after_the_upgrade(), "broke off"),
        (after_the_upgrade(b"\x82"), "broke off"),
        (after_the_upgrade(BEGUN + frame(b"", kind=8)), "EOF"),
        (after_the_upgrade(BEGUN + frame(b"\x01connection refused\n")), r"port 7473: connection refused\."),
        (after_the_upgrade(BEGUN + frame(b"\0SSH-2.0-OpenSSH\r\n")), "wrong version"),
    ],
)
def test_a_port_that_is_none(tmp_path: Path, say: Say, why: str) -> None:
    with serving(say) as server, pytest.raises(
        ServerFault, match=rf"^Pod ns/speaker-1 did not answer on port 7473: .*{why}"
    ) if "port" not in why else pytest.raises(ServerFault, match=why):  # fmt: skip
        read(server.api(tmp_path))


def test_a_login_that_may_not_forward_a_port(tmp_path: Path) -> None:
    message = (
        'pods "speaker-1" is forbidden: User "jane" cannot get resource "pods/portforward" in API group "" '
        'in the namespace "ns"'
    )
    with serving(lambda _: status(403, message)) as server, pytest.raises(Forbidden) as caught:
        read(server.api(tmp_path))

    found = caught.value
    assert (found.verb, found.resource, found.namespace) == ("get", "pods/portforward", "ns")


@pytest.mark.parametrize("said", [answer({}), b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
def test_an_answer_that_begins_no_port_forward(tmp_path: Path, said: bytes) -> None:
    with serving(lambda _: said) as server, pytest.raises(AnswerInvalid, match="that is no port-forward"):
        read(server.api(tmp_path))
