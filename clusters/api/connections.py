"""The connections to one API server: the proxy on the way, TLS, and no way to anywhere else.

The proxy is the kubeconfig's `proxy-url`, else the environment's, as kubectl chooses
(https://pkg.go.dev/golang.org/x/net/http/httpproxy). TLS is made of certificates and keys in memory, which stay
there.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.util import parse_url
from urllib3.util.ssl_ import create_urllib3_context

from clusters.api.credentials import Credentials
from clusters.api.errors import KubeconfigInvalid
from clusters.api.kubeconfig import Entry
from clusters.api.metering import PlainConnection, TlsConnection, TlsSocket

_POOL_SIZE = 32

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def pool_for(entry: Entry, credentials: Credentials) -> urllib3.HTTPConnectionPool:
    """Connections to the one host of the API server; nothing that it answers leads anywhere else."""
    server = entry.server
    options: dict[str, object] = {"maxsize": _POOL_SIZE}
    if server.scheme == "https":
        options["ssl_context"] = _context(entry, credentials)
        if entry.cluster.tls_server_name:
            options["server_hostname"] = entry.cluster.tls_server_name
    host = server.hostname or ""
    if proxy := proxy_for(entry.cluster.server, entry.cluster.proxy):
        pool = _through(entry, proxy).connection_from_host(
            host, server.port, server.scheme, pool_kwargs=options
        )
    else:
        kind = urllib3.HTTPSConnectionPool if server.scheme == "https" else urllib3.HTTPConnectionPool
        pool = kind(host, server.port, **options)  # type: ignore[arg-type]  # as the two constructors name them
    pool.ConnectionCls = TlsConnection if pool.scheme == "https" else PlainConnection
    return pool


def base_of(entry: Entry, pool: urllib3.HTTPConnectionPool) -> str:
    """What stands before the API's paths in a request: a path, the whole URL for a proxy that makes the request."""
    made_by_proxy = pool.proxy is not None and entry.server.scheme == "http"
    return (entry.cluster.server if made_by_proxy else entry.server.path).rstrip("/")


def _context(entry: Entry, credentials: Credentials) -> ssl.SSLContext:
    try:
        context = tls_context(credentials.authority, insecure=entry.cluster.insecure)
    except (ssl.SSLError, ValueError):
        raise KubeconfigInvalid(
            f"{entry.of_cluster}: its certificate-authority is no certificate in PEM."
        ) from None
    if credentials.certificate:
        try:
            load_client(context, credentials.certificate, credentials.key)
        except (ssl.SSLError, ValueError) as error:
            why = str(getattr(error, "reason", "") or "not in PEM").lower().replace("_", " ")
            raise KubeconfigInvalid(
                f"{entry.of_user}: its client certificate and key do not serve for TLS ({why}).",
                remedy="Both must be in PEM and belong together, and the key must have no passphrase.",
            ) from None
    return context


def _through(entry: Entry, proxy: str) -> urllib3.ProxyManager:
    try:
        url = parse_url(proxy)
        headers = urllib3.make_headers(proxy_basic_auth=url.auth) if url.auth else None
        secure = tls_context()
        return urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=secure)
    except (urllib3.exceptions.HTTPError, ValueError):
        raise KubeconfigInvalid(
            f"{entry.of_cluster}: the proxy on the way to it is none that this suite can use.",
            remedy="Name one of http:// or https:// in proxy-url, or in HTTPS_PROXY.",
        ) from None


def proxy_for(server: str, named: str) -> str:
    """The proxy's URL, "" for none; `named` is the kubeconfig's own, which holds for every host."""
    if named:
        return named
    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = _environment(f"{parts.scheme}_proxy")
    if not found or _is_local(host) or _is_excepted(host, port):
        return ""
    return found if "://" in found else f"http://{found}"


def _environment(name: str) -> str:
    return os.environ.get(name.upper()) or os.environ.get(name) or ""


def _is_local(host: str) -> bool:
    """What is on this machine is never asked for by a proxy."""
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def _is_excepted(host: str, port: int) -> bool:
    entries = (entry.strip().lower() for entry in _environment("no_proxy").split(","))
    return any(_covers(entry, host.lower(), port) for entry in entries if entry)


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether one entry of NO_PROXY is about the host: "*", a network, an address or a domain, maybe with a port."""
    if entry == "*":
        return True
    address = _address(host)
    if address is not None and _is_within(address, entry):
        return True
    name, _, only = entry.rpartition(":") if entry.rpartition(":")[2].isdigit() else (entry, "", "")
    if only and only != str(port):
        return False
    if address is not None:
        return _address(name.strip("[]")) == address
    domain = name.removeprefix("*")
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")


def _is_within(address: Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def tls_context(authority: bytes = b"", *, insecure: bool = False) -> ssl.SSLContext:
    """For a server whose certificate `authority` (the system's where b"") has signed.

    Raises ValueError or ssl.SSLError for what is no certificate.
    """
    made = create_urllib3_context()
    made.sslsocket_class = TlsSocket
    if insecure:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    elif authority:
        made.load_verify_locations(cadata=authority.decode("ascii", errors="ignore"))
    else:
        made.load_default_certs()
    return made


def load_client(made: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Show `certificate`. OpenSSL reads files only, so it gets two that nobody else sees and that no crash leaves.

    Raises ValueError or ssl.SSLError for what is no certificate, or no key to it.
    """
    with _unseen(certificate) as certificate_file, _unseen(key) as key_file:
        # Without a function for it OpenSSL asks the terminal for the passphrase of an encrypted key.
        made.load_cert_chain(certificate_file, key_file, password=lambda: "")


@contextmanager
def _unseen(content: bytes) -> Iterator[str]:
    """The name of a file with `content`: in memory where the system has that, else gone when it was read."""
    if not hasattr(os, "memfd_create"):
        with _short_lived(content) as path:
            yield path
        return
    number = os.memfd_create("credential", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


@contextmanager
def _short_lived(content: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="metallb-conformance-") as folder:  # of mode 0700
        path = Path(folder) / "credential"
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "wb") as file:  # noqa: PTH123 - as above
            file.write(content)
        yield str(path)
