"""The agent asks a consumer again and again, and judges each answer where it is made."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clusters.vantage.agent import exchange
from clusters.vantage.agent.exchange import Asking, greeting, versions
from clusters.vantage.agent.loop import Loop


class Heard:
    """What the agent's output would have been sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def send(self, **message: Any) -> None:
        self.messages.append(message)

    @property
    def errors(self) -> list[str]:
        return [one["error"] for one in self.messages if one["event"] == "attempt"]


class Served(http.server.BaseHTTPRequestHandler):
    """200 and a welcome, 502 beneath /down; beneath /late the answer takes longer than anybody waits."""

    def do_GET(self) -> None:
        if self.path == "/late":
            time.sleep(1.5)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(502 if self.path == "/down" else 200)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"welcome")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A server on this host's loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def asked(port: int, **more: Any) -> Heard:
    """What came of a task that is stopped after 0.35 s; it is due every 0.1 s."""
    loop, heard = Loop(), Heard()
    task = {
        "id": 1, "host": "127.0.0.1", "port": port, "protocol": "http", "hostname": "", "method": "GET", "path": "/",
        "payload": "", "ca": "", "proxy": False, "every": 0.1, "for": 5.0, "timeout": 0.3, "expected": [], "holds": "",
        **more,
    }  # fmt: skip
    task_under_way = Asking(loop, heard, task, loop.stop)  # type: ignore[arg-type]  # it only sends
    loop.at(time.monotonic() + 0.35, task_under_way.stop)
    loop.run()
    return heard


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ({"expected": [200], "holds": "welcome"}, ""),
        ({"path": "/down"}, ""),
        ({"path": "/down", "expected": [200, 204]}, "http 502"),
        ({"holds": "goodbye"}, "another text"),
        ({"path": "/late"}, "timeout"),
        ({"protocol": "tcp"}, ""),
    ],
    ids=["kept", "no code is demanded", "another code", "another text", "too late", "a connection is enough"],
)
def test_each_request_is_told_with_what_it_did_not_keep(port: int, task: dict[str, Any], error: str) -> None:
    heard = asked(port, **task)

    assert heard.messages[0]["event"] == "started"
    assert heard.messages[-1] == {
        "id": 1,
        "event": "done",
        "reason": "stopped",
        "skipped": heard.messages[-1]["skipped"],
    }
    assert set(heard.errors) == {error}
    assert 2 <= len(heard.errors) <= 4


def test_a_refusal_has_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]

    assert set(asked(free).errors) == {"refused"}


def test_no_more_are_under_way_than_are_allowed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "AT_ONCE", 1)

    heard = asked(port, path="/late", timeout=1.0)

    assert len(heard.errors) == 1
    assert sum(one["skipped"] for one in heard.messages if one["event"] == "slip") >= 2


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (HEAD, b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (HEAD + b"\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n"),
    ],
    ids=["a header", "going on", "a body", "trailers"],
)
def test_an_answer_that_never_ends_is_left_in_time(begin: bytes, piece: bytes) -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(begin)
            for _ in range(30):  # as long as three seconds
                time.sleep(0.1)
                connection.sendall(piece)

    task = {
        "host": "127.0.0.1",
        "protocol": "http",
        "hostname": "",
        "method": "GET",
        "path": "/",
        "proxy": False,
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        began = time.monotonic()
        found = exchange.ask({**task, "port": server.getsockname()[1], "timeout": 0.3})

    assert found["error"] == "timeout"
    assert time.monotonic() - began < 2


def test_a_server_of_quic_is_known_by_the_versions_that_it_lists() -> None:
    there, here = b"\1" * 8, b"\2" * 8
    answer = b"\xc0" + bytes(4) + b"\x08" + here + b"\x08" + there + bytes.fromhex("000000016b3343cf")

    assert len(greeting(there, here)) == 1200
    assert versions(answer, there, here) == "00000001 6b3343cf"


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xc0", b"pong", b"\xc0" + bytes(4) + b"\x08" + b"\3" * 8 + b"\x08" + b"\1" * 8 + b"\0\0\0\1"],
    ids=["nothing", "cut", "another protocol", "to somebody else"],
)
def test_what_is_no_answer_to_the_greeting_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError, match="no answer to this greeting"):
        versions(answer, b"\1" * 8, b"\2" * 8)


def test_what_is_no_answer_to_a_dns_question_is_not_told_of_http() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        def junk() -> None:
            _, whom = server.recvfrom(2000)
            server.sendto(b"nothing of the kind", whom)

        thread = threading.Thread(target=junk, daemon=True)
        thread.start()
        found = exchange.ask(
            {"protocol": "dns", "host": "127.0.0.1", "port": port, "timeout": 5.0, "hostname": "shop.example"}
        )
        thread.join(5)

    assert found["error"].startswith("no dns: ")
