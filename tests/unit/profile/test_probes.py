"""How a profile says what a consumer is asked, and the mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.errors import UsageError
from clusters.profile import load

CONSUMER = """
name: shop
provider: existing
context: shop
consumers:
  - service: shop/web
    address: 192.0.2.10
"""


def profile(folder: Path, probe: str) -> Path:
    path = folder / "shop.yaml"
    path.write_text(f"{CONSUMER}    probe: {probe}\n" if probe else CONSUMER)
    return path


@pytest.mark.parametrize(
    ("probe", "protocols"),
    [
        ("", []),
        ("{protocol: https, host: shop.example, status: 200}", ["https"]),
        ("[{protocol: tcp, port: 443}, {protocol: udp, port: 443}]", ["tcp", "udp"]),
        ("{protocol: dns, host: shop.example, expect: 192.0.2.10}", ["dns"]),
        ("{protocol: http, status: [200, 302], proxy_protocol: true}", ["http"]),
        ("{protocol: quic}", ["quic"]),
    ],
)
def test_one_probe_or_several(tmp_path: Path, probe: str, protocols: list[str]) -> None:
    (consumer,) = load(profile(tmp_path, probe)).consumers

    assert [each.protocol for each in consumer.probe] == protocols


def test_the_file_of_a_ca_lies_beside_the_profile(tmp_path: Path) -> None:
    (consumer,) = load(profile(tmp_path, "{protocol: https, ca: ca.pem}")).consumers

    assert consumer.probe[0].ca == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ("{protocol: dns}", "protocol dns needs host"),
        ("{protocol: tcp, path: /, status: 200}", "status has no meaning for protocol tcp"),
        ("{protocol: quic, host: shop.example}", "host has no meaning for protocol quic"),
        ("{protocol: http, send: ping}", "send has no meaning for protocol http"),
        ("{protocol: http, status: 99}", "consumers.0.probe.0.status.0"),
        ("{protocol: http, path: 'x y'}", "consumers.0.probe.0.path"),
        ('{protocol: http, host: "a\\r\\nX: y"}', "consumers.0.probe.0.host"),
        ("{protocol: gopher}", "consumers.0.probe.0.protocol"),
        ("{protocol: http, method: DELETE}", "consumers.0.probe.0.method"),
    ],
)
def test_a_probe_that_makes_no_sense_is_refused_with_its_field(tmp_path: Path, probe: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        load(profile(tmp_path, probe))

    assert said in str(refused.value)
