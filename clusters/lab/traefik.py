"""The lab's edge service by a real Traefik, in the place of Kubernetes' test server: a route with TLS and HTTP/3.

Its Deployment and service are those that its chart makes; definitions and roles come from its own module.
"""

from __future__ import annotations

import functools
import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from clusters import budgets, yaml_text
from clusters.lab import manifests, netns, pki, serving
from clusters.lab.lab_state import LabPaths
from clusters.lab.parts import Parts
from clusters.lab.plan import Plan
from clusters.objects import Object

NAMESPACE = NAME = "traefik"
#: The name under which the lab's shop is asked for, and the secret with its certificate.
HOST, SECRET = "shop.lab.example", "shop-tls"
_OWN = Path(__file__).with_name("traefik.yaml")
_PORTS: tuple[dict[str, Any], ...] = (
    {"name": "web", "port": 80, "targetPort": "web"},
    {"name": "websecure", "port": 443, "targetPort": "websecure"},
    {"name": "websecure-http3", "port": 443, "targetPort": "websecure-http3", "protocol": "UDP"},
)


def in_place_of(consumers: Iterable[Object], *, authority: pki.Authority, parts: Parts) -> list[Object]:
    """The consumers with Traefik where the test server stood; its service keeps its address and its families."""
    own = yaml_text.documents(_OWN.read_text(encoding="utf-8"))
    labels = next(thing["metadata"]["labels"] for thing in own if thing["kind"] == "Deployment")
    found = []
    for thing in consumers:
        if thing["metadata"].get("namespace") == NAMESPACE:
            if thing["kind"] != "Service":
                continue
            thing["metadata"]["labels"] = dict(labels)
            thing["spec"]["selector"] = dict(labels)
            thing["spec"]["ports"] = [dict(port) for port in _PORTS]
        found.append(thing)
    for thing in own:
        if thing["kind"] == "Deployment":
            thing["spec"]["template"]["spec"]["containers"][0]["image"] = parts.image(NAME)
    return [*_published(parts), *found, certificate(authority), *own]


def certificate(authority: pki.Authority, *, expired: bool = False) -> Object:
    """The secret with the certificate of the shop's name; an expired one ended yesterday."""
    pair = authority.issue(HOST, served_as=[HOST], expired=expired)
    files = {"tls.crt": pair.certificate, "tls.key": pair.key}
    return manifests.secret("shop", SECRET, files, kind="kubernetes.io/tls")


def trusted(lab: str) -> Path:
    """The file with the certificate that signs the shop's."""
    return LabPaths(lab).pki / "consumers-ca.crt"


def questions(plan: Plan, service: Object) -> Iterator[tuple[str, Callable[[], object]]]:
    """What Traefik's service is asked until it serves: the shop, by its name, with TLS that is to be trusted."""
    for address in serving.addresses(service):
        url = f"https://{address} for {HOST}"
        yield (
            url,
            functools.partial(netns.inside, plan.client.netns, functools.partial(_asked, plan, address)),
        )


def _asked(plan: Plan, address: str) -> str:
    """The name of the pod behind the route that answered, or empty."""
    context = ssl.create_default_context(cafile=str(trusted(plan.options.name)))
    limit = budgets.seconds(budgets.LAB_COMPONENT_ANSWERED)
    with (
        socket.create_connection((address, 443), timeout=limit) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        secured.sendall(f"GET /hostname HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        response = http.client.HTTPResponse(secured)
        response.begin()
        return response.read().decode() if response.status == 200 else ""


def _published(parts: Parts) -> list[Object]:
    """The definitions and roles that Traefik publishes, its account named as its chart names it."""
    found: list[Object] = []
    for path in sorted(parts.traefik_manifests.iterdir()):
        found += yaml_text.documents(path.read_text(encoding="utf-8"))
    for thing in found:
        if thing["kind"] == "ClusterRoleBinding":
            thing["subjects"] = [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]
    return found
