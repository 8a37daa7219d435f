"""One request to a service as its users send it, and what came back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request. `protocol` is tcp, http, https, udp or dns; `hostname` is the Host header, the name in TLS, the query.

    `ca` holds the certificates that are trusted, as PEM ("" for those of the place), `proxy` puts a PROXY header
    (version 1) before everything.
    """

    address: str
    port: int
    protocol: str
    hostname: str = ""
    method: str = "GET"
    path: str = "/"
    payload: str = ""
    ca: str = ""
    proxy: bool = False

    @property
    def arguments(self) -> dict[str, str | int | bool]:
        """What the agent needs to know of it."""
        named = vars(self) | {"host": self.address}
        return {name: value for name, value in named.items() if name != "address"}


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """What came back. `error` is empty where that was an answer, else a word or two, and `stage` says how far it came.

    `status` is HTTP's, or the code of DNS, `body` at most 64 KiB of the answer. `certificate` is the server's own, as
    DER; `untrusted` says why it is not to be trusted, "" where it is.
    """

    error: str
    stage: str
    status: int = 0
    location: str = ""
    body: str = ""
    certificate: bytes = b""
    untrusted: str = ""


def of_message(message: Mapping[str, Any]) -> Exchanged:
    """What the agent told of one request."""
    try:
        certificate = base64.b64decode(str(message.get("certificate", "")), validate=True)
    except (binascii.Error, ValueError):
        certificate = b""
    return Exchanged(
        error=str(message.get("error", "")),
        stage=str(message.get("stage", "")),
        status=int(message.get("status", 0)),
        location=str(message.get("location", "")),
        body=str(message.get("body", "")),
        certificate=certificate,
        untrusted=str(message.get("untrusted", "")),
    )
