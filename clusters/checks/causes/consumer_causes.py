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
        id=CauseId.LARGE_ANSWERS_LOST,
        title="Large answers are lost on the way back",
        meaning=(
            "Connections are made and small answers come back, and packets of the usual size are lost on the way from "
            "the endpoint to the client: an MTU is smaller than the servers know, and nobody tells them."
        ),
        remedy=(
            "Find the smallest MTU on the way back (pod, tunnel, node, switches), set the pods' network to it, and let "
            "ICMP 'fragmentation needed' (IPv6: 'packet too big') through every firewall."
        ),
        commands=(
            "ip -o link | grep -o '^[^@:]*: [^@:]*\\|mtu [0-9]*'",
            "tracepath -n {address}",
            "nft list ruleset | grep -E 'icmp|length|maxseg'",
        ),
        scope=Scope.SERVICE,
        link=Link.RETURN,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "A request to a consumer got a connection and no answer, and the same request was answered when the "
            "vantage allowed small packets only, and not without that limit right after."
        ),
        excluded_by=(
            "The answer came in packets of any size, or did not come in small ones either, or it came once the request "
            "alone was sent in small packets."
        ),
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_EDGE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.LARGE_REQUESTS_LOST,
        title="Large requests are lost on the way in",
        meaning=(
            "Connections are made and small requests are answered, and packets of the usual size are lost on the way "
            "from the client to the endpoint: large headers, cookies and uploads hang."
        ),
        remedy=(
            "Find the smallest MTU on the way in (client, switches, node, tunnel to the endpoint's node, pod), give it "
            "to every host that sends there or clamp the MSS on the way, and let ICMP 'fragmentation needed' (IPv6: "
            "'packet too big') through every firewall."
        ),
        commands=(
            "tracepath -n {address}",
            "ip -o link | grep -o '^[^@:]*: [^@:]*\\|mtu [0-9]*'",
            "nft list ruleset | grep -E 'icmp|length|maxseg'",
        ),
        scope=Scope.SERVICE,
        link=Link.FORWARD,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "A request to a consumer got a connection and no answer; the same request was answered in small packets "
            "both ways, not without that limit right after, and again when the request alone was sent in small pieces."
        ),
        excluded_by="The answer came in packets of any size, or did not come to a request in small pieces.",
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
