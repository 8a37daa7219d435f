"""A real etcd, API server and namespace controller on loopback, for tests of the one door to them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from clusters import wait
from clusters.api import Api, ApiError
from clusters.budgets import Budget
from clusters.lab import parts, pki

START = Budget(name="started", within=60, every=0.1, reason="A cold API server on a busy machine.")

_PARTS = ("etcd", "kube-apiserver", "kube-controller-manager")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running control plane without nodes; `admin` is the kubeconfig of a user who may do everything."""

    folder: Path
    port: int
    etcd_port: int
    authority: pki.Authority
    admin: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def api(self) -> Api:
        return Api.connect(self.admin, None)

    def kubeconfig_for(self, user: str, *groups: str) -> Path:
        """A kubeconfig of a user who exists by certificate only; RBAC decides what it may do."""
        return write_kubeconfig(self.folder / f"{user}.kubeconfig", self.url, self.authority, user, *groups)

    def kubeconfig_through(self, address: str, path: Path) -> Path:
        """The administrator's way in over another address, under the name that the certificate has."""
        content = json.loads(self.admin.read_text())
        content["clusters"][0]["cluster"] |= {"server": f"https://{address}", "tls-server-name": "127.0.0.1"}
        path.write_text(json.dumps(content))
        return path

    def compact(self) -> None:
        """Forget all history up to now, as etcd does every five minutes in a real cluster."""
        found = self._etcd("/v3/kv/range", {"key": "AA=="})
        self._etcd("/v3/kv/compaction", {"revision": found["header"]["revision"], "physical": True})

    def _etcd(self, path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        url = f"http://127.0.0.1:{self.etcd_port}{path}"
        request = urllib.request.Request(url, data=json.dumps(body).encode(), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.loads(answer.read())


def write_kubeconfig(path: Path, url: str, authority: pki.Authority, user: str, *groups: str) -> Path:
    pair = authority.issue(user, groups)
    path.write_bytes(
        pki.kubeconfig(server=url, authority=authority, pair=pair, user=user, cluster="loopback")
    )
    return path


@contextmanager
def running(folder: Path, *, cached: bool = False) -> Iterator[Server]:
    """A control plane of its own in `folder`, killed and forgotten at the end.

    `cached` keeps the API server's watch cache, as every real one has it.
    """
    binaries = parts.ensure(only=_PARTS)
    authority = pki.Authority("test-ca")
    port, etcd_port = free_port(), free_port()
    url = f"https://127.0.0.1:{port}"
    admin = write_kubeconfig(folder / "admin.kubeconfig", url, authority, "admin", "system:masters")
    server = Server(folder=folder, port=port, etcd_port=etcd_port, authority=authority, admin=admin)
    with ExitStack() as stack:
        for name, arguments in (
            ("etcd", _etcd(server)),
            ("kube-apiserver", [*_api_server(server), f"--watch-cache={str(cached).lower()}"]),
            ("kube-controller-manager", _controllers(server)),
        ):
            stack.enter_context(_process(binaries.binary(name), arguments, log=folder / f"{name}.log"))
            if name == "kube-apiserver":
                _await_ready(server)
        yield server


def _await_ready(server: Server) -> None:
    api = server.api()
    wait.until(
        "the API server is ready", read=lambda: api.raw("/readyz"), accept=lambda text: text == "ok", budget=START,
        tolerate=(ApiError,),
    )  # fmt: skip
    wait.until("kube-system is there", read=api.uid, accept=bool, budget=START, tolerate=(ApiError,))


def _etcd(server: Server) -> list[str]:
    client, peer = f"http://127.0.0.1:{server.etcd_port}", f"http://127.0.0.1:{free_port()}"
    return [
        f"--data-dir={server.folder}/etcd", "--name=one", f"--initial-cluster=one={peer}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        "--unsafe-no-fsync", "--log-level=error",
    ]  # fmt: skip


def _api_server(server: Server) -> list[str]:
    folder = server.folder
    server.authority.pair.write(folder, "ca")
    server.authority.issue("kube-apiserver", served_as=["127.0.0.1"]).write(folder, "apiserver")
    private, public = pki.signing_key()
    (folder / "sa.key").write_bytes(private)
    (folder / "sa.pub").write_bytes(public)
    return [
        f"--etcd-servers=http://127.0.0.1:{server.etcd_port}", "--bind-address=127.0.0.1",
        f"--secure-port={server.port}", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
        f"--tls-cert-file={folder}/apiserver.crt", f"--tls-private-key-file={folder}/apiserver.key",
        f"--client-ca-file={folder}/ca.crt", "--anonymous-auth=false", "--authorization-mode=RBAC",
        "--service-account-issuer=https://tests", f"--service-account-key-file={folder}/sa.pub",
        f"--service-account-signing-key-file={folder}/sa.key", "--service-cluster-ip-range=10.96.0.0/16",
        # Tests compact etcd themselves; with no cache in front of it, a compacted version is gone at once.
        "--etcd-compaction-interval=0", "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip


def _controllers(server: Server) -> list[str]:
    return [
        f"--kubeconfig={server.admin}", "--controllers=namespace-controller", "--leader-elect=false",
        "--bind-address=127.0.0.1", f"--secure-port={free_port()}", f"--cert-dir={server.folder}",
        "--namespace-sync-period=1s",
    ]  # fmt: skip


@contextmanager
def _process(binary: Path, arguments: list[str], *, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(binary), *arguments], stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent)},
        )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
