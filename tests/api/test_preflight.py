"""Every reason not to start, at once, from a real API server's answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clusters import preflight, wait
from clusters.api import Api, NoSuchResource
from clusters.api.resources import (
    BGP_ADVERTISEMENTS,
    CUSTOM_RESOURCE_DEFINITIONS,
    IP_ADDRESS_POOLS,
    L2_ADVERTISEMENTS,
    LEASES,
    Resource,
)
from clusters.budgets import Budget
from clusters.changes import Changes, cluster_lease
from clusters.checks import CheckSpec, Level, Place, may
from clusters.errors import ConformanceError, ExitCode, Refused
from clusters.journal import STATE_VARIABLE, Journal
from clusters.profile import Profile
from clusters.providers import Cluster, NodeHost, open_cluster
from clusters.vantage import NetnsVantage
from tests.api.objects import config_map
from tests.api.server import Server, free_port, write_kubeconfig
from tests.wire.segment import segment


@dataclass(frozen=True)
class Wanted:
    profile: Profile
    level: Level = Level.OBSERVE
    confirm_cluster: str = ""
    run_id: str = "ours"


def wanted(namespace: str, level: Level = Level.OBSERVE, **fields: Any) -> Wanted:
    known = {
        "name": "edge",
        "provider": "existing",
        "context": "c",
        "namespace": namespace,
        "allow": "disrupt",
    }
    return Wanted(Profile.model_validate(known | fields, strict=False), level)


LOOKING = CheckSpec(
    id="health.looks",
    title="",
    promise="",
    runbook=("1",),
    level=Level.OBSERVE,
    uses=may("get", "roles.rbac.authorization.k8s.io"),
)
MAKING = CheckSpec(
    id="allocation.makes",
    title="",
    promise="",
    runbook=("shape",),
    level=Level.CREATE,
    uses=may("create delete", "services", "namespaces"),
)


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


SOON = Budget(
    name="test.soon", within=20, every=0.1, reason="A new kind of object is served in a second or so."
)


@contextmanager
def served(api: Api, namespace: str, *kinds: Resource) -> Iterator[None]:
    """MetalLB's namespace, on an API server that knows these kinds of MetalLB's."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    for kind in kinds:
        names = {"plural": kind.plural, "kind": kind.kind, "listKind": f"{kind.kind}List"}
        api.create(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{kind.plural}.metallb.io"},
                "spec": {
                    "group": "metallb.io",
                    "scope": "Namespaced",
                    "names": names,
                    "versions": [version],
                },
            }
        )
        wait.until(
            f"{kind.plural} are served",
            read=lambda kind=kind: api.list(kind, namespace),
            accept=lambda found: found == [],
            budget=SOON,
            tolerate=(NoSuchResource,),
        )
    yield
    made = {f"{kind.plural}.metallb.io" for kind in kinds}
    for name in made:
        api.delete(CUSTOM_RESOURCE_DEFINITIONS, name)
    wait.until(
        "the definitions are gone",
        read=lambda: [one["metadata"]["name"] for one in api.list(CUSTOM_RESOURCE_DEFINITIONS)],
        accept=lambda names: not made & set(names),
        budget=SOON,
    )


@pytest.fixture
def pools(api: Api, metallb: str) -> Iterator[str]:
    """MetalLB's namespace, on an API server that knows pools."""
    with served(api, metallb, IP_ADDRESS_POOLS):
        yield metallb


def pool(namespace: str, name: str, *addresses: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"addresses": list(addresses), **spec},
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


def needs(*specs: CheckSpec) -> preflight.Needs:
    return preflight.needs_of(specs, max((spec.level for spec in specs), key=lambda level: level.rank))


def test_a_login_without_rights_is_told_each_one_that_it_lacks(
    server: Server, cluster: Cluster, namespace: str
) -> None:
    jane = Api.connect(server.kubeconfig_for("jane"), None)

    found = sentences(preflight.inspect(wanted(namespace), cluster, jane, needs=needs(LOOKING)))

    assert "This login may not get namespaces in namespace kube-system." in found
    assert "This login may not list nodes." in found
    assert f"This login may not get pods/log in namespace {namespace}." in found
    assert f"This login may not list replicasets.apps in namespace {namespace}." in found
    assert not [sentence for sentence in found if "/metrics" in sentence or "portforward" in sentence]
    assert "This login may not get roles.rbac.authorization.k8s.io, which health.looks needs." in found


