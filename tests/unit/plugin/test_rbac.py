"""The roles in deploy/rbac are what the checks declare: no more, and never stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from suites import rbac

DEPLOYED = Path(__file__).parents[3] / "deploy" / "rbac"


def rules(level: str) -> list[tuple[str, dict[str, Any]]]:
    """Every rule with the namespace in which it holds, "" for the whole cluster."""
    things = yaml.safe_load_all((DEPLOYED / f"{level}.yaml").read_text())
    return [
        (thing["metadata"].get("namespace", ""), rule) for thing in things for rule in thing.get("rules", ())
    ]


def allowed(level: str) -> set[tuple[str, str, str]]:
    return {
        (where, name, verb)
        for where, rule in rules(level)
        for name in rule.get("resources") or rule["nonResourceURLs"]
        for verb in rule["verbs"]
    }


def test_the_files_are_current() -> None:
    assert rbac.main(["--check"]) == 0, "run python -m suites.rbac"


def test_a_stale_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rbac.main(["--directory", str(tmp_path)]) == 0
    (tmp_path / "create.yaml").write_text("old")

    assert rbac.main(["--check", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/create.yaml is stale. Run python -m suites.rbac\n"


def test_who_observes_only_reads() -> None:
    assert {verb for _, _, verb in allowed("observe")} == {"get", "list"}


FILES = [role.file for role in rbac.ROLES]
READING = {"get", "list", "watch"}


def objects(file: str, kind: str) -> list[dict[str, Any]]:
    things = yaml.safe_load_all((DEPLOYED / f"{file}.yaml").read_text())
    return [thing for thing in things if thing["kind"] == kind]


@pytest.mark.parametrize("file", ["observe", "create"])
def test_nothing_of_the_whole_cluster_is_written(file: str) -> None:
    assert {verb for where, _, verb in allowed(file) if not where} <= READING


def test_who_creates_does_so_in_two_namespaces_alone() -> None:
    writes = {(where, name) for where, name, verb in allowed("create") if verb not in READING}

    assert writes == {
        ("metallb-conformance-workloads", "deployments"),
        ("metallb-conformance-workloads", "services"),
        ("metallb-system", "ipaddresspools"),
        ("metallb-system", "l2advertisements"),
        ("metallb-system", "leases"),
    }


def test_the_accounts_of_the_runs_are_not_where_they_create_pods() -> None:
    """Who creates a pod may give it any service account of its namespace."""
    accounts = {each["metadata"]["namespace"] for file in FILES for each in objects(file, "ServiceAccount")}
    places = {where for where, name, verb in allowed("create") if (name, verb) == ("deployments", "create")}

    assert len(places) == 1
    assert not places & accounts


@pytest.mark.parametrize("file", FILES)
def test_pods_in_the_namespaces_of_a_role_are_restricted(file: str) -> None:
    spaces = objects(file, "Namespace")

    assert {each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] for each in spaces} == {
        "restricted"
    }


@pytest.mark.parametrize("file", FILES)
def test_no_pod_gets_a_token_that_does_not_ask_for_it(file: str) -> None:
    assert [each["automountServiceAccountToken"] for each in objects(file, "ServiceAccount")] == [False]


@pytest.mark.parametrize("file", FILES)
def test_a_role_that_may_create_pods_anywhere_says_first_what_that_amounts_to(file: str) -> None:
    wide = ("", "deployments", "create") in allowed(file) or (
        "metallb-system",
        "daemonsets",
        "create",
    ) in allowed(file)
    first = (DEPLOYED / f"{file}.yaml").read_text().partition("\n")[0]

    assert first.startswith("# What it amounts to: ")
    assert ("cluster-admin by another name" in first) == wide


def test_runs_that_make_their_namespaces_need_the_wider_role() -> None:
    """What is more in it is the same done everywhere, and the namespaces."""
    narrow, wide = allowed("create"), allowed("create-own-namespaces")
    more = {(name, verb) for where, name, verb in wide - narrow if not where}

    assert {("namespaces", "create"), ("namespaces", "delete"), ("deployments", "create")} <= more
    assert more - {("namespaces", verb) for verb in ("create", "delete", "get")} == {
        (name, verb) for where, name, verb in narrow if where == "metallb-conformance-workloads"
    }


@pytest.mark.parametrize("level", FILES)
def test_nothing_is_granted_wholesale(level: str) -> None:
    for _, rule in rules(level):
        assert "*" not in {*rule["verbs"], *rule.get("resources", ()), *rule.get("apiGroups", ())}
        assert "secrets" not in rule.get("resources", ())


@pytest.mark.parametrize(
    ("lower", "higher"), [("observe", "create"), ("create", "disrupt"), ("create", "create-own-namespaces")]
)
def test_a_level_holds_the_ones_before_it(lower: str, higher: str) -> None:
    everywhere = {(name, verb) for where, name, verb in allowed(higher) if not where}

    left = {one for one in allowed(lower) - allowed(higher) if one[1:] not in everywhere}

    assert not left


def test_only_who_disrupts_deletes_pods() -> None:
    deletes = {level: ("metallb-system", "pods", "delete") in allowed(level) for level in FILES}

    assert deletes == {"observe": False, "create": False, "create-own-namespaces": False, "disrupt": True}


def test_other_namespaces_can_be_asked_for(tmp_path: Path) -> None:
    named = ["--metallb-namespace", "lb", "--namespace", "nightly", "--workloads-namespace", "echoes"]
    rbac.main(["--directory", str(tmp_path), *named])

    text = (tmp_path / "create.yaml").read_text()

    assert "metallb-system" not in text
    assert "metallb-conformance-workloads" not in text
    for name in ("lb", "nightly", "echoes"):
        assert f"namespace: {name}" in text


@pytest.mark.parametrize("taken", ["metallb-system", "metallb-conformance"])
def test_workloads_get_no_namespace_that_holds_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str
) -> None:
    with pytest.raises(SystemExit):
        rbac.main(["--directory", str(tmp_path), "--workloads-namespace", taken])

    assert "must be one of its own" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
