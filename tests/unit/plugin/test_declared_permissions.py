"""The shipped checks declare what they do: whoever changes something names a verb that writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.checks import Level, Need
from suites.plugin.declare import Declared, load

KNOWN = load(Path(__file__).parents[3] / "suites")


@pytest.mark.parametrize("declared", KNOWN.values(), ids=KNOWN)
def test_a_check_writes_exactly_where_its_level_says_so(declared: Declared) -> None:
    spec = declared.spec
    writes = [use for use in spec.uses if use.writes]

    assert bool(writes) == (spec.level is not Level.OBSERVE)


@pytest.mark.parametrize("declared", KNOWN.values(), ids=KNOWN)
def test_what_needs_no_cluster_needs_no_permission(declared: Declared) -> None:
    assert Need.CLUSTER in declared.spec.needs or not declared.spec.uses
