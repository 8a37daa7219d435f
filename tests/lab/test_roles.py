"""The shipped roles on a real API server: each is enough for its level, and the audit log tells what was done with it.

Taken away from it, each rule is missed, and named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from clusters import preflight, profile, wait
from clusters.api import Api
from clusters.api.resources import CLUSTER_ROLES, ROLES
from clusters.changes.undoing import RUN_LABEL
from clusters.checks import Access, Level
from clusters.diagnosis import Diagnosis
from clusters.diagnosis.answers import health
from clusters.lab import life
from clusters.lab.lab import Lab
from clusters.lab.options import LabOptions
from clusters.observation.collecting import collect
from clusters.observation.permissions import OBSERVATION
from clusters.preflight import needs_of
from clusters.profile import Profile
from clusters.providers import Cluster
from clusters.providers.lab import metrics_answer
from suites.plugin.explaining import load
from tests.lab.accounts import Account, asks_for_itself, is_tried, name_of
from tests.lab.tools import ROOT, SOON, Kubectl

Json = dict[str, Any]
SPECS = [one.spec for one in load(ROOT / "suites").values()]
#: What the checks of a level may do to objects that no run has made; all else is the run's own.
FOREIGN = {"observe": set(), "create": set(), "disrupt": {("delete", "pods"), ("patch", "nodes")}}
QUICK = {
    "observe": (),
    "create": ("-k", "allocation.exhausted"),
    "disrupt": ("-k", "failover.controller-restart or failover.node-excluded"),
}
WHOLE = {"create": ("-m", "create"), "disrupt": ("-m", "disrupt")}


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
    return {str(level): Account(lab, str(level), folder, kubectl).made() for level in Level}


@pytest.mark.parametrize(
    ("level", "chosen"),
    [
        *QUICK.items(),
        *(pytest.param(level, chosen, marks=pytest.mark.full) for level, chosen in WHOLE.items()),
    ],
)
def test_a_level_passes_with_its_role_and_touches_only_what_is_its_own(
    accounts: dict[str, Account], level: str, chosen: tuple[str, ...]
) -> None:
    account = accounts[level]

    code, results, output = account.run(*chosen)

    assert code == 0, output
    assert {check["outcome"] for check in results["checks"]} <= {"passed", "not_supported"}
    asked = account.written()
    assert any(asks_for_itself(event) for event in asked)
    if level == "observe":
        # Its role does not even allow to try a pool, and the run does without.
        assert [event["responseStatus"]["code"] for event in asked if is_tried(event)] == [403]
    done = [event for event in asked if not asks_for_itself(event) and not is_tried(event)]
    assert bool(done) == (level != "observe")
    labelled = {name_of(event) for event in done if event["verb"] == "create" and labels(event, results)}
    foreign = [event for event in done if name_of(event) not in labelled]
    assert {(event["verb"], event["objectRef"]["resource"]) for event in foreign} <= FOREIGN[level]


def labels(event: Json, results: Json) -> bool:
    """Whether what was created carries the run's label."""
    found = event["requestObject"]["metadata"].get("labels") or {}
    return bool(found.get(RUN_LABEL) == results["run"]["id"])


@dataclass(frozen=True)
class Rule:
    """One rule of a shipped role."""

    level: str
    kind: str
    namespace: str
    rule: tuple[str, ...]
    content: str

    @property
    def id(self) -> str:
        """For people."""
        return "-".join((self.level, self.namespace or "cluster", *self.rule))


def rules() -> Iterator[Rule]:
    for level in Level:
        for thing in yaml.safe_load_all((ROOT / "deploy/rbac" / f"{level}.yaml").read_text()):
            for rule in thing.get("rules", ()):
                names = rule.get("resources") or rule["nonResourceURLs"]
                content = yaml.safe_dump(rule)
                yield Rule(
                    str(level), thing["kind"], thing["metadata"].get("namespace", ""), tuple(names), content
                )


#: One of each kind: seen by the observation, asked for by preflight alone, created, a subresource.
SAMPLE = {
    "observe-cluster-nodes", "observe-kube-node-lease-leases", "observe-metallb-system-pods/log",
    "create-cluster-services", "disrupt-metallb-system-pods",
}  # fmt: skip


@pytest.mark.parametrize(
    "rule",
    [pytest.param(one, id=one.id, marks=() if one.id in SAMPLE else pytest.mark.full) for one in rules()],
)
def test_a_rule_that_is_missing_is_named_with_verb_and_resource(
    accounts: dict[str, Account], lab: Lab, rule: Rule
) -> None:
    account = accounts[rule.level]
    admin, api = Api.connect(lab.kubeconfig, None), Api.connect(account.kubeconfig, None)
    needs = needs_of([spec for spec in SPECS if Level(rule.level).allows(spec.level)], Level(rule.level))
    uses = [use for use in (*needs.required, *needs.wished) if covers(rule, use)]
    assert uses

    with without(admin, rule):
        wait.until(
            "the rule is no longer in force",
            read=lambda: [use for use in uses if api.can_i(use, "metallb-system")],
            accept=lambda allowed: len(allowed) < len(uses),
            budget=SOON,
        )
        missing = [use for use in uses if not api.can_i(use, "metallb-system")]
        wanted = Wanted(profile.load(str(account.profile)), Level(rule.level))
        cluster = Cluster(name="rbac", provider="existing", kubeconfig=account.kubeconfig, context=lab.name)
        found = preflight.inspect(wanted, cluster, api, needs=needs)
        answers = Diagnosis(collect(api)) if not found.problems else None

    told = [*(problem.sentence for problem in found.problems), *found.notes]
    for use in missing:
        what = use.describe("metallb-system")
        assert [text for text in told if use.verb in text and f" {what}" in text], told
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


def covers(rule: Rule, use: Access) -> bool:
    content = yaml.safe_load(rule.content)
    if use.is_path:
        return use.resource in content.get("nonResourceURLs", ())
    plural = "/".join(part for part in (use.plural, use.subresource) if part)
    same = plural in content.get("resources", ()) and use.group in content.get("apiGroups", ())
    place = use.namespace("metallb-system")
    return same and use.verb in content["verbs"] and place == rule.namespace


def seen(use: Access) -> bool:
    """Whether a refusal of it shows in an observation of this lab: it lists the thing, and the lab has it."""
    return (use.verb == "list" and use.group != "cilium.io") or use.subresource == "log"


@contextmanager
def without(admin: Api, rule: Rule) -> Iterator[None]:
    """The rule taken out of its role for the block."""
    resource, name = (ROLES if rule.namespace else CLUSTER_ROLES), f"metallb-conformance-{rule.level}"
    place, gone = rule.namespace or None, yaml.safe_load(rule.content)
    before = admin.get(resource, name, place)["rules"]
    left = [one for one in before if one != gone]
    assert len(left) == len(before) - 1
    admin.patch(resource, name, {"rules": left}, place)
    try:
        yield
    finally:
        admin.patch(resource, name, {"rules": before}, place)
