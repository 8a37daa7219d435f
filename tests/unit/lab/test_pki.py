"""Certificates are what Kubernetes' authenticators look for, and verify against their authority."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from clusters.lab import pki


def _extension(certificate: x509.Certificate, kind: type) -> object:
    return certificate.extensions.get_extension_for_class(kind).value


def test_user_and_groups_are_the_subject() -> None:
    pair = pki.Authority("kubernetes").issue("system:node:node1", ["system:nodes"])
    subject = x509.load_pem_x509_certificate(pair.certificate).subject

    assert [a.value for a in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:node1"]
    assert [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == ["system:nodes"]


def test_a_certificate_is_signed_by_its_authority_only() -> None:
    authority, other = pki.Authority("kubernetes"), pki.Authority("other")
    issued = x509.load_pem_x509_certificate(authority.issue("someone").certificate)

    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pair.certificate))
    with pytest.raises(ValueError, match="Issuer"):
        issued.verify_directly_issued_by(x509.load_pem_x509_certificate(other.pair.certificate))


def test_only_a_server_has_names_and_may_serve() -> None:
    authority = pki.Authority("kubernetes")
    server = x509.load_pem_x509_certificate(
        authority.issue("api", served_as=["10.96.0.1", "kubernetes"]).certificate
    )
    client = x509.load_pem_x509_certificate(authority.issue("someone").certificate)

    names = _extension(server, x509.SubjectAlternativeName)
    assert isinstance(names, x509.SubjectAlternativeName)
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.96.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
    assert ExtendedKeyUsageOID.SERVER_AUTH in list(_extension(server, x509.ExtendedKeyUsage))  # type: ignore[call-overload]
    assert list(_extension(client, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]  # type: ignore[call-overload]


def test_an_rsa_authority_has_a_key_that_go_reads_as_pkcs1() -> None:
    pair = pki.Authority("metallb", rsa_key=True).pair

    assert pair.key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    assert isinstance(serialization.load_pem_private_key(pair.key, None), rsa.RSAPrivateKey)


def test_keys_are_for_root_only(tmp_path: Path) -> None:
    pki.Authority("kubernetes").pair.write(tmp_path, "ca")

    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "ca.crt").read_bytes().startswith(b"-----BEGIN CERTIFICATE")


def test_a_kubeconfig_has_everything_inside_it() -> None:
    authority = pki.Authority("kubernetes")
    pair = authority.issue("someone")
    text = pki.kubeconfig(server="https://x:1", authority=authority, pair=pair, user="someone", cluster="lab")
    config = json.loads(text)

    assert config["current-context"] == config["contexts"][0]["name"] == "lab"
    assert base64.b64decode(config["users"][0]["user"]["client-key-data"]) == pair.key
    assert config["clusters"][0]["cluster"]["server"] == "https://x:1"
