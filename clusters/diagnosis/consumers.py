"""The services that people know by their address: whether they hold it, and whether they serve what is promised there.

What is promised is the profile's: status, text, certificate, a DNS answer. What has an ingress controller behind it and
is not named there is noted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.diagnosis.announcer_election import Announcers
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.metallb import services
from clusters.metallb.ranges import parse_address
from clusters.metallb.services import Service
from clusters.observation.snapshot import Consumer, ConsumerAnswer, ServerCertificate
from clusters.subject import Subject

Explanations = Mapping[str, Explanation]
#: How far a request came of which nothing was heard (clusters/vantage/agent/exchange.py).
_CONNECTING = "connecting"
#: Where HTTP/3 is asked for.
_QUIC = 443


def explain(
    facts: Facts,
    *,
    pending: Explanations,
    unreached: Explanations,
    rivals: tuple[RootCause, ...],
    announcers: Announcers,
) -> Iterator[tuple[str, Explanation]]:
    """What is wrong with each of the profile's consumers, by namespace/name; the first thing that is."""
    for consumer in facts.snapshot.expectations.consumers:
        key = f"{consumer.namespace}/{consumer.name}"
        service = facts.services.get(key)
        if service is None:
            found = _missing(facts, consumer) if facts.snapshot.services.ok else None
        elif not service.ingress:
            # One of MetalLB's that does not wait for too long yet is no fault, and told where services wait.
            found = pending.get(key) or (None if key in facts.owned else _lost(facts, consumer, service))
        elif any(parse_address(each) not in service.ingress for each in consumer.known_by):
            found = _moved(facts, consumer, service, rivals)
        else:
            found = (
                _port_missing(facts, consumer, service)
                or unreached.get(key)
                or _unannounced(facts, service, announcers)
                or broken_promise(facts, service)
            )
        if found:
            yield key, found


def _missing(facts: Facts, consumer: Consumer) -> Explanation:
    key = f"{consumer.namespace}/{consumer.name}"
    return _amiss(
        facts, consumer, f"There is no LoadBalancer service {key}, which the profile names as a consumer."
    )


def _port_missing(facts: Facts, consumer: Consumer, service: Service) -> Explanation | None:
    """The service lacks a port that the profile asks for by its number."""
    for probe in consumer.probes:
        protocol = "UDP" if probe.protocol in ("udp", "dns", "quic") else "TCP"
        port = probe.port or (_QUIC if probe.protocol == "quic" else 0)
        if port and (protocol, port) not in {(each.protocol, each.number) for each in service.ports}:
            has = ", ".join(map(str, service.ports)) or "none"
            root = RootCause(
                cause=CauseId.CONSUMER_PORT_MISSING,
                subject=Subject.service(service.key),
                summary=f"Service {service.key} has no port {protocol}/{port}, by which people use it.",
                evidence=(f"its ports: {has}",),
                fields=facts.command_fields(namespace=service.namespace, service=service.name),
            )
            return Explanation(root=root, subject=root.subject, summary=root.summary)
    return None


def _unannounced(facts: Facts, service: Service, announcers: Announcers) -> Explanation | None:
    """Nothing comes back from an address of MetalLB's, which its controller and speakers of different classes left.

    As long as somebody remembers who announced it, it may still serve.
    """
    asked = _of(facts, service)
    if facts.pool_of(service.ingress[0]) is None or not asked:
        return None
    found = announcers.of_another_class(service)
    differ = found is not None and found.root in announcers.known.get(CauseId.CLASS_MISMATCH, ())
    return found if differ and all(each.error and each.stage == _CONNECTING for each in asked) else None


