"""Requests that only a kubelet can answer, by what is sent for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusters.api import Api, errors
from clusters.api.resources import PODS
from clusters.api.transport import Request, Transport


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    requests: list[Request] = []

    def send(_: Transport, request: Request) -> bytes:
        requests.append(request)
        return b"line one\n\xff\n"

    monkeypatch.setattr(Transport, "send", send)
    return requests


@pytest.fixture
def api(tmp_path: Path) -> Api:
    path = tmp_path / "k"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "edge", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "edge",
            }
        )
    )
    return Api.connect(path, None)


def test_a_log_is_text_whatever_is_in_it(api: Api, sent: list[Request]) -> None:
    log = api.logs("metallb-system", "speaker-1", "speaker", tail=200, since=0.2, previous=True)

    assert log == "line one\n�\n"
    assert sent[0].asked.path == "/api/v1/namespaces/metallb-system/pods/speaker-1/log"
    assert sent[0].query == {
        "container": "speaker",
        "tailLines": "200",
        "sinceSeconds": "1",
        "previous": "true",
        "limitBytes": str(16 << 20),
    }


def test_a_pod_s_port_is_reached_through_the_api_server(api: Api, sent: list[Request]) -> None:
    api.pod_http("ns", "speaker-1", 7472, "/metrics")
    api.pod_http("ns", "speaker-1", 9120, "metrics", https=True)

    assert [request.asked.path for request in sent] == [
        "/api/v1/namespaces/ns/pods/speaker-1:7472/proxy/metrics",
        "/api/v1/namespaces/ns/pods/https:speaker-1:9120/proxy/metrics",
    ]


def test_where_it_leads_is_known_before_anything_is_sent(api: Api, tmp_path: Path) -> None:
    assert (api.endpoint, api.context, api.kubeconfig) == ("127.0.0.1:6443", "edge", tmp_path / "k")
    assert api.stats.count == 0


def test_a_list_that_is_too_old_three_times_gives_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def expired(*_: object) -> bytes:
        raise errors.Expired("too old")

    monkeypatch.setattr(Transport, "send", expired)
    with pytest.raises(errors.Expired, match="became too old three times"):
        api.list(PODS)
