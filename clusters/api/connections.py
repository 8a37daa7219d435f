"""The connections to one API server: its TLS, the proxy on the way, and no way to anywhere else."""

from __future__ import annotations

import ssl

import urllib3
from urllib3.util import parse_url

from clusters.api import metering, tls
from clusters.api.credentials import Credentials
from clusters.api.errors import KubeconfigInvalid
from clusters.api.kubeconfig import Entry
from clusters.api.proxies import proxy_for

_POOL_SIZE = 32


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
    pool.ConnectionCls = metering.TlsConnection if pool.scheme == "https" else metering.PlainConnection
    return pool


def base_of(entry: Entry, pool: urllib3.HTTPConnectionPool) -> str:
    """What stands before the API's paths in a request: a path, the whole URL for a proxy that makes the request."""
    made_by_proxy = pool.proxy is not None and entry.server.scheme == "http"
    return (entry.cluster.server if made_by_proxy else entry.server.path).rstrip("/")


def _context(entry: Entry, credentials: Credentials) -> ssl.SSLContext:
    try:
        context = tls.context(credentials.authority, insecure=entry.cluster.insecure)
    except (ssl.SSLError, ValueError):
        raise KubeconfigInvalid(
            f"{entry.of_cluster}: its certificate-authority is no certificate in PEM."
        ) from None
    if credentials.certificate:
        try:
            tls.load_client(context, credentials.certificate, credentials.key)
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
        secure = tls.context()
        return urllib3.ProxyManager(proxy, proxy_headers=headers, proxy_ssl_context=secure)
    except (urllib3.exceptions.HTTPError, ValueError):
        raise KubeconfigInvalid(
            f"{entry.of_cluster}: the proxy on the way to it is none that this suite can use.",
            remedy="Name one of http:// or https:// in proxy-url, or in HTTPS_PROXY.",
        ) from None
