"""Faults of consumers that are reached and do not keep what the profile promises, and one that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.faults.catalogue_fault import ONE_CONSUMER, ONE_SERVICE, Fault, Healthy
from tests.faults.catalogue_stage import Stage

_ADDRESS = "172.30.0.219"
_WANTED = {"metallb.io/loadBalancerIPs": _ADDRESS}
_SUBJECT = {"trigger.edge-address": "service shop/promised"}


@contextmanager
def serving(stage: Stage) -> Iterator[None]:
    """A service of Kubernetes' test server, which says whatever it is asked to say."""
    with stage.addressed("promised", annotations=_WANTED):
        yield


@contextmanager
def of_another_class(stage: Stage) -> Iterator[None]:
    """A service that another load balancer would give its address to, and there is none."""
    with stage.waiting("promised", loadBalancerClass="example.com/other"):
        yield


def promised(*probes: dict[str, Any]) -> dict[str, Any]:
    """Fields of a profile whose one consumer is that service, asked by these probes."""
    return {"consumers": [{"service": "shop/promised", "address": _ADDRESS, "probe": list(probes)}]}


FAULTS = (
    Fault(
        name="a consumer of another load balancer's whose address is gone",
        cause="address-not-intended",
        make=of_another_class,
        says=ONE_SERVICE,
        shows=_SUBJECT,
        profile=promised({"protocol": "tcp", "port": 80}),
    ),
    Fault(
        name="a consumer without one of the two addresses that it is known by",
        cause="address-not-intended",
        make=serving,
        says=ONE_SERVICE,
        shows=_SUBJECT,
        profile={"consumers": [{"service": "shop/promised", "address": [_ADDRESS, "fd00:172:30::219"]}]},
    ),
    Fault(
        name="a consumer that answers 502 where 200 is promised",
        cause="consumer-answer-wrong",
        make=serving,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
        profile=promised({"protocol": "http", "port": 80, "path": "/echo?msg=down&code=502", "status": 200}),
    ),
    Fault(
        name="a consumer that speaks HTTP where TLS is promised",
        cause="consumer-answer-wrong",
        make=serving,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
        profile=promised({"protocol": "https", "port": 80, "host": "shop.example"}),
    ),
    Fault(
        name="a consumer whose service lacks the UDP port that HTTP/3 needs",
        cause="consumer-port-missing",
        make=serving,
        says=ONE_CONSUMER,
        shows=_SUBJECT,
        profile=promised({"protocol": "tcp", "port": 80}, {"protocol": "udp", "port": 443}),
    ),
)
HEALTHY = (
    Healthy(
        name="a consumer that keeps what its probes promise",
        make=serving,
        profile=promised(
            {"protocol": "tcp", "port": 80},
            {"protocol": "http", "port": 80, "path": "/echo?msg=welcome", "body": "welcome"},
            {"protocol": "http", "port": 80, "path": "/echo?msg=gone&code=410", "status": [404, 410]},
        ),
    ),
)
