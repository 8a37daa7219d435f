"""The vantage of this machine, towards its loopback interface, and which vantage a profile's text names."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest

from clusters.errors import UsageError
from clusters.vantage import HostVantage, Target, VantageError, open_vantage


@contextlib.contextmanager
def web(answer: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = server.accept()[0]
                    connection.recv(4096)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@pytest.fixture(scope="module")
def host() -> Iterator[HostVantage]:
    with HostVantage() as vantage:
        yield vantage


def test_has_a_name_and_what_it_can(host: HostVantage) -> None:
    assert (host.name, host.kind) == ("host", "host")
    assert host.capabilities >= {"tcp", "udp", "http", "neighbours"}


def test_one_attempt_keeps_the_whole_answer(host: HostVantage) -> None:
    body = b"y" * 3000
    with web(b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + body) as port:
        attempt = host.try_once(Target(address="127.0.0.1", port=port, path="/"))
    assert (attempt.ok, attempt.server) == (True, body.decode())


def test_many_attempts_are_in_order(host: HostVantage) -> None:
    with web(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na") as port:
        attempts = host.try_often(Target(address="127.0.0.1", port=port), count=5)
    assert [one.ok for one in attempts] == [True] * 5
    assert [one.t for one in attempts] == sorted(one.t for one in attempts)


def test_its_own_address_shows_nothing(host: HostVantage) -> None:
    with pytest.raises(VantageError, match=r"127\.0\.0\.1 is an address of vantage host itself"):
        host.interface_for("127.0.0.1")


def test_a_control_without_neighbours_proves_nothing(host: HostVantage) -> None:
    control = host.control([])
    assert (control.ok, control.reason.startswith("no neighbour was named")) == (False, True)


def test_a_control_of_its_own_address_proves_nothing(host: HostVantage) -> None:
    assert not host.control("127.0.0.1").ok


@pytest.mark.parametrize("spec", ["", "netns:", "moon", "moon:base", "HOST"])
def test_other_texts_name_no_vantage(spec: str) -> None:
    with pytest.raises(UsageError, match="names no vantage"):
        open_vantage(spec)


def test_a_namespace_that_is_not_there_is_named() -> None:
    with pytest.raises(VantageError, match="no network namespace no-such-place"):
        open_vantage("netns:no-such-place")


def test_its_networks_are_those_of_its_addresses_and_not_the_loopback(host: HostVantage) -> None:
    own = {
        str(ipaddress.ip_network(f"{one.address.split('%')[0]}/{one.netmask.split('/')[-1]}", strict=False))
        for found in psutil.net_if_addrs().values()
        for one in found
        if one.family is socket.AF_INET and one.netmask not in (None, "255.255.255.255")
    }
    found = host.networks()

    assert not any(ipaddress.ip_network(each).is_loopback for each in found)
    assert {each for each in found if ":" not in each} == {
        each for each in own if not ipaddress.ip_network(each).is_loopback
    }
