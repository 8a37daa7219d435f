"""The shipped roles on a real API server: each is enough for its level, and the audit log tells what was done with it.

Taken away from it, each rule is missed, and named.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from clusters import preflight, profile, wait
from clusters.api import Api, ApiError, Forbidden
from clusters.api.resources import CLUSTER_ROLES, DEPLOYMENTS, ROLES, SERVICES
from clusters.changes.undo import RUN_LABEL
from clusters.changes.workspace import WORKLOADS
from clusters.checks import Access, Level, Place, may
from clusters.diagnosis import Diagnosis
from clusters.diagnosis.answers import health
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.plan import LabOptions
from clusters.observation.cluster_part import OBSERVATION
from clusters.observation.collecting import collect
from clusters.preflight import Needs, needs_of
from clusters.preflight.missing_permissions import is_allowed
from clusters.profile import Profile
from clusters.providers import Cluster
from clusters.providers.lab_cluster import metrics_answer
from clusters.workloads import builders
from suites.plugin.declare import load
from suites.rbac import ROLES as SHIPPED
from suites.rbac import Role
from tests.lab.accounts import Account, asks_for_itself, is_tried, name_of
from tests.lab.tools import ROOT, SOON, Kubectl

Json = dict[str, Any]
SPECS = [one.spec for one in load(ROOT / "suites").values()]
#: What the checks of a level may do to objects that no run has made; all else is the run's own.
FOREIGN = {
    "observe": set(),
    "create": set(),
    "create-own-namespaces": set(),
    # A drill takes MetalLB away and makes it again, and lets services ask for the addresses that they hold.
    "disrupt": {
        *{("delete", "pods"), ("patch", "nodes"), ("patch", "services")},
        *itertools.product(
            ("create", "delete"), ("deployments", "daemonsets", "validatingwebhookconfigurations")
        ),
    },
}
QUICK = {
    "observe": (),
    "create": ("-k", "allocation.exhausted"),
    "create-own-namespaces": ("-k", "allocation.requested"),
    "disrupt": ("-k", "failover.controller-restart or failover.node-excluded"),
}
WHOLE = {
    "create": ("-m", "create"),
    "create-own-namespaces": ("-m", "create"),
    "disrupt": ("-m", "disrupt"),
}


@pytest.fixture(scope="module")
def lab(as_root: None) -> Iterator[Lab]:
    """A lab of its own: elsewhere nodes are cut off, and the logs of their speakers tell of it for a while."""
    name = f"r{os.getpid()}"
    try:
        made = life.up(LabOptions(name=name))
        metrics_answer(made, "metallb-system", pods=len(made.nodes) + 1)
        yield made
    finally:
        life.down(name)


@pytest.fixture(scope="module")
def kubectl(lab: Lab) -> Kubectl:
    return Kubectl(lab)


@pytest.fixture(scope="module")
def accounts(lab: Lab, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Account]:
    folder = tmp_path_factory.mktemp("accounts")
    return {role.file: Account(lab, role.file, folder, kubectl).made() for role in SHIPPED}


@pytest.mark.parametrize(
    ("role", "chosen"),
    [
        *QUICK.items(),
        *(pytest.param(role, chosen, marks=pytest.mark.full) for role, chosen in WHOLE.items()),
    ],
)
def test_a_level_passes_with_its_role_and_touches_only_what_is_its_own(
    accounts: dict[str, Account], lab: Lab, role: str, chosen: tuple[str, ...]
) -> None:
    account = accounts[role]

    code, results, output = account.run(*chosen)

    assert code == 0, output
    assert {check["outcome"] for check in results["checks"]} <= {"passed", "not_supported"}
    asked = account.written()
    assert any(asks_for_itself(event) for event in asked)
    if role == "observe":
        # Its role does not even allow to try a pool, and the run does without.
        assert [event["responseStatus"]["code"] for event in asked if is_tried(event)] == [403]
    done = [event for event in asked if not asks_for_itself(event) and not is_tried(event)]
    assert bool(done) == (role != "observe")
    labelled = {name_of(event) for event in done if event["verb"] == "create" and labels(event, results)}
    foreign = [event for event in done if name_of(event) not in labelled]
    assert {(event["verb"], event["objectRef"]["resource"]) for event in foreign} <= FOREIGN[role]
    made = {event["objectRef"]["namespace"] for event in done if is_workload(event)} - {"metallb-system"}
    if role != "observe":
        own = {f"mlc-{results['run']['id']}"} if role == "create-own-namespaces" else {WORKLOADS}
        assert made == own
    admin = Api.connect(lab.kubeconfig, None)
    assert {each["metadata"]["name"] for each in admin.list(SERVICES, WORKLOADS)} == set()
    assert {each["metadata"]["name"] for each in admin.list(DEPLOYMENTS, WORKLOADS)} == set()


def is_workload(event: Json) -> bool:
    """Whether a workload or a service was created."""
    return event["verb"] == "create" and event["objectRef"]["resource"] in {"deployments", "services"}


def labels(event: Json, results: Json) -> bool:
    """Whether what was created carries the run's label."""
    found = event["requestObject"]["metadata"].get("labels") or {}
    return bool(found.get(RUN_LABEL) == results["run"]["id"])


