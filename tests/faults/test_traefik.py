"""What goes wrong at a real Traefik is told by its cause, and a Traefik that serves as its profile says is silent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from clusters.lab import life
from clusters.lab.plan import LabOptions
from tests.faults.catalogue import heard, tried
from tests.faults.catalogue_fault import Fault, Healthy
from tests.faults.catalogue_stage import Stage, opened
from tests.faults.catalogue_traefik import FAULTS, HEALTHY

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A lab with a real Traefik, in which all is silent before the first fault is made."""
    name = f"t{os.getpid()}"
    try:
        with opened(life.up(LabOptions(name=name, consumer="traefik"))) as found:
            found.until_silent()
            yield found
    finally:
        life.down(name)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.name)
def test_a_fault_of_traefik_is_named_and_nothing_else(stage: Stage, fault: Fault) -> None:
    assert tried(stage, fault, ordinary=False).wrong == ""


@pytest.mark.parametrize("variant", HEALTHY, ids=lambda one: one.name)
def test_a_traefik_that_keeps_its_promises_is_silent(stage: Stage, variant: Healthy) -> None:
    assert heard(stage, variant, ordinary=False) == []
