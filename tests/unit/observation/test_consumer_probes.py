"""What a consumer's server says of itself: its certificate may be anything that TLS takes."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clusters.observation import consumer_probes
from clusters.vantage.targets import Exchanged

OTHER = x509.ObjectIdentifier("2.5.29.99")
#: As DER writes them: an extension's name, here its own and that of the alternative names, and a version.
ITS_OWN, NAMES = bytes.fromhex("0603551d63"), bytes.fromhex("0603551d11")
THIRD, FIFTH = bytes.fromhex("a003020102"), bytes.fromhex("a003020104")


def certificate(*names: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop")])
    begins = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 5, begins, begins.replace(year=2040))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.UnrecognizedExtension(OTHER, b"\x30\x00"), critical=False)
    )
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(("found", "instead"), [(ITS_OWN, NAMES), (THIRD, FIFTH)], ids=["twice", "version"])
def test_a_certificate_that_no_library_reads_costs_only_itself(found: bytes, instead: bytes) -> None:
    whole = certificate("shop.example")
    assert found in whole
    got = Exchanged(error="", stage="", certificate=whole.replace(found, instead))

    assert consumer_probes._certificate(got) is None


def test_a_certificate_s_names_are_no_longer_than_a_host_s() -> None:
    got = Exchanged(error="", stage="", certificate=certificate("a" * 9000, "shop.example"))

    read = consumer_probes._certificate(got)

    assert read is not None
    assert read.names == ("a" * 253, "shop.example")
