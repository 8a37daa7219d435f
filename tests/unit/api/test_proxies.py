"""Which proxy is asked for which host, as kubectl chooses it; and what it gets to see."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from clusters.api import AnswerInvalid, Api, KubeconfigInvalid, Unreachable
from clusters.api.connections import proxy_for
from clusters.api.resources import NODES
from clusters.lab import pki
from tests.unit.api.loopback import Heard, TakeOver, answer, serving, status, write_kubeconfig
from tests.unit.api.secure import secure_server

EMPTY = answer({"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": []})
NAMES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("server", "excepted", "used"),
    [
        ("https://api.example:6443", "", True),
        ("https://api.example:6443", "other.example", True),
        ("https://api.example:6443", "api.example", False),
        ("https://api.example:6443", ".example", False),
        ("https://api.example:6443", "example", False),
        ("https://api.example:6443", "*.example", False),
        ("https://notexample:6443", "example", True),
        ("https://api.example:6443", "api.example:6443", False),
        ("https://api.example:6443", "api.example:443", True),
        ("https://api.example:6443", " a , API.EXAMPLE ", False),
        ("https://api.example:6443", "*", False),
        ("https://192.0.2.1:6443", "192.0.2.0/24", False),
        ("https://192.0.2.1:6443", "192.0.2.1", False),
        ("https://192.0.2.1:6443", "192.0.2.1:6443", False),
        ("https://192.0.2.1:6443", "198.51.100.0/24", True),
        ("https://[2001:db8::1]:6443", "2001:db8::/32", False),
        ("https://[2001:db8::1]:6443", "2001:db8::2", True),
        ("https://127.0.0.1:6443", "", False),
        ("https://[::1]:6443", "", False),
        ("https://localhost:6443", "", False),
    ],
)
def test_the_environment_s_proxy_and_whom_it_is_not_for(
    monkeypatch: pytest.MonkeyPatch, server: str, excepted: str, *, used: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", excepted)

    assert proxy_for(server, "") == ("http://proxy.example:3128" if used else "")
    assert proxy_for(server, "http://named:1") == "http://named:1"


def carry(heard: Heard) -> TakeOver | bytes:
    """What a proxy does with CONNECT."""
    if heard.method != "CONNECT":
        return status(405)

    def carry_on(client: socket.socket, _: Any) -> None:
        host, _, port = heard.target.partition(":")
        with socket.create_connection((host, int(port))) as upstream:
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_copy, args=(upstream, client))
            back.start()
            _copy(client, upstream)
            back.join()

    return carry_on


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        sink.shutdown(socket.SHUT_WR)


def test_a_proxy_gets_its_own_login_and_nothing_of_the_cluster_s(tmp_path: Path) -> None:
    authority = pki.Authority("ca")
    with secure_server(authority, tmp_path, lambda _: EMPTY) as server, serving(carry) as proxy:
        path = server.kubeconfig(tmp_path, token="t")
        text = path.read_text().replace(
            '"server":', f'"proxy-url": "http://jane:pw@{proxy.address}", "server":'
        )
        path.write_text(text)
        api = Api.connect(path, None)
        assert api.list(NODES) == []

    (heard,) = proxy.heard
    assert heard.target == server.address
    assert heard.one("Proxy-Authorization") == "Basic amFuZTpwdw=="
    assert heard.one("Authorization") == ""
    assert [one.one("Authorization") for one in server.heard] == ["Bearer t"]


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, b"HTTP/1.1 407 No\r\n\r\n", b"SSH-2.0\r\n", b""]
)
def test_a_proxy_that_is_none(tmp_path: Path, said: bytes) -> None:
    def say(_: Heard) -> Any:
        return iter([said])

    with serving(say) as proxy:
        cluster = {"server": "https://api.invalid:6443", "proxy-url": proxy.url}
        path = write_kubeconfig(tmp_path / "k", cluster, {"token": "t"})
        with pytest.raises((Unreachable, AnswerInvalid)):
            Api.connect(path, None).list(NODES)


@pytest.mark.parametrize("proxy", ["socks5://h:1", "http://h:99999", "ftp://h"])
def test_a_proxy_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    path = write_kubeconfig(tmp_path / "k", {"server": "https://api.invalid:6443"}, {"token": "t"})

    with pytest.raises(KubeconfigInvalid, match="the proxy on the way to it is none that this suite can use"):
        Api.connect(path, None)
