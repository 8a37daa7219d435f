"""What the agent tells of consumers that keep their promises, and of those that do not: real servers on a segment."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest

from clusters.diagnosis import consumers
from clusters.diagnosis.facts import Facts
from clusters.metallb.services import Service
from clusters.observation import Objects, Snapshot, Status, consumer_probes, expectations
from clusters.observation.snapshot import ConsumerAnswer, WireView
from clusters.profile import Profile, Provider
from clusters.profile.models import Consumer, Probe
from clusters.vantage import NetnsVantage
from clusters.vantage.targets import Asked, Exchange, Target
from tests.wire.promises import HOST, Certificates, dns, quic, serve_datagrams, serve_http
from tests.wire.segment import VIP, Segment

PORTS = {
    "plain": 8001,
    "secure": 8443,
    "expired": 8444,
    "other name": 8445,
    "datagram": 8053,
    "dns": 53,
    "quic": 8443,
}


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def served(lan: Segment, certificates: Certificates) -> Segment:
    """Node a, which has the address, with a server of each kind."""
    host = lan["a"]
    serve_http(host, PORTS["plain"])
    serve_http(host, PORTS["secure"], certificates.context())
    serve_http(host, PORTS["expired"], certificates.context(days=-1))
    serve_http(host, PORTS["other name"], certificates.context("elsewhere.example"))
    serve_datagrams(host, PORTS["datagram"], lambda data: b"pong " + data)
    serve_datagrams(host, PORTS["dns"], dns)
    serve_datagrams(host, PORTS["quic"], quic)
    return lan


@pytest.fixture
def place(
    served: Segment, client: NetnsVantage, certificates: Certificates
) -> tuple[NetnsVantage, Certificates]:
    """Where is asked from, and whose certificates are served."""
    return client, certificates


def snapshot(*probes: dict[str, Any], ports: tuple[dict[str, Any], ...] = ()) -> Snapshot:
    """A cluster with one consumer, as far as its probes need one."""
    consumer = Consumer(service="shop/web", address=VIP, probe=tuple(Probe(**each) for each in probes))
    profile = Profile(name="x", provider=Provider.EXISTING, context="x", consumers=(consumer,))
    service = {
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"ports": ports or tuple({"port": port} for port in PORTS.values())},
        "status": {"loadBalancer": {"ingress": [{"ip": VIP}]}},
    }
    return Snapshot(
        taken_at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        expectations=expectations.of(profile),
        services=Objects(status=Status.OK, items=(service,)),
    )


def told(vantage: NetnsVantage, seen: Snapshot) -> tuple[tuple[ConsumerAnswer, ...], str, str]:
    """The answers, and the cause and sentence that are made of them."""
    answers = consumer_probes.answers(seen, vantage)
    facts = Facts(Snapshot(taken_at=seen.taken_at, wire=WireView(status=Status.OK, consumers=answers)))
    found = consumers.broken_promise(facts, Service(namespace="shop", name="web"))
    return answers, found.root.cause if found else "", found.summary if found else ""


@pytest.mark.parametrize(
    "probe",
    [
        {"protocol": "tcp", "port": PORTS["plain"]},
        {"protocol": "http", "port": PORTS["plain"], "host": HOST, "body": f"host {HOST}"},
        {"protocol": "http", "port": PORTS["plain"], "path": "/missing", "status": (404,)},
        {"protocol": "http", "port": PORTS["plain"], "path": "/moved"},
        {"protocol": "https", "port": PORTS["secure"], "host": HOST, "ca": "its own"},
        {"protocol": "udp", "port": PORTS["datagram"], "send": "ping", "expect": "pong ping"},
        {"protocol": "dns", "host": HOST, "expect": VIP},
        {"protocol": "quic", "port": PORTS["quic"]},
    ],
    ids=lambda probe: f"{probe['protocol']} {probe.get('path', '')}",
)
def test_a_promise_that_is_kept(
    served: Segment, client: NetnsVantage, certificates: Certificates, probe: dict[str, Any]
) -> None:
    if "ca" in probe:
        probe = {**probe, "ca": certificates.authority}

    (answer,), cause, summary = told(client, snapshot(probe))

    assert (cause, summary) == ("", "")
    assert not answer.error


def test_a_consumer_is_asked_through_a_measurement_as_often_as_is_said(
    served: Segment, client: NetnsVantage, certificates: Certificates
) -> None:
    """Each request is judged where it is made: by its code and its text, and a refusal by its name."""

    def asked(protocol: str, port: int, **more: Any) -> Asked:
        request = {"ca": certificates.authority.read_text(), "hostname": HOST, **more.pop("request", {})}
        exchange = Exchange(address=VIP, port=port, protocol=protocol, **request)
        return Asked(service="shop/web", request=exchange, every=0.1, **more)

    wanted = [
        asked("https", PORTS["secure"], expected=(200,), holds=HOST),
        asked("http", PORTS["plain"], expected=(200,), request={"path": "/down"}),
        asked("http", PORTS["plain"], holds="welcome"),
        asked("tcp", 9),
        asked("quic", PORTS["quic"]),
    ]

    with client.watch_all([Target(address=VIP, port=PORTS["plain"], path="/")], asked=wanted) as seen:
        time.sleep(1.05)

    errors = [{attempt.error for attempt in timeline.attempts} for _, timeline in seen.answers]
    assert errors == [{""}, {"http 502"}, {"another text"}, {"refused"}, {""}]
    assert all(8 <= len(timeline.attempts) <= 12 for _, timeline in seen.answers)
    assert [round(timeline.outages.longest, 1) > 0.8 for _, timeline in seen.answers] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert seen.timeline.outages.longest == 0.0


@pytest.mark.parametrize(
    ("probe", "cause", "said"),
    [
        ({"protocol": "http", "port": PORTS["plain"], "path": "/missing"}, "consumer-answer-wrong",
         f"http://{VIP}:8001/missing answered 404, and less than 400 is expected."),
        ({"protocol": "http", "port": PORTS["plain"], "path": "/down", "status": (200, 204)}, "consumer-answer-wrong",
         f"http://{VIP}:8001/down answered 502, and 200 or 204 is expected."),
        ({"protocol": "http", "port": PORTS["plain"], "body": "welcome"}, "consumer-answer-wrong",
         "answered without the expected 'welcome'"),
        ({"protocol": "http", "port": PORTS["plain"], "path": "/moved", "status": (200,)}, "consumer-answer-wrong",
         "answered 302 (leads to https://login.example/in), and 200 is expected."),
        ({"protocol": "http", "port": PORTS["secure"]}, "consumer-answer-wrong", "gave no answer"),
        ({"protocol": "https", "port": PORTS["plain"]}, "consumer-answer-wrong", "gave no answer: tls: wrong version"),
        ({"protocol": "https", "port": PORTS["secure"], "host": HOST}, "certificate-invalid", "is not trusted"),
        ({"protocol": "https", "port": PORTS["expired"], "host": HOST}, "certificate-invalid",
         "has expired 1 days ago"),
        ({"protocol": "https", "port": PORTS["other name"], "host": HOST, "ca": "its own"}, "certificate-invalid",
         "is not trusted: Hostname mismatch"),
        ({"protocol": "https", "port": PORTS["secure"], "ca": Path("/nowhere/ca.pem")}, "consumer-answer-wrong",
         "the file /nowhere/ca.pem cannot be read"),
        ({"protocol": "udp", "port": PORTS["datagram"], "send": "ping", "expect": "42"}, "consumer-answer-wrong",
         "answered without the expected '42'"),
        ({"protocol": "dns", "host": "gone.example"}, "consumer-answer-wrong", "answered NXDOMAIN"),
        ({"protocol": "tcp", "port": 9}, "consumer-answer-wrong", "gave no answer: refused"),
        ({"protocol": "quic", "port": 9}, "consumer-answer-wrong", "gave no answer: refused"),
        ({"protocol": "quic", "port": PORTS["datagram"]}, "consumer-answer-wrong", "gave no answer: no quic"),
    ],
)  # fmt: skip
def test_a_promise_that_is_broken(
    place: tuple[NetnsVantage, Certificates], probe: dict[str, Any], cause: str, said: str
) -> None:
    client, certificates = place
    if probe.get("ca") == "its own":
        probe = {**probe, "ca": certificates.authority}

    answers, found, summary = told(client, snapshot(probe))

    assert found == cause, answers
    assert said in summary
    assert "s3cret" not in str(answers)


def test_without_a_probe_ports_are_asked_by_their_names_and_nothing_is_demanded(
    served: Segment, client: NetnsVantage
) -> None:
    ports = (
        {"port": PORTS["plain"], "name": "web"},
        {"port": PORTS["secure"], "appProtocol": "https"},
        {"port": PORTS["datagram"], "protocol": "UDP"},
    )

    answers, cause, _ = told(client, snapshot(ports=ports))

    assert [(each.probe.protocol, each.probe.port, each.error) for each in answers] == [
        ("http", PORTS["plain"], ""),
        ("https", PORTS["secure"], ""),
    ]
    assert cause == ""


def test_unasked_a_port_of_another_protocol_and_an_expired_certificate_are_told(
    served: Segment, client: NetnsVantage
) -> None:
    seen = snapshot(ports=({"port": PORTS["plain"], "name": "https"},))
    assert told(client, seen)[1:] == (
        "consumer-answer-wrong",
        f"https://{VIP}:8001/ speaks another protocol than its port says (tls: wrong version number).",
    )

    seen = snapshot(ports=({"port": PORTS["expired"], "name": "https"},))
    assert told(client, seen)[1] == "certificate-invalid"


LARGE_DROPPED = """
table inet cut {
  chain out {
    type filter hook output priority 0;
    ip daddr 10.77.0.1 meta length > 600 drop
  }
}
"""


LARGE_DROPPED_INWARD = """
table inet cut {
  chain in {
    type filter hook input priority 0;
    ip saddr 10.77.0.1 meta length > 600 drop
  }
}
"""


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_large_requests_that_are_lost_are_told_from_large_answers(
    place: tuple[NetnsVantage, Certificates], served: Segment, protocol: str
) -> None:
    client, certificates = place
    port = PORTS["plain" if protocol == "http" else "secure"]
    probe = {"protocol": protocol, "port": port, "host": HOST, "path": f"/large?{'x' * 1500}"}
    probe |= {"ca": certificates.authority} if protocol == "https" else {}
    served["a"].filter(LARGE_DROPPED_INWARD)

    (answer,), cause, summary = told(client, snapshot(probe))

    assert (answer.in_small, answer.in_pieces, cause) == ("answered", "answered", "large-requests-lost")
    assert "answers a request that comes in small packets only" in summary


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_answers_that_come_back_in_small_packets_only_are_told_as_such(
    place: tuple[NetnsVantage, Certificates], served: Segment, protocol: str
) -> None:
    client, certificates = place
    port = PORTS["plain" if protocol == "http" else "secure"]
    probe = {"protocol": protocol, "port": port, "host": HOST, "path": "/large"}
    probe |= {"ca": certificates.authority} if protocol == "https" else {}
    served["a"].filter(LARGE_DROPPED)

    (answer,), cause, summary = told(client, snapshot(probe))

    assert (answer.error, answer.in_small, cause) == ("timeout", "answered", "large-answers-lost")
    assert "answers in small packets only" in summary


def test_an_answer_of_several_packets_that_comes_back_shows_that_large_ones_do(
    served: Segment, client: NetnsVantage
) -> None:
    probe = {"protocol": "http", "port": PORTS["plain"], "path": "/large"}
    link = served["a"].link
    link.link("set", index=served["a"].index, mtu=1400)  # known to whoever sends, so it does no harm

    (answer,), cause, _ = told(client, snapshot(probe))

    assert (answer.error, answer.in_small, cause) == ("", "", "")
    assert answer.size > 4000


def test_a_server_that_never_answers_is_not_told_by_its_packets(
    served: Segment, client: NetnsVantage
) -> None:
    served["a"].filter(LARGE_DROPPED.replace("meta length > 600", "tcp flags & (syn | psh) == psh"))

    (answer,), cause, _ = told(
        client, snapshot({"protocol": "http", "port": PORTS["plain"], "status": (200,)})
    )

    assert (answer.error, answer.in_small, cause) == ("timeout", "timeout", "consumer-answer-wrong")


def test_five_consumers_are_asked_side_by_side(served: Segment, client: NetnsVantage) -> None:
    probe = {"protocol": "https", "port": PORTS["secure"], "host": HOST}

    def best(count: int) -> float:
        seen, took = snapshot(*([probe] * count)), []
        for _ in range(5):
            began = time.monotonic()
            answers = consumer_probes.answers(seen, client)
            took.append(time.monotonic() - began)
            assert [each.error for each in answers] == [""] * count
        return min(took)

    assert best(5) < 4 * best(1)
