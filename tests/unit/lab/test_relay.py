"""The relay carries bytes both ways, whole, and closes when both sides have finished."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from clusters.lab.relay import Relay


@pytest.fixture
def near() -> Iterator[socket.socket]:
    """A connection through a relay to a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as far, socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_echo, args=(far,), daemon=True).start()
        relay = Relay(listener, far.getsockname()[:2])
        threading.Thread(target=relay.run, daemon=True).start()
        with socket.create_connection(listener.getsockname()[:2], timeout=10) as connection:
            yield connection


def _echo(server: socket.socket) -> None:
    connection = server.accept()[0]
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def _read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_megabytes_come_back_whole(near: socket.socket) -> None:
    sent = bytes(range(256)) * 20_000
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(_read_all(near)))
    reader.start()

    near.sendall(sent)
    near.shutdown(socket.SHUT_WR)
    reader.join(timeout=20)

    assert received == [sent]


def test_a_closed_side_closes_the_other(near: socket.socket) -> None:
    near.shutdown(socket.SHUT_WR)

    assert near.recv(1) == b""


def test_a_refusing_target_ends_the_connection_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        unused = closed.getsockname()[:2]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=Relay(listener, unused).run, daemon=True).start()
        for _ in range(2):
            with socket.create_connection(listener.getsockname()[:2], timeout=10) as connection:
                assert connection.recv(1) == b""