def test_a_login_that_may_read_metallbs_namespace_runs_and_is_told_what_it_will_not_see(
    server: Server, api: Api, cluster: Cluster, metallb: str
) -> None:
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    grant(api, "ann", rule, namespace=metallb)
    ann = Api.connect(server.kubeconfig_for("ann"), None)

    found = preflight.check(wanted(metallb), cluster, ann, needs=needs(LOOKING))

    assert found.metallb_version == "0.15.2"
    (note,) = found.notes
    assert "deploy/rbac/observe.yaml allows it all" in note
    assert "; list services; " in note
    assert f"in namespace {metallb}" not in note


def test_what_a_check_that_changes_something_needs_is_needed_before_it_begins(
    server: Server, api: Api, cluster: Cluster, namespace: str
) -> None:
    grant(api, "joe", {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]})
    joe = Api.connect(server.kubeconfig_for("joe"), None)

    with pytest.raises(Refused) as caught:
        preflight.check(wanted(namespace, Level.CREATE), cluster, joe, needs=needs(LOOKING, MAKING))

    text = str(caught.value)
    assert "reasons not to start against edge:\n  1. " in text
    assert (
        "This login may not create, delete services, which allocation.makes needs. Give this login the role"
        in text
    )
    assert "This login may not create, delete namespaces, which allocation.makes needs." in text
    assert (
        f"This login may not patch, delete, create leases.coordination.k8s.io in namespace {namespace}."
        in text
    )


def grant(api: Api, user: str, rule: dict[str, Any], *, namespace: str = "") -> None:
    group = "rbac.authorization.k8s.io"
    prefix = "" if namespace else "Cluster"
    role = {"apiGroup": group, "kind": f"{prefix}Role", "name": user}
    subject = {"apiGroup": group, "kind": "User", "name": user}
    metadata = {"name": user, "namespace": namespace} if namespace else {"name": user}
    base = {"apiVersion": f"{group}/v1", "metadata": metadata}
    api.create({**base, "kind": f"{prefix}Role", "rules": [rule]})
    api.create({**base, "kind": f"{prefix}RoleBinding", "roleRef": role, "subjects": [subject]})


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


@pytest.mark.parametrize(("image", "said"), [("v0.16.2", 0), ("v0.17.0", 1), ("v0.17.0-rc1", 1), ("main", 0)])
def test_a_metallb_that_nobody_has_compared_is_refused(
    api: Api, cluster: Cluster, namespace: str, *, image: str, said: int
) -> None:
    api.create(controller(namespace, f"quay.io/metallb/controller:{image}"))

    found = [
        text for text in sentences(preflight.inspect(wanted(namespace), cluster, api)) if "MetalLB" in text
    ]

    assert len(found) == said
    assert all("is newer than 0.16, the newest that the checks know" in text for text in found)


@pytest.mark.parametrize(
    ("version", "problem", "note"),
    [
        ("v1.22.17", "Kubernetes v1.22.17 is older than 1.24, the oldest that the checks know.", ""),
        ("v1.30.3-gke.100", "", ""),
        ("v1.99.0", "", "Kubernetes v1.99.0 is newer than 1.35, the newest tested"),
    ],
)
def test_kubernetes_own_version(
    api: Api,
    cluster: Cluster,
    metallb: str,
    *,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    problem: str,
    note: str,
) -> None:
    monkeypatch.setattr(Api, "version", lambda _: version)

    found = preflight.inspect(wanted(metallb), cluster, api)

    assert sentences(found) == ([problem] if problem else [])
    assert list(found.notes) == ([note] if note else [])


def test_another_cluster_than_the_profile_is_for(api: Api, cluster: Cluster, metallb: str) -> None:
    right, wrong = wanted(metallb, uid=api.uid()), wanted(metallb, uid="another")

    assert preflight.inspect(right, cluster, api).problems == ()
    assert sentences(preflight.inspect(wrong, cluster, api)) == [
        f"The context of profile edge leads to cluster {api.uid()}, and the profile is for another."
    ]


def test_a_cluster_that_is_confirmed_wrongly_is_not_even_looked_at(
    api: Api, cluster: Cluster, metallb: str
) -> None:
    mistaken = Wanted(wanted(metallb).profile, Level.OBSERVE, "another")

    assert sentences(preflight.inspect(mistaken, cluster, api)) == [
        f"--confirm-cluster another is not the cluster of profile edge: that is {api.uid()}."
    ]


def test_the_permissions_of_the_selected_checks_are_named_with_them(
    server: Server, api: Api, cluster: Cluster, metallb: str
) -> None:
    grant(api, "looker", {"apiGroups": ["", "apps"], "resources": ["*"], "verbs": ["get", "list"]})
    looker = Api.connect(server.kubeconfig_for("looker"), None)
    users = [f"failover.{letter}" for letter in "abcd"]
    required = dict.fromkeys(may("list delete", "pods", place=Place.METALLB), users)

    found = preflight.inspect(wanted(metallb), cluster, looker, needs=preflight.Needs(required=required))

    assert sentences(found) == [
        f"This login may not delete pods in namespace {metallb}, which failover.a, failover.b, failover.c and "
        "1 more need."
    ]


