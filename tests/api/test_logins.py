"""Logins at a real API server: acting as somebody else, and certificates that are replaced while a run goes on."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest

from clusters.api import Api, Forbidden, Unauthorized
from clusters.api.resources import CONFIG_MAPS, NODES
from clusters.checks import may
from clusters.lab import pki
from clusters.preflight.missing_permissions import is_allowed
from tests.api.objects import config_map
from tests.api.server import Server


def acting(server: Server, path: Path, name: str, *groups: str) -> Api:
    """The administrator, who may act as anybody, as somebody."""
    content = json.loads(server.admin.read_text())
    content["users"][0]["user"] |= {"as": name, "as-groups": list(groups)}
    path.write_text(json.dumps(content))
    return Api.connect(path, None)


def test_the_api_server_sees_whom_the_kubeconfig_acts_as(
    server: Server, tmp_path: Path, namespace: str
) -> None:
    (use,) = may("list", "nodes")
    jane = acting(server, tmp_path / "jane", "jane")
    admin = acting(server, tmp_path / "admin", "joan", "somebody", "system:masters")

    with pytest.raises(Forbidden, match="User 'jane' may not list nodes"):
        jane.list(NODES)
    with pytest.raises(Forbidden, match="User 'jane' may not create configmaps"):
        jane.create(config_map("a", namespace))
    with pytest.raises(Forbidden, match="User 'jane' may not list configmaps"):
        next(jane.watch(CONFIG_MAPS, namespace, stop=threading.Event()))
    assert not is_allowed(jane, use)
    assert is_allowed(admin, use)
    assert admin.list(NODES) == []


def test_who_may_not_act_as_somebody_is_told_so(server: Server, tmp_path: Path) -> None:
    content = json.loads(server.kubeconfig_for("jim").read_text())
    content["users"][0]["user"] |= {"as": "admin", "as-groups": ["system:masters"]}
    path = tmp_path / "k"
    path.write_text(json.dumps(content))

    with pytest.raises(Forbidden, match="User 'jim' may not impersonate users"):
        Api.connect(path, None).list(NODES)


def test_a_certificate_that_is_replaced_after_it_was_refused_is_taken_at_once(
    server: Server, tmp_path: Path
) -> None:
    pki.Authority("stranger").issue("jane", ["system:masters"]).write(tmp_path, "client")
    server.authority.issue("jane", ["system:masters"]).write(tmp_path, "next")
    content = json.loads(server.admin.read_text())
    content["users"][0]["user"] = {"client-certificate": "client.crt", "client-key": "client.key"}
    path = tmp_path / "k"
    path.write_text(json.dumps(content))
    api = Api.connect(path, None)

    with pytest.raises(Unauthorized):
        api.list(NODES)
    for end in ("crt", "key"):
        shutil.copy(tmp_path / f"next.{end}", tmp_path / f"client.{end}")

    assert api.list(NODES) == []