@pytest.mark.parametrize("place", ["kube-system", "default", "metallb-system", "metallb-conformance"])
def test_who_may_create_makes_no_workload_elsewhere(accounts: dict[str, Account], place: str) -> None:
    """Asked, and tried: who creates a pod in a namespace is whoever runs there."""
    api = Api.connect(accounts["create"].kubeconfig, None)
    writes = may(
        "create patch delete", "deployments.apps", "pods", "services", "daemonsets.apps", "serviceaccounts",
        "secrets", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io", place=Place.METALLB,
    )  # fmt: skip

    assert [use for use in writes if is_allowed(api, use, place)] == []
    with pytest.raises(Forbidden):
        api.create(builders.echo_deployment("elsewhere", namespace=place))


def test_who_may_create_changes_nothing_of_the_whole_cluster(accounts: dict[str, Account]) -> None:
    api = Api.connect(accounts["create"].kubeconfig, None)
    resources = (
        "namespaces", "nodes", "persistentvolumes", "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebindings.rbac.authorization.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io", "deployments.apps", "services", "pods",
    )  # fmt: skip

    assert [use for use in may("create patch delete", *resources) if is_allowed(api, use)] == []
    with pytest.raises(Forbidden):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mlc-own"}})


def test_what_it_may_create_is_restricted(accounts: dict[str, Account], lab: Lab) -> None:
    """A pod of the namespace for workloads gets no folder of its node, whatever the Deployment asks for."""
    admin = Api.connect(lab.kubeconfig, None)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "greedy", "namespace": WORKLOADS},
        "spec": {
            "containers": [{"name": "x", "image": "x"}],
            "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
        },
    }

    with pytest.raises(ApiError, match="violates PodSecurity"):
        admin.create(pod, dry_run=True)


def test_a_namespace_that_nobody_made_is_named_in_one_sentence(
    accounts: dict[str, Account], lab: Lab
) -> None:
    account = accounts["create"]
    api = Api.connect(account.kubeconfig, None)
    told = {}
    for name in ("nobody-made-it", "default"):
        chosen = profile.load(str(account.profile)).model_copy(update={"workloads_namespace": name})
        cluster = Cluster(name="rbac", provider="existing", kubeconfig=account.kubeconfig, context=lab.name)
        found = preflight.inspect(Wanted(chosen, Level.CREATE), cluster, api, needs=needs_with(SHIPPED[1]))
        told[name] = [problem.sentence for problem in found.problems]

    assert told["nobody-made-it"] == [
        "There is no namespace nobody-made-it, in which this run would make its workloads."
    ]
    (sentence,) = told["default"]
    assert sentence.startswith("This login may not ")
    assert "create services" not in sentence.partition(" in namespace default")[2]
    assert sentence.endswith("the role for it is missing there.")


@dataclass(frozen=True)
class Rule:
    """One rule of a shipped role."""

    role: Role
    kind: str
    namespace: str
    rule: tuple[str, ...]
    content: str

    @property
    def id(self) -> str:
        """For people."""
        return "-".join((self.role.file, self.namespace or "cluster", *self.rule))


def rules() -> Iterator[Rule]:
    for role in SHIPPED:
        for thing in yaml.safe_load_all((ROOT / "deploy/rbac" / f"{role.file}.yaml").read_text()):
            for rule in thing.get("rules", ()):
                names = rule.get("resources") or rule["nonResourceURLs"]
                content = yaml.safe_dump(rule)
                yield Rule(role, thing["kind"], thing["metadata"].get("namespace", ""), tuple(names), content)