@pytest.mark.parametrize(("seconds", "which"), [(-120, "behind"), (120, "ahead of"), (-3, ""), (3, "")])
def test_clocks_that_differ(
    api: Api, cluster: Cluster, metallb: str, *, monkeypatch: pytest.MonkeyPatch, seconds: int, which: str
) -> None:
    moved = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=time.monotonic)
    monkeypatch.setattr("clusters.api.api_client.time", moved)

    found = sentences(preflight.inspect(wanted(metallb), cluster, api))

    assert len(found) == bool(which)
    assert all(f"s {which} the API server's; 5 s are allowed." in text for text in found)


@pytest.mark.parametrize(("reserve", "said"), [(1, 0), (2, 1)])
def test_a_create_run_leaves_the_reserve_free(
    api: Api, cluster: Cluster, pools: str, *, reserve: int, said: int
) -> None:
    api.create(pool(pools, "small", "192.0.2.10-192.0.2.11"))
    api.create(pool(pools, "kept", "192.0.2.20-192.0.2.99", autoAssign=False))

    observed = preflight.inspect(wanted(pools, reserve=reserve), cluster, api)
    found = sentences(preflight.inspect(wanted(pools, Level.CREATE, reserve=reserve), cluster, api))

    assert observed.problems == ()
    assert (
        found
        == [
            "The pools have 2 free addresses left for new services; this level takes up to 1 for a while and keeps "
            "2 in reserve."
        ][:said]
    )


