"""Every reason not to start, at once, from a real API server's answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clusters import preflight
from clusters.api import Api
from clusters.changes import Changes
from clusters.checks import Level
from clusters.errors import ExitCode, Refused
from clusters.journal import STATE_VARIABLE, Journal
from clusters.profile import Profile
from clusters.providers import Cluster
from tests.api.objects import config_map
from tests.api.server import Server, free_port, write_kubeconfig


@dataclass(frozen=True)
class Wanted:
    profile: Profile
    level: Level = Level.OBSERVE
    confirm_cluster: str = ""


def wanted(namespace: str, level: Level = Level.OBSERVE, **fields: Any) -> Wanted:
    known = {
        "name": "edge",
        "provider": "existing",
        "context": "c",
        "namespace": namespace,
        "allow": "disrupt",
    }
    return Wanted(Profile.model_validate(known | fields, strict=False), level)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))


@pytest.fixture
def cluster(server: Server) -> Cluster:
    return Cluster(name="edge", provider="existing", kubeconfig=server.admin, context="loopback")


@pytest.fixture
def metallb(api: Api, namespace: str) -> str:
    """The test's namespace with MetalLB's controller in it, as far as preflight looks at that."""
    api.create(controller(namespace, "quay.io/metallb/controller:v0.15.2"))
    return namespace


def controller(namespace: str, image: str, **labels: str) -> dict[str, Any]:
    labels = labels or {"app": "metallb", "component": "controller"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "controller", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "controller", "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }


def sentences(found: preflight.Preflight) -> list[str]:
    return [problem.sentence for problem in found.problems]


def test_a_cluster_where_all_is_well_gives_its_versions(api: Api, cluster: Cluster, metallb: str) -> None:
    found = preflight.check(wanted(metallb, Level.CREATE), cluster, api)

    assert (found.level, found.metallb_version) == (Level.CREATE, "0.15.2")
    assert found.kubernetes_version == api.version()


def test_an_installation_by_helm_is_found_too(api: Api, cluster: Cluster, namespace: str) -> None:
    labels = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}
    api.create(controller(namespace, "quay.io/metallb/controller:v0.16.2", **labels))

    assert preflight.inspect(wanted(namespace), cluster, api).metallb_version == "0.16.2"


def test_an_old_metallb_is_refused_with_both_versions(api: Api, cluster: Cluster, namespace: str) -> None:
    api.create(controller(namespace, "quay.io/metallb/controller:v0.13.12"))

    assert sentences(preflight.inspect(wanted(namespace), cluster, api)) == [
        "MetalLB 0.13.12 is older than 0.14.2, the oldest that the checks know."
    ]


def test_no_metallb_at_all(api: Api, cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Refused, match=f"There is no MetalLB controller in namespace {namespace}") as caught:
        preflight.check(wanted(namespace), cluster, api)
    assert caught.value.exit_code is ExitCode.REFUSED


def test_a_login_without_rights_is_told_each_one_that_it_lacks(
    server: Server, cluster: Cluster, namespace: str
) -> None:
    jane = Api.connect(server.kubeconfig_for("jane"), None)

    found = preflight.inspect(wanted(namespace), cluster, jane)

    assert sentences(found)[0] == "User 'jane' may not get namespaces in namespace kube-system (403)."
    assert "This login may not get, list nodes." in sentences(found)


def test_a_login_that_may_only_see_namespaces_is_told_all_the_rest_at_once(
    server: Server, api: Api, cluster: Cluster, namespace: str
) -> None:
    grant(api, "joe", {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list"]})
    joe = Api.connect(server.kubeconfig_for("joe"), None)

    with pytest.raises(Refused) as caught:
        preflight.check(wanted(namespace, Level.CREATE), cluster, joe)

    text = str(caught.value)
    assert "reasons not to start against edge:\n  1. " in text
    assert "This login may not get, list, create, delete, patch services." in text
    assert f"This login may not list ipaddresspools.metallb.io in namespace {namespace}." in text
    assert f"This login may not get pods/log in namespace {namespace}." in text
    assert "This login may not create, delete, patch namespaces." in text
    assert "get, list namespaces" not in text
    assert "nodes" not in text.replace("get, list nodes", "")


def grant(api: Api, user: str, rule: dict[str, Any]) -> None:
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "ClusterRole", "name": user}
    subject = {"apiGroup": group, "kind": "User", "name": user}
    base = {"apiVersion": f"{group}/v1", "metadata": {"name": user}}
    api.create({**base, "kind": "ClusterRole", "rules": [rule]})
    api.create({**base, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [subject]})


def test_a_cluster_that_is_away_is_the_only_problem(server: Server, cluster: Cluster, tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{free_port()}"
    away = Api.connect(write_kubeconfig(tmp_path / "away", url, server.authority, "admin"), None)

    found = preflight.inspect(wanted("metallb-system"), cluster, away)

    assert len(found.problems) == 1
    assert "cannot be reached" in sentences(found)[0]


def test_disrupting_what_is_not_disposable_needs_the_uid(api: Api, cluster: Cluster, metallb: str) -> None:
    asked = wanted(metallb, Level.DISRUPT)

    found = preflight.inspect(asked, cluster, api)
    assert found.problems[0].remedy == f"To allow that, add --confirm-cluster {api.uid()}"

    confirmed = Wanted(asked.profile, Level.DISRUPT, api.uid())
    assert preflight.check(confirmed, cluster, api).level is Level.DISRUPT


def dead_run(api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as past:
        past.setattr("psutil.Process.create_time", lambda _: 0.0)
        journal = Journal.for_run("dead", cluster="edge")
        Changes(api, journal, "dead").create(config_map("left", namespace), foreign="test")
        journal.close()
    return journal.path


def test_what_an_earlier_run_left_is_swept_first(
    api: Api, cluster: Cluster, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dead_run(api, metallb, monkeypatch)

    with pytest.raises(
        Refused, match=r"Run dead ended without undoing 1 of its changes\. Undo them: .*sweep"
    ):
        preflight.check(wanted(metallb, Level.CREATE), cluster, api)
    assert preflight.check(wanted(metallb), cluster, api).problems == ()
    assert path.exists()


def test_what_was_left_in_an_earlier_lab_is_forgotten(
    api: Api, cluster: Cluster, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dead_run(api, metallb, monkeypatch)
    lab = wanted(metallb, Level.CREATE, provider="lab", disposable=True)
    assert len(preflight.inspect(lab, cluster, api).problems) == 1

    monkeypatch.setattr(Api, "uid", lambda _: "a-new-lab")
    assert preflight.check(lab, cluster, api).problems == ()
    assert not path.exists()
