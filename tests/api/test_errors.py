"""Every way in which a request can fail, made for real, and the sentence that a person reads about it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters import budgets, wait
from clusters.api import (
    AlreadyExists,
    Api,
    ApiError,
    CertificateInvalid,
    Conflict,
    Forbidden,
    Invalid,
    NoSuchResource,
    NotFound,
    Resource,
    TimedOut,
    Unauthorized,
    Unreachable,
    WebhookFailed,
)
from clusters.api.answers import Asked
from clusters.api.login import log_in
from clusters.api.resources import (
    CONFIG_MAPS,
    IP_ADDRESS_POOLS,
    NODES,
    SERVICES,
    VALIDATING_WEBHOOKS,
)
from clusters.api.transport import Request, Transport
from clusters.checks import Place, may
from clusters.lab import pki
from clusters.preflight.missing_permissions import is_allowed
from tests.api.doubles import https_server, proxy_to
from tests.api.objects import config_map, service
from tests.api.server import Server, free_port, write_kubeconfig


def test_nobody_listens(server: Server, tmp_path: Path) -> None:
    port = free_port()
    path = write_kubeconfig(tmp_path / "k", f"https://127.0.0.1:{port}", server.authority, "admin")

    with pytest.raises(
        Unreachable, match=rf"^The API server at 127\.0\.0\.1:{port} cannot be reached: Connection refused\."
    ):
        Api.connect(path, None).version()


def test_a_host_that_no_name_server_knows(server: Server, tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "k", "https://api.invalid:6443", server.authority, "admin")

    with pytest.raises(Unreachable, match=r"The API server at api\.invalid:6443 cannot be reached"):
        Api.connect(path, None).version()


def test_the_connection_is_taken_and_nothing_is_said(server: Server, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        path = write_kubeconfig(tmp_path / "k", url, server.authority, "admin")
        request = Request(asked=Asked(verb="get", path="/version"), read_timeout=0.2)

        with pytest.raises(TimedOut, match=r"did not answer in time: GET /version\."):
            Transport(log_in(path, None)).send(request)


def test_a_certificate_of_another_authority(server: Server, tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "k", server.url, pki.Authority("stranger"), "admin")

    with pytest.raises(
        CertificateInvalid, match="is not valid: no authority that the kubeconfig names has signed it"
    ):
        Api.connect(path, None).version()


def test_a_certificate_for_another_address(server: Server, tmp_path: Path) -> None:
    with proxy_to(server.port) as proxy:
        path = write_kubeconfig(tmp_path / "k", f"https://{proxy.address}", server.authority, "admin")

        with pytest.raises(CertificateInvalid, match=r"certificate is not valid for '127\.0\.0\.2'"):
            Api.connect(path, None).version()


def test_an_expired_server_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = pki.Authority("ca")
    monkeypatch.setattr(pki, "_LIFE", dt.timedelta(minutes=-1))
    authority.issue("server", served_as=["127.0.0.1"]).write(tmp_path, "server")
    monkeypatch.undo()
    with https_server(tmp_path / "server.crt", tmp_path / "server.key") as (url, _):
        path = write_kubeconfig(tmp_path / "k", url, authority, "admin")

        with pytest.raises(CertificateInvalid, match="is not valid: certificate has expired"):
            Api.connect(path, None).version()


def test_an_expired_login_says_when_it_ended(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "_LIFE", dt.timedelta(minutes=-1))
    path = write_kubeconfig(tmp_path / "k", server.url, server.authority, "jane")

    with pytest.raises(Unauthorized, match=r"\(401\).*client certificate of user 'jane' ended on 20\d\d-"):
        Api.connect(path, None).list(NODES)


def test_a_token_that_nobody_knows(server: Server, tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "k", server.url, server.authority, "jane")
    content = json.loads(path.read_text())
    content["users"][0]["user"] = {"token": "not-a-token"}
    path.write_text(json.dumps(content))

    with pytest.raises(
        Unauthorized, match=r"did not accept the login \(401\) for: list nodes\. Log in again"
    ):
        Api.connect(path, None).list(NODES)


def test_a_missing_permission_is_named_with_verb_resource_and_namespace(server: Server) -> None:
    api = Api.connect(server.kubeconfig_for("jane"), None)

    with pytest.raises(Forbidden) as one:
        api.get(SERVICES, "web", "shop")
    with pytest.raises(Forbidden) as everywhere:
        api.list(IP_ADDRESS_POOLS)

    assert str(one.value) == (
        "User 'jane' may not get services in namespace shop (403). "
        "Give it a role that allows get on services in namespace shop."
    )
    assert (one.value.verb, one.value.resource, one.value.namespace) == ("get", "services", "shop")
    assert (everywhere.value.verb, everywhere.value.resource) == ("list", "ipaddresspools.metallb.io")


def test_what_one_may_do_can_be_asked_before(server: Server, api: Api) -> None:
    wanted = [
        *may("delete", "services"),
        *may("get", "pods/log", place=Place.METALLB),
        *may("get", "/metrics"),
    ]
    jane = Api.connect(server.kubeconfig_for("jane"), None)

    assert [is_allowed(api, use, "shop") for use in wanted] == [True, True, True]
    assert [is_allowed(jane, use, "shop") for use in wanted] == [False, False, False]


def test_a_missing_object_and_a_missing_kind_are_two_things(api: Api, namespace: str) -> None:
    with pytest.raises(NotFound, match=rf"There is no service {namespace}/web in the cluster\.") as caught:
        api.get(SERVICES, "web", namespace)
    assert not isinstance(caught.value, NoSuchResource)

    with pytest.raises(NoSuchResource, match=r"The cluster has no things\.example\.org in version v1\."):
        api.list(Resource("example.org", "v1", "things", "Thing"))


def test_creating_in_a_namespace_that_is_not_there(api: Api) -> None:
    with pytest.raises(NotFound, match="Cannot create configMap nowhere/a: there is no namespaces nowhere"):
        api.create(config_map("a", "nowhere"))


def test_creating_twice(api: Api, namespace: str) -> None:
    api.create(config_map("a", namespace))

    with pytest.raises(AlreadyExists, match=rf"Cannot create configMap {namespace}/a: it exists already\."):
        api.create(config_map("a", namespace))


def test_writing_to_an_older_version_is_a_conflict(api: Api, namespace: str) -> None:
    made = api.create(config_map("a", namespace))
    api.patch(CONFIG_MAPS, "a", {"data": {"k": "1"}}, namespace)
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"k": "2"}}

    with pytest.raises(Conflict, match="object has been modified"):
        api.patch(CONFIG_MAPS, "a", stale, namespace)


def test_deleting_another_object_of_the_same_name_is_a_conflict(api: Api, namespace: str) -> None:
    api.create(config_map("a", namespace))

    with pytest.raises(Conflict):
        api.delete(CONFIG_MAPS, "a", namespace, uid="00000000-0000-0000-0000-000000000000")
    assert api.get(CONFIG_MAPS, "a", namespace)


def test_a_whole_collection_is_never_deleted(api: Api) -> None:
    with pytest.raises(ValueError, match="would delete the whole collection"):
        api.delete(CONFIG_MAPS, "", "default")


def test_an_invalid_object_keeps_the_server_s_words(api: Api, namespace: str) -> None:
    with pytest.raises(Invalid, match=r"refused to create service .*\(422\): .*spec\.ports"):
        api.create(service("web", namespace, ports=[]))


def test_a_webhook_s_no_and_its_words(api: Api, namespace: str, server: Server, tmp_path: Path) -> None:
    server.authority.issue("hook", served_as=["127.0.0.1"]).write(tmp_path, "hook")
    with (
        https_server(tmp_path / "hook.crt", tmp_path / "hook.key") as (url, handler),
        webhook(api, server, url, namespace),
    ):
        handler.denial = 'CIDR "192.0.2.0/28" overlaps with already defined CIDR "192.0.2.0/24"'
        refused = refusal_by_webhook(api, namespace)

    assert isinstance(refused, Invalid)
    assert refused.webhook == "pools.tests.example"
    assert str(refused) == (
        f"Cannot create configMap {namespace}/a: the admission webhook pools.tests.example said no: "
        'CIDR "192.0.2.0/28" overlaps with already defined CIDR "192.0.2.0/24"'
    )


def test_a_webhook_that_cannot_be_asked(api: Api, namespace: str, server: Server) -> None:
    with webhook(api, server, f"https://127.0.0.1:{free_port()}/", namespace):
        refused = refusal_by_webhook(api, namespace)

    assert isinstance(refused, WebhookFailed)
    assert refused.webhook == "pools.tests.example"
    assert re.search(r"pools\.tests\.example could not be asked: .*connection refused", str(refused))


def test_a_dry_run_stores_nothing(api: Api, namespace: str) -> None:
    api.create(config_map("a", namespace), dry_run=True)
    api.apply(config_map("b", namespace), dry_run=True)

    assert api.list(CONFIG_MAPS, namespace, fields="metadata.name!=kube-root-ca.crt") == []


def test_applying_over_somebody_else_s_field_is_a_conflict_until_it_is_forced(
    api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as somebody:
        somebody.setattr("clusters.api.api_client.FIELD_MANAGER", "somebody")
        api.create(config_map("a", namespace, k="theirs"))
    mine = config_map("a", namespace, k="mine")

    with pytest.raises(Conflict, match=r"conflict with .somebody."):
        api.apply(mine)
    assert api.apply(mine, force=True)["data"] == {"k": "mine"}


def test_a_connection_that_breaks_is_tried_again_for_reads(server: Server, tmp_path: Path) -> None:
    with proxy_to(server.port, drops=2) as proxy:
        assert (
            Api.connect(server.kubeconfig_through(proxy.address, tmp_path / "k"), None)
            .version()
            .startswith("v1.")
        )


def refusal_by_webhook(api: Api, namespace: str) -> ApiError | None:
    """What is said to a new object, once the API server knows of the webhook: that takes it a moment."""

    def tried() -> ApiError | None:
        try:
            api.create(config_map("a", namespace), dry_run=True)
        except ApiError as error:
            return error
        return None

    return wait.until(
        "the webhook is asked",
        read=tried,
        accept=lambda said: said is not None,
        budget=budgets.get(budgets.CONFIG_LOADED),
    )


@contextmanager
def webhook(api: Api, server: Server, url: str, namespace: str) -> Iterator[None]:
    name = f"hook-{namespace}"
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
    api.create(
        {
            "apiVersion": VALIDATING_WEBHOOKS.api_version,
            "kind": VALIDATING_WEBHOOKS.kind,
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": "pools.tests.example",
                    "rules": [rule],
                    "clientConfig": {
                        "url": url,
                        "caBundle": base64.b64encode(server.authority.pair.certificate).decode(),
                    },
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "failurePolicy": "Fail",
                }
            ],
        }
    )
    try:
        yield
    finally:
        api.delete(VALIDATING_WEBHOOKS, name)
