"""Causes behind an address that is reached: what answers does not keep its promise to those who use it."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.commands import HANDSHAKE

_PODS = "kubectl -n {namespace} get pods -o wide"
_SERVICE = "kubectl -n {namespace} get svc {service} -o yaml"

CAUSES = (
    Cause(
        id=CauseId.CONSUMER_ANSWER_WRONG,
        title="A consumer answers, and not what was promised",
        meaning="The port is reached, and a request as its users send it is not answered as the profile promises.",
        remedy=(
            "Look at the consumer, not at MetalLB: its routes for this host and path, its backends, whether it expects "
            "TLS or a PROXY header; correct the profile's probe where the promise has changed."
        ),
        commands=(
            "curl -vk --connect-timeout 3 --resolve {host}:{port}:{address} https://{host}:{port}/",
            "kubectl -n {namespace} logs -l app.kubernetes.io/name={service} --tail=50",
            _PODS,
        ),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by=(
            "The vantage sent the request and had an answer with another status, without the expected text, or not in "
            "that protocol; or the connection was closed without one."
        ),
        excluded_by="The answer is as promised, or nothing at all came back.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_EDGE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CERTIFICATE_INVALID,
        title="A consumer's certificate is not valid for its users",
        meaning="The certificate has expired, names other hosts, or is signed by nobody whom its users trust.",
        remedy="Renew it, or serve the one that is for this host; name its CA in the probe if it is your own.",
        commands=(
            HANDSHAKE,
            "kubectl -n {namespace} get certificates,secrets",
        ),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by="The server showed the certificate in a TLS handshake with the vantage, whose check of it failed.",
        excluded_by="The vantage trusts the certificate for this host name.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_EDGE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONSUMER_PORT_MISSING,
        title="A consumer's service lacks the port that people use",
        meaning="The profile asks for a port or protocol that the service does not have, so nobody forwards it.",
        remedy="Add the port to the service (HTTP/3 needs UDP 443 beside TCP 443), or correct the profile's probe.",
        commands=(_SERVICE,),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by="The service is there, and none of its ports has that number and protocol.",
        excluded_by="The service has the port.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_EDGE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
)
