"""The lab's certificates: three authorities and an identity per component, as an installer makes them.

Identities follow Kubernetes' conventions (https://kubernetes.io/docs/setup/best-practices/certificates/): the
subject's common name is the user, its organisations are the groups that RBAC and the Node authorizer look at.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_LIFE = dt.timedelta(days=365)
# Clocks do not differ between namespaces, but a certificate of this very second can be judged too young.
_BACKDATED = dt.timedelta(minutes=5)
_ENDED = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes

    def write(self, folder: Path, name: str) -> None:
        """Write `name.crt` and `name.key`, the key for root only."""
        (folder / f"{name}.crt").write_bytes(self.certificate)
        write_private(folder / f"{name}.key", self.key)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only root may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


class Authority:
    """One certificate authority. `rsa_key` makes it one that Go's PKCS #1 reader takes, at 50 times the work."""

    def __init__(self, name: str, *, rsa_key: bool = False) -> None:
        self._key: Key = _rsa_key() if rsa_key else ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name, ())
        self._public = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True).add_extension(self._public, critical=False)
        self.pair = Pair(_pem(builder.sign(self._key, hashes.SHA256())), private_pem(self._key))

    def issue(
        self, user: str, groups: Iterable[str] = (), *, served_as: Iterable[str] = (), expired: bool = False
    ) -> Pair:
        """A certificate for `user` in `groups`; with `served_as` (addresses and names) also for a server.

        An `expired` one has ended yesterday.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(
            _subject(user, groups), self._name, key.public_key(), ended=_ENDED if expired else None
        )
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        names = [_alternative(name) for name in served_as]
        if names:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._public)
        builder = builder.add_extension(authority, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), private_pem(key))


def signing_key() -> tuple[bytes, bytes]:
    """A private and a public PEM, for the tokens of service accounts."""
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return private_pem(key), key.public_key().public_bytes(encoding, form)


def private_pem(key: Key) -> bytes:
    """The key as unencrypted PEM: PKCS #1 for RSA, else PKCS #8."""
    forms = serialization.PrivateFormat
    encoding, form = serialization.Encoding.PEM, forms.PKCS8
    if isinstance(key, rsa.RSAPrivateKey):
        form = forms.TraditionalOpenSSL
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def kubeconfig(*, server: str, authority: Authority, pair: Pair, user: str, cluster: str) -> bytes:
    """A kubeconfig with everything inside it; JSON, which every reader of YAML takes."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": cluster,
                "cluster": {"server": server, "certificate-authority-data": text(authority.pair.certificate)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": text(pair.certificate),
                    "client-key-data": text(pair.key),
                },
            }
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
    }
    return json.dumps(content, indent=1).encode()


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _subject(name: str, groups: Iterable[str]) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, *, ended: dt.timedelta | None = None
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number())
    if ended is not None:
        return builder.not_valid_before(now - _LIFE).not_valid_after(now - ended)
    return builder.not_valid_before(now - _BACKDATED).not_valid_after(now + _LIFE)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
