"""Provider existing, on a cluster that is simply there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clusters.api import Api, KubeconfigInvalid
from clusters.api.resources import NODES
from clusters.errors import UsageError
from clusters.profile import Profile
from clusters.providers import NodeHost, open_cluster
from tests.api.objects import node
from tests.api.server import Server


def profile(**fields: object) -> Profile:
    known = {"name": "edge", "provider": "existing", "context": "loopback"}
    return Profile.model_validate(known | fields, strict=False)


def test_its_nodes_are_known_by_their_internal_addresses(server: Server, api: Api, namespace: str) -> None:
    made = node(namespace)
    api.create(made)
    addresses = [{"type": "InternalIP", "address": "192.0.2.7"}, {"type": "Hostname", "address": namespace}]
    api.patch(NODES, namespace, {"status": {"addresses": addresses}}, subresource="status")

    with open_cluster(profile(kubeconfig=server.admin)) as cluster:
        assert NodeHost(name=namespace, addresses=("192.0.2.7",)) in cluster.nodes
        assert (cluster.provider, cluster.kubeconfig, cluster.vantage) == ("existing", server.admin, None)
    api.delete(NODES, namespace)


def test_a_login_that_may_not_list_nodes_has_a_cluster_without_them(server: Server) -> None:
    with open_cluster(profile(kubeconfig=server.kubeconfig_for("jane"))) as cluster:
        assert cluster.nodes == ()


def test_the_context_is_looked_for_in_every_file_of_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{server.admin}")

    with open_cluster(profile()) as cluster:
        assert cluster.kubeconfig == server.admin


def test_a_context_that_is_not_there_is_one_sentence(server: Server) -> None:
    with (
        pytest.raises(KubeconfigInvalid, match=r"has no context 'homelab'\. It has: loopback\."),
        open_cluster(profile(kubeconfig=server.admin, context="homelab")),
    ):
        pass


def test_kind_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytest_kind", None)
    for name in [name for name in sys.modules if name.startswith("clusters.providers.kind")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(UsageError, match=r"needs the extra \[kind\], which is not installed"):
        open_cluster(profile(name="local", provider="kind"))
