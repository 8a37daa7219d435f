"""In which namespace a run makes its workloads, what they are called there, and what is said where it cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from clusters.api import Api, Unreachable
from clusters.changes import workspace
from clusters.checks import Access, Level, Need, Place, may
from clusters.checks.spec import CheckSpec
from clusters.preflight import missing_permissions, needs_of


@dataclass
class Server:
    """An API server that allows these permissions, and has these namespaces."""

    allowed: Iterable[Access] = ()
    namespaces: Iterable[str] = ()
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def can_i(self, verb: str, resource: str, *, namespace: str = "", name: str = "") -> bool:
        self.asked.append((verb, resource, namespace))
        return (verb, resource) in {(use.verb, use.resource) for use in self.allowed}

    def list(self, _resource: Any, *, fields: str) -> list[str]:
        return [name for name in self.namespaces if f"metadata.name={name}" == fields]


def as_api(server: object) -> Api:
    return cast("Api", server)


CREATE = may("create", "namespaces")
USES = (
    *may("create delete", "deployments.apps", place=Place.WORKLOADS),
    *may("create", "services", place=Place.WORKLOADS),
)
CHECK = CheckSpec(
    id="allocation.x",
    title="It is tried.",
    promise="It is tried.",
    runbook=("1",),
    level=Level.CREATE,
    needs=frozenset({Need.CLUSTER}),
    uses=USES,
)


def test_who_may_make_namespaces_makes_one() -> None:
    assert workspace.fixed(as_api(Server(allowed=CREATE)), "") == ""


def test_who_may_not_uses_the_one_that_was_made_for_it() -> None:
    assert workspace.fixed(as_api(Server()), "") == "metallb-conformance-workloads"


def test_the_one_that_the_profile_names_is_used_whatever_the_login_may() -> None:
    server = Server(allowed=CREATE)

    assert workspace.fixed(as_api(server), "echoes") == "echoes"
    assert not server.asked


def test_where_nobody_can_say_it_is_not_the_wider_way() -> None:
    class Away(Server):
        def can_i(self, verb: str, resource: str, *, namespace: str = "", name: str = "") -> bool:
            raise Unreachable("The API server is away.")

    assert workspace.fixed(as_api(Away()), "") == "metallb-conformance-workloads"


@pytest.mark.parametrize("run", ["20261130-101500-5a61", "night.3", "x" * 40])
@pytest.mark.parametrize("word", ["echo", "announced", "w" * 40])
def test_in_a_shared_namespace_every_name_carries_the_run(word: str, run: str) -> None:
    name = workspace.unique_name(word, 12, run_id=run, shared=True)

    assert len(name) <= 63
    assert name.startswith(word[:7])
    assert name.endswith(f"-12-{workspace.own_name(run)}")


def test_in_a_namespace_of_its_own_a_name_is_short() -> None:
    assert workspace.unique_name("echo", 3, run_id="night", shared=False) == "echo-3"


def test_permissions_in_the_fixed_namespace_are_asked_for_there_alone() -> None:
    server = Server(namespaces=["echoes"])

    missing_permissions.missing(as_api(server), needs_of([CHECK], Level.CREATE), "metallb-system", "echoes")

    assert {place for verb, _, place in server.asked if verb in ("create", "delete")} == {
        "echoes",
        "metallb-system",
    }


def test_a_run_that_makes_its_namespace_needs_them_everywhere_and_the_namespace() -> None:
    needs = needs_of([CHECK], Level.CREATE).with_own_namespace()

    assert {*may("get create delete", "namespaces"), *USES} <= needs.required.keys()
    assert needs.required[may("delete", "namespaces")[0]] == ["allocation.x"]


def test_a_run_that_makes_nothing_needs_no_namespace() -> None:
    needs = needs_of([], Level.CREATE)

    assert needs.with_own_namespace() == needs


def test_a_role_that_is_missing_in_the_namespace_is_told_in_one_sentence() -> None:
    needs = needs_of([CHECK], Level.CREATE)
    others = [use for use in (*needs.required, *needs.optional) if use not in USES]

    problems, _ = missing_permissions.missing(
        as_api(Server(allowed=others, namespaces=["echoes"])), needs, "metallb-system", "echoes"
    )

    assert [problem.sentence for problem in problems] == [
        "This login may not create, delete deployments.apps; create services in namespace echoes, which "
        "allocation.x needs: the role for it is missing there."
    ]
    assert "kubectl apply -f deploy/rbac/create.yaml" in problems[0].remedy


@pytest.mark.parametrize("allowed", [True, False], ids=["an administrator", "the role"])
def test_a_namespace_that_is_missing_is_told_in_one_sentence(*, allowed: bool) -> None:
    needs = needs_of([CHECK], Level.CREATE)
    may_all = [use for use in (*needs.required, *needs.optional) if allowed or use not in USES]

    problems, _ = missing_permissions.missing(
        as_api(Server(allowed=may_all)), needs, "metallb-system", "echoes"
    )

    assert [problem.sentence for problem in problems] == [
        "There is no namespace echoes, in which this run would make its workloads."
    ]