@pytest.fixture
def on_segment(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with a vantage at 10.77.0.1/24 that has no other way."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    with segment("a") as lan, NetnsVantage(lan["client"].netns) as vantage:
        yield replace(cluster, vantage=vantage)


def test_a_vantage_on_no_pools_segment_is_refused_what_would_make_something_there(
    api: Api, on_segment: Cluster, pools: str
) -> None:
    api.create(pool(pools, "far", "192.0.2.10-192.0.2.11", "198.51.100.0/24"))
    (found,) = sentences(preflight.inspect(wanted(pools, Level.CREATE), on_segment, api))
    assert found.startswith("Vantage netns:")
    assert "is not on the segment of the pools' addresses (192.0.2.11: " in found
    assert "198.51.100.128: " in found

    looked = preflight.inspect(wanted(pools), on_segment, api)
    assert looked.problems == ()
    assert "is on the segment of no pool (192.0.2.11: " in looked.notes[0]
    assert "or the pools are for one; the checks say what is proved" in looked.notes[0]

    api.create(pool(pools, "near", "10.77.0.200-10.77.0.210"))
    mixed = preflight.inspect(wanted(pools), on_segment, api)
    assert mixed.problems == ()
    assert "is not on the segment of every pool (192.0.2.11: " in mixed.notes[0]


def test_addresses_that_are_routed_by_design_need_no_vantage_on_their_segment(
    api: Api, on_segment: Cluster, pools: str
) -> None:
    api.create(pool(pools, "far", "192.0.2.10-192.0.2.11"))

    by_other = preflight.inspect(wanted(pools, announced_by="other"), on_segment, api)
    with served(api, pools, L2_ADVERTISEMENTS, BGP_ADVERTISEMENTS):
        advertisement = {"metadata": {"name": "all", "namespace": pools}, "spec": {}}
        api.create({"apiVersion": "metallb.io/v1beta1", "kind": "BGPAdvertisement", **advertisement})
        by_bgp = preflight.inspect(wanted(pools), on_segment, api)

    assert by_other.problems == by_bgp.problems == ()
    assert "is not on the segment of every pool" in by_bgp.notes[0]


def test_a_pod_as_the_vantage_is_noted_as_none_outside(api: Api, cluster: Cluster, pools: str) -> None:
    api.create(pool(pools, "near", "10.77.0.200-10.77.0.210"))

    found = preflight.inspect(wanted(pools, vantage="pod"), cluster, api)

    assert found.problems == ()
    assert "nothing is measured from outside: the profile's vantage is a pod" in found.notes[0]


def test_a_vantage_that_is_a_node_is_refused(api: Api, on_segment: Cluster, pools: str) -> None:
    api.create(pool(pools, "near", "10.77.0.200-10.77.0.210"))
    on_node = replace(on_segment, nodes=(NodeHost(name="w1", addresses=("10.77.0.1",)),))

    (found,) = sentences(preflight.inspect(wanted(pools), on_node, api))

    assert found.endswith("is node w1 itself, and a node sees only its own ARP replies.")


def held_by(api: Api, namespace: str, level: Level) -> Changes:
    changes = Changes(api, Journal.for_run("other", cluster="elsewhere"), "other")
    changes.take_lease(namespace, level)
    return changes


@pytest.mark.parametrize(
    ("theirs", "ours", "refused"),
    [
        (Level.CREATE, Level.OBSERVE, False),
        (Level.CREATE, Level.CREATE, True),
        (Level.DISRUPT, Level.OBSERVE, True),
        (Level.DISRUPT, Level.CREATE, True),
    ],
)
def test_another_run_that_is_active(
    api: Api, cluster: Cluster, metallb: str, *, theirs: Level, ours: Level, refused: bool
) -> None:
    other = held_by(api, metallb, theirs)

    found = sentences(preflight.inspect(wanted(metallb, ours), cluster, api))
    other.undo_all()

    assert [text.partition(" (until")[0] for text in found] == [
        f"Run other on {os.uname().nodename} holds the cluster at level {theirs}"
    ][:refused]
    assert preflight.inspect(wanted(metallb, ours), cluster, api).problems == ()


def test_looking_takes_no_hold(api: Api, cluster: Cluster, metallb: str) -> None:
    preflight.check(wanted(metallb, Level.CREATE), cluster, api)

    assert api.list(LEASES, metallb) == []


def test_the_hold_of_a_run_that_died_here_is_the_sweeps_matter(
    api: Api, cluster: Cluster, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as past:
        past.setattr("psutil.Process.create_time", lambda _: 0.0)
        Changes(api, Journal.for_run("dead", cluster="edge"), "dead").take_lease(metallb, Level.CREATE)

    found = sentences(preflight.inspect(wanted(metallb, Level.CREATE), cluster, api))

    assert found == ["Run dead ended without undoing 1 of its changes."]
    api.delete(LEASES, cluster_lease.NAME, metallb)


def test_everything_that_is_wrong_is_told_at_once(
    server: Server, api: Api, pools: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "clusters.api.api_client.time",
        SimpleNamespace(time=lambda: time.time() + 60, monotonic=time.monotonic),
    )
    other = held_by(api, pools, Level.DISRUPT)
    dead_run(api, pools, monkeypatch)
    fields = {
        "context": "loopback",
        "kubeconfig": str(server.admin),
        "vantage": "netns:nowhere",
        "uid": "another",
    }
    asked = wanted(pools, Level.CREATE, **fields)

    with open_cluster(asked.profile) as cluster, pytest.raises(Refused) as caught:
        preflight.check(asked, cluster, api)
    other.undo_all()

    text = str(caught.value)
    assert text.startswith("6 reasons not to start against edge:\n")
    for part in (
        "There is no network namespace nowhere",
        "the profile is for another",
        "This machine's clock is",
        "Run dead ended without undoing",
        "The pools have 0 free addresses",
        "Run other on",
    ):
        assert part in text


def test_a_missing_context_is_told_with_what_else_is_missing(
    server: Server, api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_run(api, namespace, monkeypatch)
    fields = {"context": "homelab", "kubeconfig": str(server.admin), "vantage": "netns:nowhere"}
    asked = wanted(namespace, Level.CREATE, **fields)

    with pytest.raises(ConformanceError) as caught, open_cluster(asked.profile):
        pass
    told = str(preflight.unopened(asked, caught.value))

    assert told.startswith("3 reasons not to start against edge:")
    assert all(
        part in told for part in ("has no context 'homelab'", "no network namespace nowhere", "Run dead")
    )


def test_an_expired_login_is_told_with_what_else_is_missing(
    server: Server, tmp_path: Path, namespace: str
) -> None:
    stranger = write_kubeconfig(tmp_path / "stranger", server.url, type(server.authority)("another"), "admin")
    content = stranger.read_text()
    assert content
    fields = {"context": "loopback", "kubeconfig": str(stranger), "vantage": "netns:nowhere"}
    asked = wanted(namespace, **fields)

    with open_cluster(asked.profile) as cluster:
        found = preflight.inspect(asked, cluster, Api.connect(stranger, None))

    assert len(found.problems) == 2
    assert "no network namespace nowhere" in sentences(found)[1]


def test_the_sweep_is_typed_as_the_profile_was(
    api: Api, cluster: Cluster, metallb: str, *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_run(api, metallb, monkeypatch)
    file = tmp_path / "edge.yaml"

    found = preflight.inspect(wanted(metallb, Level.CREATE, source=file), cluster, api)

    assert found.problems[0].remedy == f"Undo them: python -m clusters.sweep --cluster {file}"
