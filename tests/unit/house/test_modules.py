"""A module is found by its name: no two of the project share one, but for the names that a convention asks for."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
#: What Python, pytest and the packages themselves call the same everywhere.
CONVENTIONAL = frozenset({"__init__", "__main__", "conftest", "errors"})


def test_no_two_modules_share_a_name() -> None:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for package in ("clusters", "suites", "reports", "metallb_conformance"):
        for path in (ROOT / package).rglob("*.py"):
            found[path.stem].add(str(path.parent.relative_to(ROOT)))

    shared = {name: places for name, places in found.items() if len(places) > 1 and name not in CONVENTIONAL}
    assert shared == {}
