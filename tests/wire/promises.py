"""Servers on a host of a test's segment that keep, or break, what a consumer promises, with a CA of their own."""

from __future__ import annotations

import datetime as dt
import http.server
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clusters.lab import netns
from tests.wire.segment import VIP, Host

HOST = "shop.example"
_DAY = dt.timedelta(days=1)


class Promised(http.server.BaseHTTPRequestHandler):
    """200 with the host that was asked for, 404 beneath /missing, 502 beneath /down, 302 beneath /moved.

    Beneath /large it comes with more than a packet carries.
    """

    def do_GET(self) -> None:
        code = {"/missing": 404, "/down": 502, "/moved": 302}.get(self.path, 200)
        said = f"host {self.headers['Host']}".encode() + b"." * (4000 if self.path == "/large" else 0)
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "https://login.example/in?token=s3cret")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        pass


def listening(host: Host, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket on the host, at the address that moves."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((VIP, port))
        if kind is socket.SOCK_STREAM:
            made.listen(16)
        return made

    return netns.inside(host.netns, make)


def serve_http(host: Host, port: int, context: ssl.SSLContext | None = None) -> None:
    """Serve `Promised` for the rest of the test, with TLS where a context is given."""
    waiting = listening(host, port)

    def each() -> None:
        while True:
            try:
                connection, peer = waiting.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection, peer), daemon=True).start()

    def one(connection: socket.socket, peer: object) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) if context else connection as spoken:
                spoken.settimeout(5)
                Promised(spoken, peer, None)  # type: ignore[arg-type]  # no server is needed
        except OSError:
            return

    threading.Thread(target=each, daemon=True).start()


def serve_datagrams(host: Host, port: int, reply: Callable[[bytes], bytes]) -> None:
    """Answer each datagram for the rest of the test."""
    waiting = listening(host, port, socket.SOCK_DGRAM)

    def each() -> None:
        while True:
            data, sender = waiting.recvfrom(4096)
            waiting.sendto(reply(data), sender)

    threading.Thread(target=each, daemon=True).start()


def dns(data: bytes) -> bytes:
    """10.77.0.100 for shop.example, NXDOMAIN for every other name."""
    known = b"\x04shop\x07example\x00" in data
    head = data[:2] + struct.pack(">5H", 0x8180 if known else 0x8183, 1, 1 if known else 0, 0, 0)
    found = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes((10, 77, 0, 100))
    return head + data[12:] + (found if known else b"")


def quic(data: bytes) -> bytes:
    """Version 1 to whoever greets in another one, with the two identifiers changed over (RFC 9000, 17.2.1)."""
    there, here = data[6:14], data[15:23]
    return b"\x80" + bytes(4) + b"\x08" + here + b"\x08" + there + b"\0\0\0\x01"


class Certificates:
    """A CA of the test's own in `folder`; `authority` is its certificate as PEM."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        made = self._builder(
            self.name, self.key, dt.timedelta(days=-30), dt.timedelta(days=30)
        ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.authority = folder / "ca.pem"
        self.authority.write_bytes(
            made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: dt.timedelta, ends: dt.timedelta
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
        )

    def context(self, host: str = HOST, *, days: float = 20) -> ssl.SSLContext:
        """A server's side of TLS, with a certificate for `host` that ends in so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._builder(subject, key, -29 * _DAY, days * _DAY).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        pair = self.folder / f"{host}-{days}.pem"
        pair.write_bytes(
            made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        return context
