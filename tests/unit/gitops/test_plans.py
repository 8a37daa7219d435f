"""The small files: the documentation's own examples are valid, and every mistake has its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clusters.gitops.documents import FileError, mappings, validated
from clusters.gitops.history import Frozen
from clusters.gitops.plans import Accepted, ChangePlan, Waivers
from clusters.gitops.runbook import Encoding
from tests.unit.gitops.test_range_findings import PLAN

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "gitops.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("begins", "model"),
    [("id: ", ChangePlan), ("waivers:", Waivers), ("base: ", Accepted), ("sections:", Encoding)],
    ids=["plan", "waivers", "accepted", "encoding"],
)
def test_the_documented_examples_are_valid(begins: str, model: type[Frozen]) -> None:
    (block,) = (one for one in BLOCKS if one.startswith(begins))
    (document,) = mappings(block, "docs/gitops.md")

    assert validated(model, document)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("expires: 2026-12-31", "expires: soon", "line 9: expires: Input should be a valid date"),
        (
            "end: 2026-12-01T11",
            "end: 2026-12-01T09",
            "line 6: impact_window: the window ends before it starts",
        ),
        ("rollback: [revert]", "rollback: []", "line 7: rollback: Tuple should have at least 1 item"),
        ("owner: me", "owner: ' '", "line 4: owner: must not be empty"),
        (
            "{service: traefik/traefik,",
            "{servce: a,",
            "line 11: services.0.servce: there is no such field, and 1 more",
        ),
        ("pools: [metallb-pool]", "pools: [metallb-pool", "line 4 is not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(old: str, new: str, said: str) -> None:
    assert old in PLAN

    with pytest.raises(FileError, match=re.escape(said)) as told:
        validated(ChangePlan, *mappings(PLAN.replace(old, new), "plan.yaml"))

    assert str(told.value).startswith("plan.yaml line ")
    assert "\n" not in str(told.value)


def test_an_accepted_difference_names_objects_and_fields_by_pattern() -> None:
    text = "base: 1\nversion: 1\ndifferences:\n- {object: 'Deployment *', fields: ['spec.*'], reason: x}\n"
    accepted = validated(Accepted, *mappings(text.replace(": 1\n", ": '1'\n"), "accepted.yaml"))

    assert accepted.allows("Deployment metallb-system/controller", "spec.containers[controller].image")
    assert not accepted.allows("Deployment metallb-system/controller", "metadata.labels")
    assert not accepted.allows("DaemonSet metallb-system/speaker", "spec.x")