def _lost(facts: Facts, consumer: Consumer, service: Service) -> Explanation:
    """The consumer holds no address, and it is not MetalLB that would give it one."""
    expected = f"; its users expect {_listed(consumer.known_by)}" if consumer.known_by else ""
    foreign = services.foreign(service, facts.components.lb_class)
    whose = f" It is not MetalLB's: {foreign.text}" if foreign else ""
    named = f" Its status has {', '.join(service.hostnames)}." if service.hostnames else ""
    return _amiss(facts, consumer, f"Service {service.key} holds no address{expected}.{named}{whose}")


def _moved(facts: Facts, consumer: Consumer, service: Service, rivals: tuple[RootCause, ...]) -> Explanation:
    """The consumer holds another address than people know it by."""
    gone = [each for each in consumer.known_by if parse_address(each) not in service.ingress]
    has = f"the address{'es' if len(service.ingress) > 1 else ''} {_listed(map(str, service.ingress))}"
    text = f"Service {service.key} has {has}; its users expect {_listed(gone)}."
    for root in rivals:
        if root.subject == Subject.service(service.key):
            return Explanation(root=root, subject=root.subject, summary=f"{text} {root.summary}")
    return _amiss(facts, consumer, text)


def _amiss(facts: Facts, consumer: Consumer, text: str) -> Explanation:
    subject = Subject.service(f"{consumer.namespace}/{consumer.name}")
    holders = [
        f"{address} is held by service {key}"
        for address in consumer.known_by
        for key, each in facts.services.items()
        if parse_address(address) in each.ingress and key != f"{consumer.namespace}/{consumer.name}"
    ]
    first = next(iter(consumer.known_by), "")
    place = facts.command_fields(namespace=consumer.namespace, service=consumer.name, address=first)
    root = RootCause(
        cause=CauseId.ADDRESS_NOT_INTENDED,
        subject=subject,
        summary=text,
        evidence=tuple(holders),
        fields=place,
    )
    return Explanation(root=root, subject=subject, summary=text)


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(addresses)


#: What ingress controllers and gateways are called in their services' labels and selectors; the first that is in one.
_KINDS = {
    "traefik": "Traefik",
    "ingress-nginx": "ingress-nginx",
    "nginx-ingress": "NGINX Ingress",
    "haproxy": "HAProxy",
    "istio": "Istio",
    "envoy": "Envoy Gateway",
    "contour": "Contour",
    "kong": "Kong",
    "kubernetes-ingress": "HAProxy",
    "gateway": "a gateway",
}
_NAMED_IN = ("app.kubernetes.io/name", "app", "istio", "k8s-app")
#: Labels that only a service in front of a gateway has, by who gives it them.
_GATEWAYS = {
    "gateway.envoyproxy.io/owning-gateway-name": "Envoy Gateway",
    "io.cilium.gateway/owning-gateway": "Cilium's gateway",
    "gateway.networking.k8s.io/gateway-name": "a gateway",
}


def ingress_controllers(facts: Facts) -> Iterator[tuple[Service, str]]:
    """Services of MetalLB's that hold an address with an ingress controller or gateway behind it, and what it is."""
    for _, service in sorted(facts.addressed.items()):
        if kind := _kind(service):
            yield service, kind


def _kind(service: Service) -> str:
    marks = (*service.labels.items(), *service.selector.items())
    for key, kind in _GATEWAYS.items():
        if any(key == mark for mark, _ in marks):
            return kind
    words = [text for mark, text in marks if mark in _NAMED_IN]
    return next(
        (kind for word, kind in _KINDS.items() if any(word in text for text in (*words, service.name))), ""
    )


def unnamed(facts: Facts) -> Iterator[str]:
    """A sentence on each consumer that the profile does not name, with the lines by which it would."""
    named = {f"{each.namespace}/{each.name}" for each in facts.snapshot.expectations.consumers}
    for service, kind in ingress_controllers(facts):
        if service.key not in named:
            addresses = [f'"{each}"' if each.version == 6 else str(each) for each in service.ingress]
            known = f"[{_listed(addresses)}]" if len(addresses) > 1 else addresses[0]
            yield (
                f"service {service.key} looks like {kind}, and the profile does not name it: to have it asked, add "
                f"under consumers: {{service: {service.key}, address: {known}}}"
            )


