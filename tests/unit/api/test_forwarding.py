"""What a pod receives when it is asked over a port-forward: the token that was meant for it, and nothing else."""

from __future__ import annotations

import ast
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clusters.api import Api, Forbidden, ServerFault, port_forward
from clusters.api.account_tokens import LIVES
from clusters.api.transport import Request, Transport
from clusters.lab.pki import Authority
from clusters.observation.scrape import Owners, Scrape
from clusters.observation.snapshot import Objects, Status
from clusters.profile.metrics import Metrics

ROOT = Path(__file__).parents[3]
OWN_LOGIN = "CLUSTER-ADMIN-TOKEN"
NAMESPACE = "metallb-system"
LABELS = {"app": "metallb", "component": "speaker"}


class Forwarded:
    """Bytes to and from the listener, as `clusters.api.port_forward.PortForward` carries them."""

    def __init__(self, ours: socket.socket) -> None:
        self.send = ours.sendall
        self._ours = ours

    def receive(self) -> bytes:
        """What arrives next, b"" at the end."""
        return self._ours.recv(1 << 14)


class Listener:
    """A TLS server with a certificate of its own, as a pod has one; keeps what it is sent."""

    def __init__(self, folder: Path) -> None:
        pair = Authority("somebody").issue("pod", served_as=["pod"])
        (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "pair.pem")
        self.received: list[str] = []
        self.status = 200

    @contextmanager
    def forwarded(self, *_: object) -> Iterator[Forwarded]:
        """A connection to it: what a port-forward gives."""
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(theirs,), daemon=True).start()
        with ours:
            ours.settimeout(10)
            yield Forwarded(ours)

    def _serve(self, raw: socket.socket) -> None:
        with raw, self.context.wrap_socket(raw, server_side=True) as secure:
            request = b""
            while b"\r\n\r\n" not in request and (more := secure.recv(1 << 14)):
                request += more
            self.received.append(request.decode())
            body = "metallb_k8s_client_config_loaded_bool 1\n"
            head = f"HTTP/1.1 {self.status} OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            secure.sendall((head + body).encode())
            with suppress(OSError):
                secure.unwrap()


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listener:
    made = Listener(tmp_path)
    monkeypatch.setattr(port_forward, "PortForward", made.forwarded)
    return made


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What the API server is asked; it answers with a token."""
    sent: list[Request] = []

    def send(_: Transport, request: Request) -> bytes:
        sent.append(request)
        return json.dumps({"status": {"token": "SCRAPE-TOKEN"}}).encode()

    monkeypatch.setattr(Transport, "send", send)
    return sent


@pytest.fixture
def api(tmp_path: Path, requests: list[Request]) -> Api:
    path = tmp_path / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
                "users": [{"name": "u", "user": {"token": OWN_LOGIN}}],
                "contexts": [{"name": "edge", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "edge",
            }
        )
    )
    return Api.connect(path, None)


def speaker(name: str, *, owner: str = "", image: str = "quay.io/metallb/speaker:v0.16.2") -> dict[str, Any]:
    references = [{"kind": "DaemonSet", "uid": owner, "controller": True}] if owner else []
    return {
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": LABELS,
            "ownerReferences": references,
        },
        "spec": {"containers": [{"name": "speaker", "image": image, "args": ["--port=4444"]}]},
        "status": {"containerStatuses": [{"name": "speaker", "containerID": "containerd://1"}]},
    }


def scrape(api: Api, rule: Metrics, *pods: dict[str, Any]) -> tuple[Status, ...]:
    daemon_set = {"metadata": {"name": "speaker", "namespace": NAMESPACE, "uid": "ds-1", "labels": LABELS}}
    owners = Owners(
        deployments=Objects(status=Status.OK),
        daemon_sets=Objects(status=Status.OK, items=(daemon_set,)),
        replica_sets=Objects(status=Status.OK),
        namespace=NAMESPACE,
    )
    with ThreadPoolExecutor(1) as pool:
        return tuple(page.status for page in Scrape(api, pool, NAMESPACE, rule).pages(pods, owners))


def headers(request: str) -> dict[str, str]:
    lines = request.partition("\r\n\r\n")[0].split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_pod_receives_the_scrape_token_and_not_the_run_s_login(api: Api, listener: Listener) -> None:
    found = scrape(api, Metrics(account=f"{NAMESPACE}/scraper"), speaker("s", owner="ds-1"))

    assert found == (Status.OK,)
    assert [headers(request)["authorization"] for request in listener.received] == ["Bearer SCRAPE-TOKEN"]
    assert OWN_LOGIN not in "".join(listener.received)


@pytest.mark.parametrize("rule", [Metrics(), Metrics(account=f"{NAMESPACE}/scraper")])
def test_a_listener_with_metallb_s_labels_receives_nothing(
    api: Api, listener: Listener, requests: list[Request], rule: Metrics
) -> None:
    images = (
        "quay.io/metallb/speaker:v0.16.2",
        "quay.io/metallb/speaker:v0.15.2",
        "docker.io/evil/thing:latest",
    )

    found = scrape(
        api, rule, *(speaker(f"listener-{number}", image=image) for number, image in enumerate(images))
    )

    assert set(found) == {Status.NOT_ASKED}
    assert not listener.received
    assert not requests  # no token was asked for either


def test_a_token_is_asked_for_once_for_the_shortest_time_and_the_api_server_s_own_audiences(
    api: Api, requests: list[Request]
) -> None:
    tokens = {api.account_token(NAMESPACE, "scraper") for _ in range(3)}

    assert tokens == {"SCRAPE-TOKEN"}
    (request,) = requests
    assert request.asked.path == f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/scraper/token"
    assert (request.method, request.body["spec"]) == ("POST", {"expirationSeconds": LIVES})
    assert LIVES == 600


@pytest.mark.parametrize(("status", "kind"), [(401, Forbidden), (403, Forbidden), (500, ServerFault)])
def test_what_a_pod_refuses_is_said(api: Api, listener: Listener, status: int, kind: type[Exception]) -> None:
    listener.status = status

    with pytest.raises(kind, match=str(status)):
        api.pod_https(NAMESPACE, "s", 4444, "/metrics", token="SCRAPE-TOKEN")


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every piece of the project's code, with its module."""
    for package in ("clusters", "suites", "reports", "metallb_conformance"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield str(path.relative_to(ROOT)), node


def used(name: str) -> set[str]:
    """The modules that use a name, other than by defining it."""
    return {
        module for module, node in nodes() if name in {getattr(node, "attr", ""), getattr(node, "id", "")}
    }


def importing(package: str, name: str) -> set[str]:
    """The modules that import a module of a package, or something of it."""
    return {
        module
        for module, node in nodes()
        if (isinstance(node, ast.ImportFrom) and node.module == f"{package}.{name}")
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == package
            and name in {each.name for each in node.names}
        )
        or (isinstance(node, ast.Import) and f"{package}.{name}" in {each.name for each in node.names})
    }


def test_the_login_s_token_is_used_at_the_api_server_alone() -> None:
    assert used("authorization") == {"clusters/api/credentials.py", "clusters/api/login.py"}
    assert used("https_get") == {"clusters/api/api_client.py"}
    assert importing("clusters.api", "port_forward") == {"clusters/api/api_client.py"}
    assert used("pod_https") == {"clusters/observation/scrape.py"}
    assert used("account_token") == {"clusters/observation/scrape.py"}
