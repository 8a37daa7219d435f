"""Which proxy leads to an API server: the kubeconfig's `proxy-url`, else the environment's, as kubectl chooses.

https://pkg.go.dev/golang.org/x/net/http/httpproxy
"""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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
