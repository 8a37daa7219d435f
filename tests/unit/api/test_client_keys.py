"""Keys of a kubeconfig are in memory and nowhere else, also after a kill; and the server's certificate is looked at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from clusters.api import Api, CertificateInvalid, KubeconfigInvalid, connections
from clusters.api.login import log_in
from clusters.api.resources import NODES
from clusters.lab import pki
from tests.unit.api.loopback import Heard, answer, write_kubeconfig
from tests.unit.api.secure import secure_server

EMPTY = answer({"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": []})
KILLED = """
import os, signal, ssl, sys
from pathlib import Path
from clusters.api import Api
from clusters.api.resources import NODES
if sys.argv[2] == "while it is read":
    ssl.SSLContext.load_cert_chain = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
api = Api.connect(Path(sys.argv[1]), None)
api.list(NODES)
os.kill(os.getpid(), signal.SIGKILL)
"""


def inline(server: Any, authority: pki.Authority, path: Path, user: str = "jane") -> Path:
    pair = authority.issue(user)
    path.write_bytes(
        pki.kubeconfig(server=server.url, authority=authority, pair=pair, user=user, cluster="c")
    )
    return path


@pytest.mark.parametrize("when", ["while it is read", "after a request"])
def test_a_killed_run_leaves_no_key(tmp_path: Path, when: str) -> None:
    authority, scratch = pki.Authority("ca"), tmp_path / "scratch"
    scratch.mkdir()
    with secure_server(authority, tmp_path, lambda _: EMPTY, clients=True) as server:
        path = inline(server, authority, tmp_path / "kubeconfig")
        environment = {
            **os.environ,
            "TMPDIR": str(scratch),
            "HOME": str(scratch),
            "XDG_RUNTIME_DIR": str(scratch),
        }
        ended = subprocess.run([sys.executable, "-c", KILLED, str(path), when], env=environment, check=False)

    assert ended.returncode == -signal.SIGKILL
    assert server.clients == (["jane"] if when == "after a request" else [])
    assert list(scratch.rglob("*")) == []


def test_where_the_system_has_no_files_in_memory_they_are_gone_once_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    pair, context = pki.Authority("ca").issue("jane"), connections.tls_context()
    seen: list[tuple[int, int]] = []
    load = context.load_cert_chain

    class Looking:
        def load_cert_chain(self, certificate: str, key: str, **options: Any) -> None:
            seen.append((Path(key).stat().st_mode & 0o777, Path(key).parent.stat().st_mode & 0o777))
            load(certificate, key, **options)

    connections.load_client(Looking(), pair.certificate, pair.key)  # type: ignore[arg-type]  # all that is used of a context

    assert seen == [(0o600, 0o700)]
    assert list(tmp_path.iterdir()) == []


def test_no_descriptor_is_left_open() -> None:
    pair = pki.Authority("ca").issue("jane")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        connections.load_client(connections.tls_context(), pair.certificate, pair.key)

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    authority = pki.Authority("ca")
    authority.issue("jane").write(tmp_path, "jane")
    key = serialization.load_pem_private_key((tmp_path / "jane.key").read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "jane.key").write_bytes(locked)
    user = {"client-certificate": "jane.crt", "client-key": "jane.key"}
    path = write_kubeconfig(tmp_path / "k", {"server": "https://192.0.2.1:6443"}, user)

    with pytest.raises(KubeconfigInvalid, match=r"do not serve for TLS .* the key must have no passphrase"):
        log_in(path, None)


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    authority = pki.Authority("ca")
    authority.issue("jane").write(tmp_path, "jane")
    authority.issue("joan").write(tmp_path, "joan")
    user = {"client-certificate": "jane.crt", "client-key": "joan.key"}
    path = write_kubeconfig(tmp_path / "k", {"server": "https://192.0.2.1:6443"}, user)

    with pytest.raises(KubeconfigInvalid, match=r"do not serve for TLS \(key values mismatch\)"):
        log_in(path, None)


def test_whose_certificate_is_taken(tmp_path: Path) -> None:
    authority, stranger = pki.Authority("ca"), pki.Authority("stranger")
    heard: list[Heard] = []

    def say(request: Heard) -> bytes:
        heard.append(request)
        return EMPTY

    def asking(server: Any, **cluster: Any) -> None:
        content = {"server": server.url, "certificate-authority": str(tmp_path / "ca.crt"), **cluster}
        path = write_kubeconfig(tmp_path / "k", {k: v for k, v in content.items() if v}, {"token": "t"})
        Api.connect(path, None).list(NODES)

    (tmp_path / "ca.crt").write_bytes(authority.pair.certificate)
    with secure_server(authority, tmp_path, say, served_as="api.example") as server:
        for refused in ({}, {"tls-server-name": "other.example"}, {"certificate-authority": ""}):
            with pytest.raises(CertificateInvalid, match="is not valid"):
                asking(server, **refused)
        assert heard == []
        asking(server, **{"tls-server-name": "api.example"})
        asking(server, **{"insecure-skip-tls-verify": True, "certificate-authority": ""})
    with secure_server(stranger, tmp_path, say) as server, pytest.raises(
        CertificateInvalid, match="no authority that the kubeconfig names has signed it"
    ):  # fmt: skip
        asking(server)

    assert len(heard) == 2
