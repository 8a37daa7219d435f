"""Asking the profile's consumers from the vantage, each as its users do: no other request than these is made.

Without a probe in the profile a consumer's ports are asked by appProtocol, name and number (docs/measuring.md).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from clusters import budgets
from clusters.observation.snapshot import Json, Snapshot
from clusters.observation.wire_records import ConsumerAnswer, ConsumerProbe, ServerCertificate

if TYPE_CHECKING:
    from clusters.vantage import Vantage
    from clusters.vantage.targets import Exchange, Exchanged

#: Of one consumer so many ports are asked unasked, and of all consumers so many requests are made.
_BY_DEFAULT, _AT_MOST = 4, 60
_LARGEST_CA = 1 << 20
#: What every network carries in one packet (RFC 879).
_SMALL = 536
#: What is answered by more than a packet.
_LARGE = frozenset({"http", "https"})
#: Characters of a name in a certificate: no host has a longer one (RFC 1035, 2.3.4).
_LONGEST_NAME = 253
#: How far a request over a connection came that was sent and not answered.
_ASKED = frozenset({"in the TLS handshake", "waiting for the answer"})
_SECURE, _PLAIN = (
    frozenset({"https", "tls", "kubernetes.io/wss"}),
    frozenset({"http", "web", "kubernetes.io/h2c"}),
)
_USUAL = {"https": 443, "http": 80, "dns": 53, "quic": 443}


class Question(NamedTuple):
    """One request to one address of a service ("namespace/name"), as its probe has it.

    `unread` says why the probe's CA could not be read, "" where it could.
    """

    service: str
    address: str
    probe: ConsumerProbe
    request: Exchange
    unread: str


def answers(snapshot: Snapshot, vantage: Vantage) -> tuple[ConsumerAnswer, ...]:
    """What each consumer answered, at each of its addresses, all asked side by side.

    One whose service is not there, or holds no address, is not asked: that is told elsewhere.
    """
    return asked(questions(snapshot), vantage)


def asked(wanted: Sequence[Question], vantage: Vantage) -> tuple[ConsumerAnswer, ...]:
    """What came of each question, all asked side by side; those that hang are asked again for small packets only."""
    if not wanted:
        return ()
    requests, limit = [each.request for each in wanted], budgets.seconds(budgets.CONSUMER_ANSWERED)
    found = vantage.exchange_all(requests, timeout=limit)
    hanging = {n: one for n, one in enumerate(requests) if one.protocol in _LARGE and _hangs(found[n])}
    small = _in_small(vantage, hanging, limit)
    pieces = _in_pieces(vantage, {n: hanging[n] for n, end in small.items() if end == "answered"}, limit)
    return tuple(
        _unasked(each.service, each.address, each.probe, each.unread)
        if each.unread
        else replace(
            _answer(each.service, each.address, each.probe, got),
            in_small=small.get(place, ""),
            in_pieces=pieces.get(place, ""),
        )
        for place, (each, got) in enumerate(zip(wanted, found, strict=True))
    )


def questions(snapshot: Snapshot) -> tuple[Question, ...]:
    """What is asked of the profile's consumers."""
    wanted = list(_wanted(snapshot))[:_AT_MOST]
    if not wanted:
        return ()
    from clusters.vantage.targets import Exchange  # noqa: PLC0415 - only who has consumers needs it

    found = []
    for service, address, probe in wanted:
        ca, unread = _ca(probe)
        request = Exchange(
            address=address,
            port=probe.port,
            protocol=probe.protocol,
            hostname=probe.host,
            method=probe.method,
            path=probe.path,
            payload=probe.send,
            ca=ca,
            proxy=probe.proxy_protocol,
        )
        found.append(Question(service, address, probe, request, unread))
    return tuple(found)


def _hangs(got: Exchanged) -> bool:
    """Whether a connection was made and no answer came: so it looks where only small packets get through."""
    return got.error == "timeout" and got.stage in _ASKED


def _in_small(vantage: Vantage, hanging: Mapping[int, Exchange], limit: float) -> Mapping[int, str]:
    """How each request ends where only small packets may come back; "" where it is answered in any size by then."""
    if not hanging:
        return {}
    small = vantage.exchange_all([replace(each, segment=_SMALL) for each in hanging.values()], timeout=limit)
    ended = {place: got.error or "answered" for place, got in zip(hanging, small, strict=True)}
    answered = [place for place, end in ended.items() if end == "answered"]
    if answered:  # or was it merely slow the first time?
        still = vantage.exchange_all([hanging[place] for place in answered], timeout=limit)
        ended |= {place: "" for place, got in zip(answered, still, strict=True) if not _hangs(got)}
    return ended


