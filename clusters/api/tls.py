"""TLS to an API server, from certificates and keys that are in memory and stay there."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from urllib3.util.ssl_ import create_urllib3_context

from clusters.api.metering import TlsSocket


def context(authority: bytes = b"", *, insecure: bool = False) -> ssl.SSLContext:
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
