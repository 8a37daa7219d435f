"""Faults on real kind are named as in the lab: cause and subject as expected, nothing unrelated, silence afterwards."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.kind import alike, faults
from tests.kind.sample import sample
from tests.kind.stage import Stage

pytestmark = pytest.mark.kind


@pytest.fixture(scope="module")
def wrong(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What was wrong about each fault, by its name: all of them are made in one cluster."""
    command = faults.command(stage, tmp_path_factory.mktemp("faults"))
    done = subprocess.run(**command, capture_output=True, text=True, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert told, done.stdout + done.stderr
    return {one["fault"]: one["wrong"] for one in told}


@pytest.mark.parametrize("name", [fault.name for fault in sample(alike.NAME, image="")])
def test_a_fault_on_kind_is_named_and_nothing_else(wrong: dict[str, str], name: str) -> None:
    assert wrong[name] == ""