def _in_pieces(vantage: Vantage, cut: Mapping[int, Exchange], limit: float) -> Mapping[int, str]:
    """How each request ends that is answered in small packets only, now that the answer alone may be large.

    With small packets both ways nobody can tell whether the request was too large or its answer.
    """
    if not cut:
        return {}
    found = vantage.exchange_all([replace(each, pieces=True) for each in cut.values()], timeout=limit)
    return {place: got.error or "answered" for place, got in zip(cut, found, strict=True)}


def _wanted(snapshot: Snapshot) -> Iterator[tuple[str, str, ConsumerProbe]]:
    """(service, address, probe) for every request that is to be made."""
    services = {
        f"{raw['metadata']['namespace']}/{raw['metadata']['name']}": raw for raw in snapshot.services.items
    }
    for consumer in snapshot.expectations.consumers:
        key = f"{consumer.namespace}/{consumer.name}"
        service = services.get(key)
        if service is None:
            continue
        ports = service["spec"].get("ports") or ()
        probes = [_at_port(probe, ports) for probe in consumer.probes] or list(_by_default(ports))
        for entry in (service["status"].get("loadBalancer") or {}).get("ingress") or ():
            if entry.get("ip"):
                yield from ((key, entry["ip"], probe) for probe in probes)


def _at_port(probe: ConsumerProbe, ports: Sequence[Json]) -> ConsumerProbe:
    """The probe with a port: its own, that of its protocol, or the service's first one."""
    if probe.port:
        return probe
    numbers: list[int] = [port["port"] for port in ports]
    usual = _USUAL.get(probe.protocol, 0)
    return replace(probe, port=usual if usual in numbers else next(iter(numbers), 0))


def _by_default(ports: Sequence[Json]) -> Iterator[ConsumerProbe]:
    spoken = [(port["port"], _protocol(port)) for port in ports if (port.get("protocol") or "TCP") == "TCP"]
    for number, protocol in [(number, protocol) for number, protocol in spoken if protocol][:_BY_DEFAULT]:
        yield ConsumerProbe(protocol=protocol, port=number, by_default=True)


def _protocol(port: Json) -> str:
    """What a port is said to speak; "" where nothing says."""
    said = str(port.get("appProtocol") or "").lower()
    words = {said, str(port.get("name") or "").lower()}
    if words & _SECURE:
        return "https"
    if words & _PLAIN:
        return "http"
    if said:
        return ""
    return {443: "https", 80: "http"}.get(port["port"], "")


def _ca(probe: ConsumerProbe) -> tuple[str, str]:
    """The trusted certificates as PEM, and why they could not be read."""
    if not probe.ca:
        return "", ""
    try:
        with Path(probe.ca).open("rb") as file:
            text = file.read(_LARGEST_CA + 1).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        return "", f"the file {probe.ca} cannot be read: {getattr(error, 'strerror', None) or 'it is no PEM'}"
    if len(text) > _LARGEST_CA or "BEGIN CERTIFICATE" not in text:
        return "", f"the file {probe.ca} holds no certificate"
    return text, ""


def _unasked(service: str, address: str, probe: ConsumerProbe, why: str) -> ConsumerAnswer:
    return ConsumerAnswer(
        service=service, address=address, probe=probe, error=why, stage="before it was asked"
    )


def _answer(service: str, address: str, probe: ConsumerProbe, got: Exchanged) -> ConsumerAnswer:
    expected = probe.body or probe.expect
    return ConsumerAnswer(
        service=service,
        address=address,
        probe=probe,
        error=got.error,
        stage=got.stage,
        status=got.status,
        location=_where(got.location),
        holds=expected in got.body if expected and not got.error else None,
        certificate=_certificate(got),
        size=got.size,
    )


def _where(location: str) -> str:
    """Where a redirect leads, without its query, which may hold what is nobody's business."""
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}{parts.path}"[:200] if host else parts.path[:200]


def _certificate(got: Exchanged) -> ServerCertificate | None:
    if not got.certificate:
        return None
    from cryptography import x509  # noqa: PLC0415 - slow to load, and only for TLS

    try:
        found = x509.load_der_x509_certificate(got.certificate)
        names = tuple(_names(found))
        expires = found.not_valid_after_utc
        issuer = found.issuer.rfc4514_string()
    except (
        *(ValueError, TypeError, AttributeError),
        # The library's own for what the other side may send as it likes: none of them is a ValueError.
        *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
    ):
        return None
    expires = min(expires, dt.datetime(2099, 12, 31, tzinfo=dt.UTC))
    return ServerCertificate(
        names=tuple(name[:_LONGEST_NAME] for name in names[:20]),
        issuer=issuer[:200],
        expires=expires.isoformat(),
        untrusted=got.untrusted,
    )


def _names(certificate: object) -> Iterator[str]:
    from cryptography import x509  # noqa: PLC0415 - as above

    assert isinstance(certificate, x509.Certificate)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    for name in extension.value:
        if isinstance(name, x509.DNSName | x509.IPAddress):
            yield str(name.value)
