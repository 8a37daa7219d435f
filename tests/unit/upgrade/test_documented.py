"""docs/before-an-upgrade.md has the table as it is."""

from __future__ import annotations

from pathlib import Path

from clusters.upgrade.decision import RULES
from clusters.upgrade.rule import Rule

PAGE = Path(__file__).parents[3] / "docs" / "before-an-upgrade.md"


def row(rule: Rule) -> str:
    current, target = (text.replace("<", "&lt;") or "any" for text in (rule.current, rule.target))
    return f"| `{rule.id}` | {current} | {target} | {rule.condition} | {rule.consequence} |"


def test_the_page_has_every_rule_and_no_other() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]

    assert rows == [row(rule) for rule in RULES]