#: One of each kind: seen by the observation, asked for by preflight alone, created, a subresource.
SAMPLE = {
    "observe-cluster-nodes", "observe-kube-node-lease-leases", "observe-metallb-system-pods/log",
    "create-metallb-conformance-workloads-services", "create-own-namespaces-cluster-services",
    "disrupt-metallb-system-pods",
}  # fmt: skip


@pytest.mark.parametrize(
    "rule",
    [pytest.param(one, id=one.id, marks=() if one.id in SAMPLE else pytest.mark.full) for one in rules()],
)
def test_a_rule_that_is_missing_is_named_with_verb_and_resource(
    accounts: dict[str, Account], lab: Lab, rule: Rule
) -> None:
    account = accounts[rule.role.file]
    admin, api = Api.connect(lab.kubeconfig, None), Api.connect(account.kubeconfig, None)
    needs, workloads = needs_with(rule.role), "" if rule.role.own_namespaces else WORKLOADS
    uses = [use for use in (*needs.required, *needs.optional) if covers(rule, use)]
    assert uses

    with without(admin, rule):
        wait.until(
            "the rule is no longer in force",
            read=lambda: [use for use in uses if is_allowed(api, use, "metallb-system", workloads)],
            accept=lambda allowed: len(allowed) < len(uses),
            budget=SOON,
        )
        missing = [use for use in uses if not is_allowed(api, use, "metallb-system", workloads)]
        wanted = Wanted(profile.load(str(account.profile)), rule.role.level)
        cluster = Cluster(name="rbac", provider="existing", kubeconfig=account.kubeconfig, context=lab.name)
        found = preflight.inspect(wanted, cluster, api, needs=needs)
        answers = Diagnosis(collect(api)) if not found.problems else None

    told = [*(problem.sentence for problem in found.problems), *found.notes]
    for use in missing:
        where = use.namespace("metallb-system", workloads)
        place = f" in namespace {where}" if where else ""
        named = [text for text in told if use.verb in text and f" {use.resource}" in text and place in text]
        assert named, told
    if any(use in needs.required for use in missing):
        assert found.problems
    elif answers is not None and any(use in OBSERVATION and seen(use) for use in missing):
        unseen = health.how_far(answers).missing
        assert unseen
        assert any(use.plural in text for text in unseen for use in missing)


@dataclass(frozen=True)
class Wanted:
    """What a run is asked to do."""

    profile: Profile
    level: Level
    confirm_cluster: str = ""
    run_id: str = "roles"


def needs_with(role: Role) -> Needs:
    """What all checks of the role's level need."""
    needs = needs_of([spec for spec in SPECS if role.level.allows(spec.level)], role.level)
    return needs.with_own_namespace() if role.own_namespaces else needs


def covers(rule: Rule, use: Access) -> bool:
    content = yaml.safe_load(rule.content)
    if use.is_path:
        return use.resource in content.get("nonResourceURLs", ())
    plural = "/".join(part for part in (use.plural, use.subresource) if part)
    same = plural in content.get("resources", ()) and use.group in content.get("apiGroups", ())
    place = use.namespace("metallb-system", "" if rule.role.own_namespaces else WORKLOADS)
    return same and use.verb in content["verbs"] and place == rule.namespace


def seen(use: Access) -> bool:
    """Whether a refusal of it shows in an observation of this lab: it lists the thing, and the lab has it."""
    return (use.verb == "list" and use.group != "cilium.io") or use.subresource == "log"


@contextmanager
def without(admin: Api, rule: Rule) -> Iterator[None]:
    """The rule taken out of its role for the block."""
    resource, name = (ROLES if rule.namespace else CLUSTER_ROLES), f"metallb-conformance-{rule.role.file}"
    place, gone = rule.namespace or None, yaml.safe_load(rule.content)
    before = admin.get(resource, name, place)["rules"]
    left = [one for one in before if one != gone]
    assert len(left) == len(before) - 1
    admin.patch(resource, name, {"rules": left}, place)
    try:
        yield
    finally:
        admin.patch(resource, name, {"rules": before}, place)