#: Without a status in the probe: what a server says that is there and does not know us yet.
_MAY_ASK_WHO_WE_ARE = frozenset({401, 403})
_DNS_CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_SECONDS_A_DAY = 86400
#: What an Ethernet carries in one packet.
_ONE_PACKET = 1500
#: How far a request came that had a connection already.
_ON_A_CONNECTION = frozenset({"in the TLS handshake", "waiting for the answer"})
#: A connection is made by whoever stands before the consumer, too, and a filter may pass nothing but its beginning.
_HANGS = (
    "Ask the consumer from inside the cluster, by `kubectl port-forward`. Where it hangs there too, look at it and its "
    "backends; where it answers, something on the way lets connections begin and drops what follows: look for filters "
    "by TCP flags or by state on the announcing node and before it, and for answers that go back another way."
)
#: Who signs the certificate that Traefik shows where no router of its has one for the host.
_TRAEFIKS_OWN = "CN=TRAEFIK DEFAULT CERT"
#: How many days before its end a certificate is noted.
_EXPIRES_SOON = 14


def broken_promise(facts: Facts, service: Service) -> Explanation | None:
    """The first promise that the service's answers do not keep; None where they keep all, or nothing was asked."""
    for answer in _of(facts, service):
        if (
            found := _cut_off(facts, answer)
            or _unrouted(facts, answer)
            or _certificate(facts, answer)
            or _answer(facts, answer)
        ):
            return found
    return None


def notes(facts: Facts) -> Iterator[str]:
    """A sentence on each certificate that ends soon."""
    for answer in facts.snapshot.wire.consumers:
        if (
            answer.certificate is not None
            and 0 <= (left := _days_left(facts, answer.certificate)) < _EXPIRES_SOON
        ):
            yield f"the certificate of {url(answer)} expires in {left:.0f} days"


def unkept(answer: ConsumerAnswer) -> str:
    """What an answer does not keep of what was promised, as a sentence; "" where it keeps all but its certificate."""
    why = _by_default(answer) if answer.probe.by_default else _promised(answer)
    return f"{url(answer)} {why}" if why else ""


def _of(facts: Facts, service: Service) -> tuple[ConsumerAnswer, ...]:
    return tuple(each for each in facts.snapshot.wire.consumers if each.service == service.key)


def url(answer: ConsumerAnswer) -> str:
    """What was asked, as a person would type it."""
    probe = answer.probe
    host = f"[{answer.address}]" if ":" in answer.address else answer.address
    path = probe.path if probe.protocol in ("http", "https") else ""
    named = f" for {probe.host}" if probe.host else ""
    return f"{probe.protocol}://{host}:{probe.port}{path}{named}"


def _days_left(facts: Facts, certificate: ServerCertificate) -> float:
    return (dt.datetime.fromisoformat(certificate.expires).timestamp() - facts.now) / _SECONDS_A_DAY


def _cut_off(facts: Facts, answer: ConsumerAnswer) -> Explanation | None:
    """Answers that fit into small packets come back, and larger ones do not."""
    if answer.in_small != "answered":
        return None
    if answer.in_pieces == "answered":
        return _explained(
            facts,
            CauseId.LARGE_REQUESTS_LOST,
            answer,
            f"{url(answer)} answers a request that comes in small packets only: with packets of any size nothing came, "
            f"{answer.stage}.",
            "the same request, made once more in pieces of 400 bytes and for an answer in packets of any size, was "
            "answered",
        )
    return _explained(
        facts,
        CauseId.LARGE_ANSWERS_LOST,
        answer,
        f"{url(answer)} answers in small packets only: with packets of any size nothing came, {answer.stage}.",
        "the same request, made once more with packets of at most 576 bytes (TCP_MAXSEG 536), was answered",
    )


