"""A real Traefik takes the test server's place and leaves its service its address."""

from __future__ import annotations

import base64
import copy
import datetime as dt
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509

from clusters.lab import pki, traefik
from clusters.lab.parts import Parts

SERVICE = {
    "kind": "Service",
    "metadata": {
        "name": "traefik",
        "namespace": "traefik",
        "annotations": {"metallb.io/loadBalancerIPs": "172.30.0.210"},
    },
    "spec": {
        "type": "LoadBalancer",
        "ipFamilyPolicy": "RequireDualStack",
        "ports": [{"name": "web", "port": 80}],
    },
}
CONSUMERS: list[dict[str, Any]] = [
    {"kind": "Namespace", "metadata": {"name": "traefik"}},
    {"kind": "Deployment", "metadata": {"name": "traefik", "namespace": "traefik"}, "spec": {"replicas": 3}},
    SERVICE,
    {"kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}},
]
ROLE = """
kind: ClusterRoleBinding
metadata: {name: traefik-ingress-controller}
subjects: [{kind: ServiceAccount, name: traefik-ingress-controller, namespace: default}]
"""


class Published:
    """Parts with one published file."""

    def __init__(self, folder: Path) -> None:
        (folder / "rbac.yml").write_text(ROLE, encoding="utf-8")
        self.traefik_manifests = folder

    def image(self, name: str) -> str:
        return f"registry.example/{name}:v3"


@pytest.fixture
def made(tmp_path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The objects by kind and name."""
    parts = cast("Parts", Published(tmp_path))
    found = traefik.in_place_of(copy.deepcopy(CONSUMERS), authority=pki.Authority("test"), parts=parts)
    assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found)
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def test_the_service_keeps_its_address_and_families_and_gets_the_chart_s_ports(
    made: dict[tuple[str, str], dict[str, Any]],
) -> None:
    service = made["Service", "traefik"]

    assert service["metadata"]["annotations"] == {"metallb.io/loadBalancerIPs": "172.30.0.210"}
    assert service["metadata"]["labels"]["app.kubernetes.io/name"] == "traefik"
    assert service["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    ports = {(each["name"], each.get("protocol", "TCP"), each["port"]) for each in service["spec"]["ports"]}
    assert ports == {("web", "TCP", 80), ("websecure", "TCP", 443), ("websecure-http3", "UDP", 443)}
    assert made["Service", "web"]["spec"] == {"ports": [{"port": 80}]}


def test_the_service_s_ports_and_labels_are_those_of_the_pods(
    made: dict[tuple[str, str], dict[str, Any]],
) -> None:
    service, template = made["Service", "traefik"], made["Deployment", "traefik"]["spec"]["template"]

    assert service["spec"]["selector"] == template["metadata"]["labels"]
    (container,) = template["spec"]["containers"]
    assert container["image"] == "registry.example/traefik:v3"
    listening = {(each["name"], each.get("protocol", "TCP")) for each in container["ports"]}
    assert {
        (each["targetPort"], each.get("protocol", "TCP")) for each in service["spec"]["ports"]
    } <= listening
    account = {"kind": "ServiceAccount", "name": "traefik", "namespace": "traefik"}
    assert made["ClusterRoleBinding", "traefik-ingress-controller"]["subjects"] == [account]
    assert ("ServiceAccount", "traefik") in made


@pytest.mark.parametrize("expired", [False, True])
def test_the_route_s_certificate_names_the_shop(expired: bool) -> None:  # noqa: FBT001 - a parameter of the test
    secret = traefik.certificate(pki.Authority("test"), expired=expired)

    shown = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    (names,) = (
        each.value for each in shown.extensions if isinstance(each.value, x509.SubjectAlternativeName)
    )
    assert names.get_values_for_type(x509.DNSName) == [traefik.HOST]
    assert (shown.not_valid_after_utc < dt.datetime.now(dt.UTC)) is expired
