"""The roles in deploy/rbac are what the checks declare: no more, and never stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters.checks import Level
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
        for name in rule.get("resources", rule.get("nonResourceURLs"))
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


@pytest.mark.parametrize("level", list(Level))
def test_nothing_is_granted_wholesale(level: Level) -> None:
    for _, rule in rules(level):
        assert "*" not in {*rule["verbs"], *rule.get("resources", ()), *rule.get("apiGroups", ())}
        assert "secrets" not in rule.get("resources", ())


@pytest.mark.parametrize(("lower", "higher"), [("observe", "create"), ("create", "disrupt")])
def test_a_level_holds_the_ones_before_it(lower: str, higher: str) -> None:
    everywhere = {(name, verb) for where, name, verb in allowed(higher) if not where}

    left = {one for one in allowed(lower) - allowed(higher) if one[1:] not in everywhere}

    assert not left


def test_only_who_disrupts_deletes_pods() -> None:
    deletes = {level: ("metallb-system", "pods", "delete") in allowed(level) for level in Level}

    assert deletes == {"observe": False, "create": False, "disrupt": True}


def test_other_namespaces_can_be_asked_for(tmp_path: Path) -> None:
    rbac.main(["--directory", str(tmp_path), "--metallb-namespace", "lb", "--namespace", "nightly"])

    text = (tmp_path / "observe.yaml").read_text()

    assert "metallb-system" not in text
    assert "namespace: lb" in text
    assert "namespace: nightly" in text
