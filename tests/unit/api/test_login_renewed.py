"""Logins that end while a run goes on: made anew once, for all who were refused, and only when something is new."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clusters.api import Api, Unauthorized, kubeconfig, login
from clusters.api.resources import CONFIG_MAPS, NODES
from clusters.lab import pki
from tests.unit.api.loopback import Heard, Say, answer, in_turn, serving, status, write_kubeconfig
from tests.unit.api.secure import secure_server

EMPTY = answer({"kind": "NodeList", "metadata": {"resourceVersion": "1"}, "items": []})
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}


def taking(*tokens: str, then: bytes = EMPTY) -> Say:
    """401 to everybody without one of these tokens."""

    def say(heard: Heard) -> bytes:
        return then if heard.one("Authorization") in {f"Bearer {token}" for token in tokens} else status(401)

    return say


def test_a_renewed_token_file_is_read_before_anybody_refuses_the_old_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    with serving(taking("old", "new")) as server:
        api = server.api(tmp_path, tokenFile="token")
        api.list(NODES)
        file.write_text("new\n")
        api.list(NODES)

    assert [heard.one("Authorization") for heard in server.heard] == ["Bearer old", "Bearer new"]


def test_a_kubelet_s_token_is_read_when_its_link_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "mounted"
    for name, token in (("one", "old"), ("two", "new")):
        (mounted / name).mkdir(parents=True)
        (mounted / name / "token").write_text(token)
    (mounted / "..data").symlink_to("one")
    (mounted / "token").symlink_to("..data/token")
    authority = pki.Authority("ca")
    (mounted / "ca.crt").write_bytes(authority.pair.certificate)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with secure_server(authority, tmp_path, taking("old", "new")) as server:
        host, port = server.address.split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        api = Api.connect(kubeconfig.service_account_kubeconfig(mounted), kubeconfig.IN_CLUSTER)
        api.list(NODES)
        (mounted / "..next").symlink_to("two")
        (mounted / "..next").rename(mounted / "..data")
        api.list(NODES)

    assert [heard.one("Authorization") for heard in server.heard] == ["Bearer old", "Bearer new"]


def test_a_token_file_that_looks_the_same_is_read_again_each_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    stamp = file.stat()
    with serving(taking("old", "new")) as server:
        api = server.api(tmp_path, tokenFile="token")
        with file.open("r+") as same:
            same.write("new")
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        api.list(NODES)
        monkeypatch.setattr(login, "_READ_AGAIN", 0.0)
        api.list(NODES)

    assert [heard.one("Authorization") for heard in server.heard] == ["Bearer old", "Bearer new"]


def test_a_token_file_that_is_gone_for_a_moment_costs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")
    with serving(taking("old", "new")) as server:
        api = server.api(tmp_path, tokenFile="token")
        for content in (None, "", "new"):
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_text(content)
            api.list(NODES)

    assert [heard.one("Authorization") for heard in server.heard] == ["Bearer old"] * 2 + ["Bearer new"]


def test_a_refused_write_is_sent_once_more_with_the_kubeconfig_s_new_token(tmp_path: Path) -> None:
    with serving(taking("new", then=answer(OBJECT))) as server:
        api = server.api(tmp_path, token="old")
        server.kubeconfig(tmp_path, token="new")
        api.create(OBJECT)

    assert [(heard.method, heard.one("Authorization")) for heard in server.heard] == [
        ("POST", "Bearer old"),
        ("POST", "Bearer new"),
    ]


def test_a_login_that_is_as_before_is_not_tried_again(tmp_path: Path) -> None:
    with (
        serving(in_turn(status(401))) as server,
        pytest.raises(Unauthorized, match=r"\(401\) for: list nodes"),
    ):
        server.api(tmp_path, token="old").list(NODES)

    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"cluster": {"server": "http://127.0.0.1:1"}},
        {"user": {"token": "new", "as": "somebody-else"}},
        {"user": 5},
    ],
)
def test_a_kubeconfig_that_leads_elsewhere_meanwhile_is_not_followed(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    with serving(taking("new")) as server:
        api = server.api(tmp_path, token="old")
        parts = {"cluster": {"server": server.url}, "user": {"token": "new"}} | changed
        write_kubeconfig(tmp_path / "kubeconfig", parts["cluster"], parts["user"])
        with pytest.raises(Unauthorized):
            api.list(NODES)

    assert {heard.one("Authorization") for heard in server.heard} == {"Bearer old"}


COMMAND = """
import json, os, pathlib, sys
count = pathlib.Path(sys.argv[0]).with_suffix(".count")
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": f"t{number}", "expirationTimestamp": sys.argv[1]}}))
"""


def command(folder: Path, ends: str = "2099-01-01T00:00:00Z") -> dict[str, Any]:
    (folder / "login.py").write_text(COMMAND)
    return {
        "command": sys.executable,
        "args": [str(folder / "login.py"), ends],
        "apiVersion": "client.authentication.k8s.io/v1",
    }


def test_many_threads_that_are_refused_have_the_login_command_run_once(tmp_path: Path) -> None:
    gate = threading.Barrier(8, timeout=10)

    def say(heard: Heard) -> bytes:
        if heard.one("Authorization") == "Bearer t1":
            gate.wait()
            return status(401)
        return EMPTY

    with serving(say) as server:
        api = server.api(tmp_path, exec=command(tmp_path))
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: api.list(NODES), range(8))) == [[]] * 8

    assert (tmp_path / "login.count").read_text() == "2"
    assert [heard.one("Authorization") for heard in server.heard].count("Bearer t2") == 8


def test_a_server_that_refuses_every_login_does_not_make_the_command_run_for_each_request(
    tmp_path: Path,
) -> None:
    with serving(in_turn(status(401))) as server:
        api = server.api(tmp_path, exec=command(tmp_path))
        for _ in range(5):
            with pytest.raises(Unauthorized):
                api.list(NODES)

    assert (tmp_path / "login.count").read_text() == "2"


def test_a_login_command_is_asked_again_only_when_its_token_ends(tmp_path: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=3600)).isoformat()
    with serving(in_turn(EMPTY)) as server:
        api = server.api(tmp_path, exec=command(tmp_path, soon))
        for _ in range(3):
            api.list(NODES)

    assert {heard.one("Authorization") for heard in server.heard} == {"Bearer t1"}


def test_a_login_command_that_fails_at_last_is_what_is_told(tmp_path: Path) -> None:
    plugin = command(tmp_path, "2020-01-01T00:00:00Z")
    with serving(in_turn(EMPTY)) as server:
        api = server.api(tmp_path, exec=plugin)
        (tmp_path / "login.py").write_text("import sys; sys.exit('your session has ended')")
        with pytest.raises(Unauthorized, match=r"gave no credentials: .*your session has ended\."):
            api.list(NODES)

    assert server.heard == []


def test_a_rotated_client_certificate_is_shown_after_the_old_one_was_refused(tmp_path: Path) -> None:
    authority = pki.Authority("ca")
    for name in ("old", "new"):
        authority.issue(name).write(tmp_path, name)
    for end in ("crt", "key"):
        shutil.copy(tmp_path / f"old.{end}", tmp_path / f"client.{end}")

    with secure_server(authority, tmp_path, in_turn(EMPTY), clients=True) as server:
        api = Api.connect(
            server.kubeconfig(
                tmp_path,
                **{"client-certificate": "client.crt", "client-key": "client.key"},
            ),
            None,
        )
        api.list(NODES)
        shutil.copy(tmp_path / "new.crt", tmp_path / "client.crt")
        api.list(NODES)  # only half of the pair is there yet
        shutil.copy(tmp_path / "new.key", tmp_path / "client.key")
        api.list(NODES)

    assert server.clients == ["old", "new"]


def test_the_same_certificate_keeps_its_connections(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old")
    authority = pki.Authority("ca")
    with secure_server(authority, tmp_path, in_turn(EMPTY)) as server:
        api = Api.connect(server.kubeconfig(tmp_path, tokenFile="token"), None)
        api.list(NODES)
        (tmp_path / "token").write_text("newer")
        api.list(NODES)

    assert server.connections == 1
    assert [heard.one("Authorization") for heard in server.heard] == ["Bearer old", "Bearer newer"]


def test_a_watch_is_logged_in_anew_as_well(tmp_path: Path) -> None:
    stop = threading.Event()
    event = {
        "type": "ADDED",
        "object": {**OBJECT, "metadata": {"name": "a", "uid": "u", "resourceVersion": "2"}},
    }

    def say(heard: Heard) -> bytes:
        if "watch=true" not in heard.target:
            return answer({"kind": "ConfigMapList", "metadata": {"resourceVersion": "1"}, "items": []})
        if heard.one("Authorization") != "Bearer new":
            server.kubeconfig(tmp_path, token="new")
            return status(401)
        return answer(json.dumps(event).encode() + b"\n")

    with serving(say) as server:
        changes = server.api(tmp_path, token="old").watch(CONFIG_MAPS, "ns", stop=stop)
        assert next(changes).object["metadata"]["name"] == "a"
        stop.set()
        changes.close()