def large_answer(facts: Facts, service: Service, address: str) -> ConsumerAnswer | None:
    """An answer of that address that came back whole and was larger than a packet of an ordinary network."""
    found = (each for each in _of(facts, service) if each.address == address and not each.error)
    return next((each for each in found if each.size > _ONE_PACKET), None)


def _unrouted(facts: Facts, answer: ConsumerAnswer) -> Explanation | None:
    """A 404 with the certificate that Traefik makes for itself: the certificate follows from the missing route."""
    certificate = answer.certificate
    if certificate is None or certificate.issuer != _TRAEFIKS_OWN or answer.status != 404:
        return None
    if answer.probe.by_default or _status_fits(answer):
        return None
    text = f"{url(answer)} {_promised(answer)}; Traefik has no certificate for this host either."
    shown = f"it shows the certificate that Traefik makes for itself ({certificate.issuer})"
    return _explained(
        facts,
        CauseId.CONSUMER_ANSWER_WRONG,
        answer,
        text,
        shown,
        "whether a route has this host: kubectl get ingressroutes,ingresses,httproutes --all-namespaces",
    )


def _certificate(facts: Facts, answer: ConsumerAnswer) -> Explanation | None:
    found = answer.certificate
    if found is None:
        return None
    shown = f"it names {', '.join(found.names) or 'no host'}, and is signed by {found.issuer or 'nobody'}"
    if (left := _days_left(facts, found)) < 0:
        why = f"has expired {-left:.0f} days ago"
    elif found.untrusted and not answer.probe.by_default:
        why = f"is not trusted: {found.untrusted.rstrip('.')}"
    else:
        return None
    return _explained(
        facts, CauseId.CERTIFICATE_INVALID, answer, f"The certificate of {url(answer)} {why}.", shown
    )


def _answer(facts: Facts, answer: ConsumerAnswer) -> Explanation | None:
    why = unkept(answer)
    found = _explained(facts, CauseId.CONSUMER_ANSWER_WRONG, answer, f"{why}.") if why else None
    if found and answer.error == "timeout" and answer.stage in _ON_A_CONNECTION:
        return replace(found, root=replace(found.root, remedy=_HANGS))
    return found


def _by_default(answer: ConsumerAnswer) -> str:
    """Unasked, only what speaks another protocol than its port says is wrong: a client certificate may be wanted."""
    if answer.error.startswith(("no http", "tls: wrong version", "tls: record layer", "tls: http request")):
        return f"speaks another protocol than its port says ({answer.error})"
    return ""


def _promised(answer: ConsumerAnswer) -> str:
    probe = answer.probe
    if answer.error:
        return f"gave no answer: {answer.error}, {answer.stage}"
    if probe.protocol in ("http", "https") and not _status_fits(answer):
        expected = " or ".join(map(str, probe.status)) or "less than 400"
        led = f" (leads to {answer.location})" if answer.location else ""
        return f"answered {answer.status}{led}, and {expected} is expected"
    if probe.protocol == "dns" and answer.status:
        return f"answered {_DNS_CODES.get(answer.status, answer.status)}"
    if answer.holds is False:
        return f"answered without the expected {(probe.body or probe.expect)[:60]!r}"
    return ""


def _status_fits(answer: ConsumerAnswer) -> bool:
    if answer.probe.status:
        return answer.status in answer.probe.status
    return answer.status < 400 or answer.status in _MAY_ASK_WHO_WE_ARE


def _explained(
    facts: Facts, cause: CauseId, answer: ConsumerAnswer, summary: str, *evidence: str
) -> Explanation:
    namespace, _, name = answer.service.partition("/")
    root = RootCause(
        cause=cause,
        subject=Subject.service(answer.service),
        summary=summary,
        evidence=evidence,
        fields=facts.command_fields(namespace=namespace, service=name, address=answer.address),
    )
    return Explanation(root=root, subject=root.subject, summary=summary)
