"""Attempts on services of the loopback interface, and how HTTP answers are read."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from clusters.vantage.agent.loop import Loop, Output
from clusters.vantage.agent.probes import Probe, parse_http, word

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nweb-1"


@contextlib.contextmanager
def serving(answer: bytes | None, *, keep: bool = False) -> Iterator[int]:
    """A TCP server on loopback that sends `answer` (None: nothing), and then closes unless `keep`."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                if answer is not None:
                    connection.recv(4096)
                    connection.sendall(answer)
                if keep or answer is None:
                    kept.append(connection)
                else:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in kept:
                connection.close()


@contextlib.contextmanager
def unused(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """A port that nobody listens on, held so that nobody else takes it."""
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_DGRAM:
            held.connect(("127.0.0.1", 9))  # a connected socket takes datagrams of its peer only
        yield held.getsockname()[1]


def run(port: int, protocol: str, **changed: Any) -> list[dict[str, Any]]:
    """All that a probe reports."""
    loop = Loop()
    reading, writing = os.pipe()
    task = {
        "id": 1,
        "host": "127.0.0.1",
        "port": port,
        "protocol": protocol,
        "path": "/hostname",
        "every": 0.01,
    }
    task |= {"payload": "hostname", "timeout": 0.5, "for": 5.0, "count": 3, "body": 128} | changed
    Probe(loop, Output(loop, writing), task, loop.stop)
    loop.run()
    os.close(writing)
    with os.fdopen(reading) as reports:
        return [json.loads(line) for line in reports]


def attempts(port: int, protocol: str, **changed: Any) -> list[tuple[bool, str, str]]:
    """(ok, error, server) of each attempt."""
    reports = [one for one in run(port, protocol, **changed) if one["event"] == "attempt"]
    return [(one["ok"], one["error"], one["server"]) for one in reports]


def test_tcp_is_served_when_it_connects() -> None:
    with serving(OK) as port:
        assert attempts(port, "tcp") == [(True, "", "")] * 3


@pytest.mark.parametrize("protocol", ["tcp", "http"])
def test_a_closed_port_refuses(protocol: str) -> None:
    with unused() as port:
        assert attempts(port, protocol) == [(False, "refused", "")] * 3


def test_http_says_who_served() -> None:
    with serving(OK) as port:
        assert attempts(port, "http") == [(True, "", "web-1")] * 3


def test_http_is_done_without_waiting_for_the_end_of_the_connection() -> None:
    with serving(OK, keep=True) as port:
        assert attempts(port, "http", count=1) == [(True, "", "web-1")]


def test_http_errors_are_failures_that_keep_their_text() -> None:
    with serving(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 10\r\n\r\nno backend") as port:
        assert attempts(port, "http", count=1) == [(False, "http 503", "no backend")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", "closed without an answer"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nweb", "closed")],
    ids=["nothing", "half"],
)
def test_an_answer_that_is_not_whole_is_a_failure(answer: bytes, error: str) -> None:
    with serving(answer) as port:
        assert attempts(port, "http", count=1) == [(False, error, "")]


def test_a_silent_server_times_out_and_delays_nobody() -> None:
    with serving(None) as port:
        reports = run(port, "http", timeout=0.3, every=0.02, count=10)
    tried = [one for one in reports if one["event"] == "attempt"]
    assert {one["error"] for one in tried} == {"timeout waiting for the answer"}
    begun = [one["t"] for one in tried]
    assert max(begun) - min(begun) < 0.3e9  # all were begun before the first had timed out
    assert all(one["ms"] >= 299 for one in tried)
    assert reports[-1]["event"] == "done"


def test_udp_takes_the_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            for _ in range(3):
                data, sender = server.recvfrom(2048)
                server.sendto(data.upper() + b"\n", sender)

        thread = threading.Thread(target=serve)
        thread.start()
        assert attempts(server.getsockname()[1], "udp") == [(True, "", "HOSTNAME")] * 3
        thread.join(5)


def test_udp_to_a_closed_port_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert attempts(port, "udp", count=1) == [(False, "refused", "")]


def test_udp_without_an_answer_times_out() -> None:
    with unused(socket.SOCK_DGRAM) as port:
        (attempt,) = attempts(port, "udp", timeout=0.1, count=1)
    assert attempt in [(False, "timeout waiting for the answer", ""), (False, "refused", "")]


def test_long_answers_are_cut_for_the_record() -> None:
    body = b"x" * 5000
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body) as port:
        ((ok, _, server),) = attempts(port, "http", count=1)
    assert (ok, len(server)) == (True, 128)


def test_no_file_descriptor_is_the_probes_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socket", none_left)
    reports = run(9, "tcp", count=2)
    assert [one["event"] for one in reports] == ["started", "trouble", "trouble", "done"]
    assert reports[1]["error"] == "EMFILE"


@pytest.mark.parametrize(
    ("data", "closed", "expected"),
    [
        (b"HTTP/1.1 200", False, None),
        (OK[:-1], False, None),
        (OK, False, (200, "web-1")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, (204, "")),
        (b"HTTP/1.0 200 OK\r\n\r\nweb", False, None),
        (b"HTTP/1.0 200 OK\r\n\r\nweb", True, (200, "web")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nweb\r\n", False, None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nweb\r\n0\r\n\r\n", False, (200, "web")),
        (b"SSH-2.0-OpenSSH\r\n\r\n", True, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe", False, (200, "\ufffd\ufffd")),
    ],
)
def test_http_answers(data: bytes, *, closed: bool, expected: tuple[int, str] | None) -> None:
    assert parse_http(data, closed=closed) == expected


def test_errors_have_words() -> None:
    assert word(OSError(111, "Connection refused")) == "refused"
    assert word(OSError(24, "Too many open files")) == "EMFILE"
    assert word(OSError("odd")) == "odd"
