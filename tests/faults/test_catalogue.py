"""Every cause is seen: made for real, named by the checks that must name it, and nothing unrelated beside it.

`make faults` makes all of them and writes docs/faults.md; here the slower half is behind the mark `full`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from clusters.lab.lab import Lab
from tests.faults.catalogue import IN_THE_CLUSTER, heard, tried
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_healthy import HEALTHY
from tests.faults.catalogue_stage import Stage, opened


def each(found: Iterable[Fault] | Iterable[Healthy]) -> list[object]:
    """As parameters: by name, the slower ones marked."""
    return [pytest.param(one, id=one.name, marks=[pytest.mark.full] if one.full else []) for one in found]


@pytest.fixture(scope="module")
def stage(faulty_lab: Lab) -> Iterator[Stage]:
    """The lab, in which all is silent before the first fault is made."""
    with opened(faulty_lab) as found:
        found.until_silent()
        yield found


@pytest.mark.parametrize("fault", each(IN_THE_CLUSTER))
def test_a_fault_is_named_and_nothing_else(stage: Stage, fault: Fault) -> None:
    assert tried(stage, fault).wrong == ""


@pytest.mark.parametrize("variant", each(HEALTHY))
def test_a_healthy_variant_is_silent(stage: Stage, variant: Healthy) -> None:
    assert heard(stage, variant) == []
