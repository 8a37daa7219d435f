"""Whom a kubeconfig says to act as is said with every request."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from clusters.api.resources import CONFIG_MAPS, NODES
from clusters.checks import may
from clusters.preflight.missing_permissions import is_allowed
from tests.unit.api.loopback import Heard, answer, serving

USER: dict[str, Any] = {
    "token": "admin",
    "as": "system:serviceaccount:metallb:observe",
    "as-uid": "0-1",
    "as-groups": ["system:authenticated", "a, b", "naïve", "группа"],
    "as-user-extra": {"example.org/team name": ["one", "two"], "scopes": ["view"]},
}
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}


def say(heard: Heard) -> bytes:
    if "selfsubjectaccessreviews" in heard.target:
        return answer(
            {
                "kind": "SelfSubjectAccessReview",
                "status": {"allowed": "observe" in heard.one("Impersonate-User")},
            }
        )
    if "watch=true" in heard.target:
        metadata = {"name": "a", "uid": "u", "resourceVersion": "2"}
        return answer({"type": "ADDED", "object": {"metadata": metadata}})
    metadata = {"name": "a", "uid": "u", "resourceVersion": "1"}
    return answer(
        {"metadata": metadata, "gitVersion": "v1", "items": []}, Date="Wed, 21 Oct 2026 07:28:00 GMT"
    )


def test_every_request_acts_as_the_user_that_is_named(tmp_path: Path) -> None:
    (may_list,) = may("list", "nodes")
    with serving(say) as server:
        api = server.api(tmp_path, **USER)
        api.list(NODES)
        api.get(NODES, "a")
        api.create(OBJECT)
        api.apply(OBJECT)
        api.patch(CONFIG_MAPS, "a", {}, "ns")
        api.delete(CONFIG_MAPS, "a", "ns")
        api.logs("ns", "p")
        api.pod_http("ns", "p", 1, "/metrics")
        api.raw("/readyz")
        api.version()
        api.uid()
        api.clock_ahead()
        assert is_allowed(api, may_list)
        watch = api.watch(NODES, stop=threading.Event())
        next(watch)
        watch.close()

    assert len(server.heard) == 15
    for heard in server.heard:
        assert heard.one("Authorization") == "Bearer admin"
        assert heard.all("Impersonate-User") == ["system:serviceaccount:metallb:observe"]
        assert heard.all("Impersonate-Uid") == ["0-1"]
        groups = [group.encode("latin-1").decode() for group in heard.all("Impersonate-Group")]
        assert groups == ["system:authenticated", "a, b", "naïve", "группа"]
        assert heard.all("Impersonate-Extra-example.org%2Fteam%20name") == ["one", "two"]
        assert heard.all("Impersonate-Extra-scopes") == ["view"]


def test_without_it_nobody_is_impersonated(tmp_path: Path) -> None:
    with serving(say) as server:
        server.api(tmp_path, token="t").list(NODES)

    assert not [name for name, _ in server.heard[0].headers if name.lower().startswith("impersonate")]


@pytest.mark.parametrize("through", ["proxy-url", "environment"])
def test_through_a_proxy_that_makes_the_request_each_group_stays_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    from clusters.api import Api  # noqa: PLC0415 - only here
    from tests.unit.api.loopback import write_kubeconfig  # noqa: PLC0415 - as above

    with serving(say) as proxy:
        cluster = {"server": "http://api.invalid:8080/base"}
        if through == "environment":
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
        else:
            cluster["proxy-url"] = proxy.url
        Api.connect(write_kubeconfig(tmp_path / "k", cluster, USER), None).list(NODES)

    (heard,) = proxy.heard
    assert heard.target == "http://api.invalid:8080/base/api/v1/nodes?limit=500"
    assert len(heard.all("Impersonate-Group")) == 4
