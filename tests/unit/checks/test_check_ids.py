"""The ids of checks are those of the checks that are declared, no more and no fewer."""

from __future__ import annotations

from pathlib import Path

from clusters.check_ids import CheckId
from clusters.checks.causes import CAUSES
from suites.plugin.declare import load

DECLARED = load(Path(__file__).parents[3] / "suites")


def test_every_declared_check_has_its_id_and_every_id_its_check() -> None:
    assert set(CheckId) == set(DECLARED)


def test_a_check_that_reports_a_cause_declares_it() -> None:
    reporters = {cause.id: cause.reported_by for cause in CAUSES.values() if cause.reported_by}

    assert {cause for cause, check in reporters.items() if cause not in DECLARED[check].spec.causes} == set()
