"""The services that people know by their address: whether they hold it, and whether it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clusters.cause_ids import CauseId
from clusters.diagnosis import consumer_answers
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.metallb.ranges import parse_address
from clusters.metallb.services import Service
from clusters.observation.snapshot import Consumer
from clusters.subject import Subject

Explanations = Mapping[str, Explanation]


def explain(
    facts: Facts, *, pending: Explanations, unreached: Explanations, rivals: tuple[RootCause, ...]
) -> Iterator[tuple[str, Explanation]]:
    """What is wrong with each of the profile's consumers, by namespace/name; the first thing that is."""
    for consumer in facts.snapshot.expectations.consumers:
        key = f"{consumer.namespace}/{consumer.name}"
        service = facts.services.get(key)
        if service is None:
            if facts.snapshot.services.ok:
                yield (
                    key,
                    _amiss(
                        facts,
                        consumer,
                        f"There is no LoadBalancer service {key}, which the profile names as a consumer.",
                    ),
                )
        elif not service.ingress:
            if key in pending:
                yield key, pending[key]
        elif consumer.address and parse_address(consumer.address) not in service.ingress:
            yield key, _moved(facts, consumer, service, rivals)
        elif missing := _port_missing(facts, consumer, service):
            yield key, missing
        elif key in unreached:
            yield key, unreached[key]
        elif broken := consumer_answers.broken(facts, service):
            yield key, broken


def _port_missing(facts: Facts, consumer: Consumer, service: Service) -> Explanation | None:
    """The service lacks a port that the profile asks for by its number."""
    for probe in consumer.probes:
        protocol = "UDP" if probe.protocol in ("udp", "dns") else "TCP"
        if probe.port and (protocol, probe.port) not in {
            (each.protocol, each.number) for each in service.ports
        }:
            has = ", ".join(map(str, service.ports)) or "none"
            root = RootCause(
                cause=CauseId.CONSUMER_PORT_MISSING,
                subject=Subject.service(service.key),
                summary=f"Service {service.key} has no port {protocol}/{probe.port}, by which people use it.",
                evidence=(f"its ports: {has}",),
                fields=facts.command_fields(namespace=service.namespace, service=service.name),
            )
            return Explanation(root=root, subject=root.subject, summary=root.summary)
    return None


def _moved(facts: Facts, consumer: Consumer, service: Service, rivals: tuple[RootCause, ...]) -> Explanation:
    """The consumer holds another address than people know it by."""
    has = ", ".join(map(str, service.ingress))
    text = f"Service {service.key} has the address {has}; its users expect {consumer.address}."
    for root in rivals:
        if root.subject == Subject.service(service.key):
            return Explanation(root=root, subject=root.subject, summary=f"{text} {root.summary}")
    return _amiss(facts, consumer, text)


def _amiss(facts: Facts, consumer: Consumer, text: str) -> Explanation:
    subject = Subject.service(f"{consumer.namespace}/{consumer.name}")
    holders = [
        f"{consumer.address} is held by service {key}"
        for key, each in facts.services.items()
        if consumer.address in {str(one) for one in each.ingress} and key != subject.key
    ]
    place = facts.command_fields(
        namespace=consumer.namespace, service=consumer.name, address=consumer.address
    )
    root = RootCause(
        cause=CauseId.ADDRESS_NOT_INTENDED,
        subject=subject,
        summary=text,
        evidence=tuple(holders),
        fields=place,
    )
    return Explanation(root=root, subject=subject, summary=text)
