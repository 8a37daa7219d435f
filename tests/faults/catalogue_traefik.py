"""Faults of a real Traefik at the lab's edge, each with the cause that is told. Its healthy twin is it, as it boots."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from cryptography import x509

from clusters import budgets, wait
from clusters.api.resources import DEPLOYMENTS, PODS, SERVICES
from clusters.lab import pki, traefik
from clusters.lab.rest import RestClient, object_path
from clusters.lab.traefik import HOST, NAME, NAMESPACE
from clusters.vantage.targets import Exchange, Exchanged
from tests.faults.catalogue_fault import ONE_CONSUMER, Fault, Healthy
from tests.faults.catalogue_stage import Stage

ADDRESS = "172.30.0.210"
_WHY = "Traefik is broken for a test"
_SUBJECT = {"trigger.edge-address": f"service {NAMESPACE}/{NAME}"}
ROUTE: dict[str, Any] = {
    "apiVersion": "traefik.io/v1alpha1",
    "kind": "IngressRoute",
    "metadata": {"name": "shop-secure", "namespace": "shop"},
}


@contextmanager
def no_router(stage: Stage) -> Iterator[None]:
    """Nobody has a route for the shop's name."""
    with stage.changes.deleted(stage.api.resource_for(ROUTE), "shop-secure", "shop", foreign=_WHY):
        _answers(stage, lambda got: got.status == 404, "answers 404")
        yield


@contextmanager
def backend_down(stage: Stage) -> Iterator[None]:
    """The route leads to a port of the shop's pods on which nobody listens."""
    behind = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "deaf", "namespace": "shop"},
        "spec": {
            "selector": {"app.kubernetes.io/name": "shop"},
            "ports": [{"name": "http", "port": 80, "targetPort": 9}],
        },
    }
    rule = {"kind": "Rule", "match": f"Host(`{HOST}`)", "services": [{"name": "deaf", "port": 80}]}
    with (
        stage.changes.created(behind, foreign=_WHY),
        stage.changes.patched(
            stage.api.resource_for(ROUTE), "shop-secure", {"spec": {"routes": [rule]}}, "shop", foreign=_WHY
        ),
    ):
        _answers(stage, lambda got: got.status == 502, "answers 502")
        yield


@contextmanager
def expired(stage: Stage) -> Iterator[None]:
    """The certificate of the shop's name ended yesterday."""
    made = traefik.certificate(pki.Authority("another"), expired=True)
    with RestClient(stage.lab.kubeconfig) as client:
        before = client.get(object_path(made))
        before["metadata"] = {name: before["metadata"][name] for name in ("name", "namespace")}
        client.try_apply(made)
        try:
            _answers(stage, _has_expired, "shows the expired certificate")
            yield
        finally:
            client.try_apply(before)
            _answers(
                stage,
                lambda got: not _has_expired(got),
                "shows the old one",
            )


@contextmanager
def without_arguments(stage: Stage, *words: str) -> Iterator[None]:
    """Traefik runs without the arguments that hold one of these words."""
    found = stage.api.get(DEPLOYMENTS, NAME, NAMESPACE)
    containers = copy.deepcopy(found["spec"]["template"]["spec"]["containers"])
    containers[0]["args"] = [
        each for each in containers[0]["args"] if not any(word in each for word in words)
    ]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    with stage.changes.patched(DEPLOYMENTS, NAME, patch, NAMESPACE, foreign=_WHY):
        _rolled_out(stage)
        yield
    _rolled_out(stage)


def entry_point_closed(stage: Stage) -> AbstractContextManager[None]:
    """Traefik does not listen where its service sends HTTPS."""
    return without_arguments(stage, "websecure")


def proxy_refused(stage: Stage) -> AbstractContextManager[None]:
    """No entry point expects a PROXY header, and one is sent."""
    return without_arguments(stage, "proxyProtocol")


@contextmanager
def no_udp_port(stage: Stage) -> Iterator[None]:
    """Traefik's service has no UDP port, as its chart makes it where HTTP/3 is off there and on in Traefik."""
    ports = [
        each
        for each in stage.api.get(SERVICES, NAME, NAMESPACE)["spec"]["ports"]
        if each["protocol"] == "TCP"
    ]
    with stage.changes.patched(SERVICES, NAME, {"spec": {"ports": ports}}, NAMESPACE, foreign=_WHY):
        yield


@contextmanager
def untouched(stage: Stage) -> Iterator[None]:
    """Traefik is as it was."""
    yield


def _answers(stage: Stage, accept: Callable[[Exchanged], bool], claim: str) -> None:
    """Wait until the shop is answered for as it is to be: Traefik takes a change of its routes in its own time."""
    asked = Exchange(address=ADDRESS, port=443, protocol="https", hostname=HOST, path="/hostname")
    wait.until(
        f"https://{ADDRESS} for {HOST} {claim}",
        read=lambda: stage.vantage.exchange_all([asked], timeout=2)[0],
        accept=accept,
        budget=budgets.get(budgets.SERVED),
    )


def _has_expired(got: Exchanged) -> bool:
    shown = x509.load_der_x509_certificate(got.certificate)
    return shown.not_valid_after_utc < dt.datetime.now(dt.UTC)


def _rolled_out(stage: Stage) -> None:
    """Wait until Traefik runs as its Deployment says, and nothing of before is left."""

    def read() -> list[str]:
        pods = stage.api.list(PODS, NAMESPACE)
        args = stage.api.get(DEPLOYMENTS, NAME, NAMESPACE)["spec"]["template"]["spec"]["containers"][0][
            "args"
        ]
        ready = [pod for pod in pods if pod["spec"]["containers"][0]["args"] == args and _is_ready(pod)]
        return [pod["metadata"]["name"] for pod in pods if pod not in ready]

    wait.until(
        "every pod of Traefik runs with its new arguments, and no other is left",
        read=read,
        accept=lambda others: not others,
        budget=budgets.get(budgets.PODS_READY),
    )


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _expecting(**probe: Any) -> dict[str, Any]:
    consumer = {"service": f"{NAMESPACE}/{NAME}", "address": ADDRESS, "probe": [{"host": HOST, **probe}]}
    return {"consumers": [consumer]}


#: The client's own address, which only a PROXY header brings past the node that forwards.
_CLIENT = {"protocol": "http", "path": "/header?key=X-Forwarded-For", "body": "172.30.0.100"}

FAULTS = (
    Fault(
        name="no router for the host",
        cause="consumer-answer-wrong",
        make=no_router,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
    ),
    Fault(
        name="the backend is down",
        cause="consumer-answer-wrong",
        make=backend_down,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
    ),
    Fault(
        name="the certificate has expired",
        cause="certificate-invalid",
        make=expired,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
    ),
    Fault(
        name="the entry point is closed",
        cause="backend-refuses",
        make=entry_point_closed,
        says=ONE_CONSUMER,
        shows={"traffic.backends-healthy": f"service {NAMESPACE}/{NAME}"},
    ),
    Fault(
        name="the service has no UDP port for HTTP/3",
        cause="consumer-port-missing",
        make=no_udp_port,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
    ),
    Fault(
        name="a PROXY header is expected and not sent",
        cause="consumer-answer-wrong",
        make=untouched,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
        profile=_expecting(**_CLIENT),
    ),
    Fault(
        name="a PROXY header is sent and not expected",
        cause="consumer-answer-wrong",
        make=proxy_refused,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
    ),
)
HEALTHY = (
    Healthy(
        name="a PROXY header is sent and believed",
        make=untouched,
        profile=_expecting(**_CLIENT, proxy_protocol=True),
    ),
)
