"""Every cause is seen: made for real, named by the checks that must name it, and nothing unrelated beside it.

`make faults` makes all of them and writes docs/faults.md; here a sample is made in which each check fails
once, and the rest is behind the mark `full`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from clusters.lab.lab import Lab
from tests.faults.catalogue import IN_THE_CLUSTER, heard, tried
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_healthy import HEALTHY
from tests.faults.catalogue_stage import Stage, opened


def sample(found: Iterable[Fault]) -> set[str]:
    """The names of faults that suffice to see each check fail once, of those that are not slow."""
    names: set[str] = set()
    shown: set[str] = set()
    for one in found:
        if not one.full and not shown.issuperset(one.shows):
            names.add(one.name)
            shown.update(one.shows)
    return names


def marked(found: Iterable[Fault] | Iterable[Healthy], quick: set[str]) -> list[object]:
    """As parameters: by name, all but the quick ones behind the mark `full`."""
    return [
        pytest.param(one, id=one.name, marks=[] if one.name in quick else [pytest.mark.full]) for one in found
    ]


@pytest.fixture(scope="module")
def stage(faulty_lab: Lab) -> Iterator[Stage]:
    """The lab, in which all is silent before the first fault is made."""
    with opened(faulty_lab) as found:
        found.until_silent()
        yield found


@pytest.mark.parametrize("fault", marked(IN_THE_CLUSTER, sample(IN_THE_CLUSTER)))
def test_a_fault_is_named_and_nothing_else(stage: Stage, fault: Fault) -> None:
    assert tried(stage, fault, ordinary=fault.less is not None).wrong == ""


@pytest.mark.parametrize("variant", marked(HEALTHY, {one.name for one in HEALTHY if not one.full}))
def test_a_healthy_variant_is_silent(stage: Stage, variant: Healthy) -> None:
    assert heard(stage, variant, ordinary=False) == []
