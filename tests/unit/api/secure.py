"""A server of tests.unit.api.loopback with a certificate, which notes who came with one."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusters.lab import pki
from tests.unit.api.loopback import Loopback, Say


@dataclass
class Secure(Loopback):
    """`clients` are the names in the certificates that were shown, one a connection."""

    authority: pki.Authority | None = None
    connections: int = 0
    clients: list[str] = field(default_factory=list)

    def kubeconfig(self, folder: Path, **user: Any) -> Path:
        path = super().kubeconfig(folder, **user)
        content = json.loads(path.read_text())
        assert self.authority
        (folder / "authority.crt").write_bytes(self.authority.pair.certificate)
        content["clusters"][0]["cluster"]["certificate-authority"] = "authority.crt"
        path.write_text(json.dumps(content))
        return path


@contextmanager
def secure_server(
    authority: pki.Authority, folder: Path, say: Say, *, clients: bool = False, served_as: str = "127.0.0.1"
) -> Iterator[Secure]:
    authority.issue("server", served_as=[served_as]).write(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pair.certificate.decode())

    def wrap(raw: socket.socket) -> socket.socket:
        wrapped = context.wrap_socket(raw, server_side=True)
        server.connections += 1
        if clients:
            shown: Any = wrapped.getpeercert()
            subject = dict(pair for part in shown["subject"] for pair in part)
            server.clients.append(subject["commonName"])
        return wrapped

    server = Secure(say, wrap=wrap, scheme="https", authority=authority)
    try:
        yield server
    finally:
        server.close()
