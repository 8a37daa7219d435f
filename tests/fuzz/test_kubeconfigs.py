"""Kubeconfigs that no tool wrote: a login, or a sentence. Nothing is sent, and no login command is there to be run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clusters.api import Api
from tests.fuzz import mutator
from tests.fuzz.tally import judged

_RIGHT = """\
apiVersion: v1
kind: Config
current-context: edge
clusters:
  - name: edge
    cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true, tls-server-name: edge}
  - name: other
    cluster: {server: "http://127.0.0.1:1", proxy-url: "http://127.0.0.1:3128"}
users:
  - name: token
    user: {token: abc, as: system:serviceaccount:metallb-system:observe, as-groups: [g]}
  - name: command
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: no-such-login-command
        args: [get, token]
        env: [{name: A, value: b}]
        interactiveMode: Never
  - name: password
    user: {username: u, password: p}
  - name: provider
    user: {auth-provider: {name: oidc, config: {id-token: x, expiry: "2026-01-01"}}}
contexts:
  - name: edge
    context: {cluster: edge, user: token, namespace: default}
  - name: command
    context: {cluster: other, user: command}
  - name: password
    context: {cluster: other, user: password}
  - name: provider
    context: {cluster: edge, user: provider}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file to be read is."""
    return tmp_path_factory.mktemp("kubeconfig") / "config.yaml"


def _read(place: Path, data: bytes, context: str | None) -> str:
    place.write_bytes(data)
    Api.connect(place, context)
    return "logged in"


@st.composite
def trees(draw: st.DrawFn) -> bytes:
    """A kubeconfig with a few of its values changed."""
    return mutator.as_yaml(draw(mutator.mutations(yaml.safe_load(_RIGHT))))


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A kubeconfig's text, spoilt."""
    return draw(mutator.spoilt_texts(_RIGHT.encode()))


CONTEXTS = st.sampled_from((None, "edge", "command", "password", "provider", "no-such", ""))


@given(data=trees(), context=CONTEXTS)
def test_a_changed_kubeconfig_logs_in_or_is_one_sentence(
    place: Path, data: bytes, context: str | None
) -> None:
    judged("kubeconfigs", lambda: _read(place, data, context))


@given(data=spoilt(), context=CONTEXTS)
def test_a_spoilt_kubeconfig_logs_in_or_is_one_sentence(
    place: Path, data: bytes, context: str | None
) -> None:
    judged("kubeconfigs, as text", lambda: _read(place, data, context))
